"""Finds the installation and its interpreter, and what prevents it from running."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import HeygemError, InputError, NotCapableError
from heygem_cli.heygem.installation import config_ini, tree
from heygem_cli.heygem.installation.files import (
    check_regular,
    exists,
    is_file,
    is_folder,
    path_problem,
    read_if_exists,
    read_small,
)
from heygem_cli.heygem.installation.variables import VARIABLES
from heygem_cli.options import EngineOptions
from heygem_cli.processes import find_program, isolated_environment


@dataclass(frozen=True)
class Installation:
    """The root folder, interpreter, log file, and folders of results and temporary files of an installation."""

    home: Path
    python: Path
    log: Path
    results: Path
    temporary: Path


def find_installation(settings: EngineOptions, environment: Mapping[str, str]) -> Installation:
    """Find the installation and the files it needs to start.

    Raises:
        InputError: Something that was named does not exist, or not enough was named.
        NotCapableError: ffmpeg or a model is missing.
    """
    for problem in problems(settings, environment):
        raise problem
    home = _home(settings, environment)
    config = _config(home)
    return Installation(
        home=home,
        python=_python(settings, home, environment),
        log=config_ini.find_log(home),
        results=config_ini.own_folder(home, config, "result"),
        temporary=config_ini.own_folder(home, config, "temp"),
    )


def problems(settings: EngineOptions, environment: Mapping[str, str]) -> list[HeygemError]:
    """Return what prevents the installation from starting, as far as its files show."""
    try:
        home = _home(settings, environment)
        config = _config(home)
    except HeygemError as error:
        return [error]
    errors: list[HeygemError] = [*config_ini.unusable(home, config)]
    try:
        python = _python(settings, home, environment)
        if find_program("ffmpeg", search_path(python, environment)) is None:
            hint = "Install it: apt install ffmpeg, or conda install ffmpeg in HeyGem's environment"
            message = "HeyGem needs ffmpeg, which is not on the PATH"
            errors.append(NotCapableError("ffmpeg-missing", message, hint=hint))
    except InputError as error:
        errors.append(error)
    return [*errors, *_model_problems(home)]


def identity(settings: EngineOptions, environment: Mapping[str, str]) -> str:
    """Return a digest of what the outputs depend on: the installation, its models and its configuration.

    Raises:
        InputError: There is no installation.
    """
    home = _home(settings, environment)
    files = [tree.CONFIG_INI, *tree.MODEL_FILES]
    stats = [(str(each), (home / each).stat()) for each in files if exists(home / each)]
    content = [str(home), [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _home(settings: EngineOptions, environment: Mapping[str, str]) -> Path:
    home = tree.find_home(settings.home, environment, Path.cwd())
    if home is None:
        raise InputError("no-home", "there is no HeyGem installation here", path=Path.cwd(), hint=tree.HOME_HINT)
    if not exists(home / "service"):
        raise InputError("not-heygem", "not a HeyGem installation: it has no service/", path=home, hint=tree.HOME_HINT)
    return home


def _config(home: Path) -> config_ini.Config:
    path = home / tree.CONFIG_INI
    data = read_if_exists(path)
    return config_ini.Config({}, bom=False) if data is None else config_ini.parse(data, path)


def _python(settings: EngineOptions, home: Path, environment: Mapping[str, str]) -> Path:
    python = named_python(settings, home, environment)
    if python is None:
        raise InputError("no-python", "there is no Python for HeyGem", path=home, hint=_python_hint(home))
    return Path(python)


def named_python(settings: EngineOptions, home: Path | None, environment: Mapping[str, str]) -> str | None:
    """Return HeyGem's interpreter: the one named, that of the conda environment, or that of ``.venv`` in its root.

    Raises:
        InputError: What was named does not exist.
    """
    if settings.python is not None:
        named = find_program(settings.python, environment.get("PATH", os.defpath))
        if named is None:
            hint = _python_hint(home)
            raise InputError("no-program", "there is no such program", path=settings.python, hint=hint)
        # Not resolved: a virtual environment's interpreter is a link, and finds its packages by the link's path.
        return str(Path(named).absolute())
    if settings.conda_env is not None:
        folders = conda_folders(settings.conda_env, environment, _known_environments(environment))
        found = next((each for each in folders if _has_python(each)), None)
        if found is None:
            message = f"--conda-env {settings.conda_env}: there is no such conda environment with a Python"
            raise InputError("no-conda-env", message, hint="`conda env list` lists them; a folder works, too")
        return str(found / "bin/python")
    return str(home / ".venv/bin/python") if home is not None and _has_python(home / ".venv") else None


def _python_hint(home: Path | None) -> str:
    return (
        "Name HeyGem's interpreter with --python or HEYGEM_PYTHON, or its conda environment with --conda-env, "
        f"or make a virtual environment in {home or 'its root folder'}/.venv"
    )


def _has_python(folder: Path) -> bool:
    return os.access(folder / "bin/python", os.X_OK)


def _known_environments(environment: Mapping[str, str]) -> str:
    with contextlib.suppress(InputError):
        return os.fsdecode(read_small(_user(environment) / ".conda/environments.txt"))
    return ""


def _user(environment: Mapping[str, str]) -> Path:
    return Path("/root", environment.get("HOME", ""))  # an absolute folder in any case


def conda_folders(name: str, environment: Mapping[str, str], known: str) -> Iterator[Path]:
    """Yield where a conda environment may be: the named folder, conda's own list ``known``, the usual places."""
    if "/" in name:
        yield Path(name).absolute()
        return
    user = _user(environment)
    mamba, prefix, program = (
        Path(environment.get(key, "")) for key in ("MAMBA_ROOT_PREFIX", "CONDA_PREFIX", "CONDA_EXE")
    )
    yield from (Path(line) for line in known.splitlines() if Path(line).is_absolute() and Path(line).name == name)
    roots = [mamba, prefix, *program.parents[1:2]]
    roots += [user / each for each in ("miniconda3", "miniforge3", "anaconda3", ".conda")] + [Path("/opt/conda")]
    for root in roots:
        if root.is_absolute():
            yield root / "envs" / name
            yield root.parent / name  # CONDA_PREFIX may be a sibling environment


