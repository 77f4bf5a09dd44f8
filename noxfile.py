"""Sessions: ``nox`` runs tests, lint, types and docs; ``nox -s minimums``, ``image`` and ``bench`` on demand."""

import nox

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
EXTRAS = PROJECT["optional-dependencies"]

nox.options.sessions = ["tests", "lint", "types", "docs"]
nox.options.default_venv_backend = "venv"


@nox.session(python=["3.10", "3.11", "3.12"])
def tests(session: nox.Session) -> None:
    """Run the tests against the installed package and print their coverage."""
    session.install(".[test,train]")
    session.run("pytest", "-n", "2", *session.posargs, "--cov")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and spelling."""
    session.install(*EXTRAS["lint"])
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("codespell")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    session.install(".[dev]")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation as a site in ``site/``; any warning is an error."""
    session.install(*EXTRAS["docs"])
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(python="3.10")
def minimums(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml admits."""
    lowest = [named.replace(">=", "==").split(",")[0] for named in PROJECT["dependencies"]]
    session.install(".[test]", *lowest)
    session.run("pytest", *session.posargs)


@nox.session
def image(session: nox.Session) -> None:
    """Build the container image and run it; needs root, Podman, runc and debootstrap."""
    session.install(".[test]")
    session.run("pytest", "-m", "image", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks; they print tables and check nothing."""
    session.install(".[test,train]")
    for name in ("speed", "memory", "lipsync"):
        session.run("python", "-m", f"benchmarks.{name}", *session.posargs)
