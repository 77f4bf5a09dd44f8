"""Sessions: ``nox`` runs tests, lint and types; ``nox -s minimums`` and ``nox -s bench`` on demand."""

from pathlib import Path

import nox
import tomllib

nox.options.sessions = ["tests", "lint", "types"]
nox.options.default_venv_backend = "venv"


@nox.session(python=["3.10", "3.11", "3.12"])
def tests(session: nox.Session) -> None:
    """Run the tests against the installed package."""
    session.install(".[test,train]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install("ruff>=0.9")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    session.install(".[dev]")
    session.run("mypy")


@nox.session(python="3.10")
def minimums(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml admits."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    lowest = [named.replace(">=", "==").split(",")[0] for named in project["dependencies"]]
    session.install(".[test]", *lowest)
    session.run("pytest", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks; they print tables and check nothing."""
    session.install(".[test]")
    for name in ("speed", "memory", "lipsync"):
        session.run("python", "-m", f"benchmarks.{name}", *session.posargs)