def _model_problems(home: Path) -> Iterator[HeygemError]:
    has_script = is_file(home / "download.sh")
    hint = "Run HeyGem's download.sh again" if has_script else "Copy it from HeyGem's image or release"
    for name in tree.MODEL_FILES:
        path = home / name
        unreadable = path_problem(path, check_regular)
        if unreadable is not None:
            yield unreadable
        elif not exists(path) or not path.stat().st_size:
            reason = "empty: its download was interrupted" if exists(path) else "missing"
            yield NotCapableError("model-missing", f"the model is {reason}", path=path, hint=hint)


def worker_environment(python: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the worker's environment: stability variables, and the interpreter's programs and CUDA libraries."""
    environment = isolated_environment(environment)
    libraries = [*_cuda_folders(python.parent.parent), *environment.get("LD_LIBRARY_PATH", "").split(os.pathsep)]
    return {
        **environment,
        **{variable.name: variable.recommended for variable in VARIABLES},
        "PATH": search_path(python, environment),
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8:backslashreplace",
    }


def search_path(python: Path, environment: Mapping[str, str]) -> str:
    """Return the PATH of the worker: conda installs ffmpeg beside the interpreter."""
    return os.pathsep.join([str(python.parent), isolated_environment(environment).get("PATH", os.defpath)])


def _cuda_folders(prefix: Path) -> list[str]:
    """Return the folders of an environment that hold CUDA libraries, of pip packages and of conda."""
    packages = "lib/python3.*/site-packages"
    folders = [*prefix.glob(f"{packages}/nvidia/*/lib"), *prefix.glob(f"{packages}/torch/lib")]
    if is_folder(prefix / "conda-meta") or next(prefix.glob("lib/libcu*.so*"), None):
        folders.append(prefix / "lib")
    return [str(each) for each in sorted(folders)]
