"""Conda environments inside a container."""

from __future__ import annotations

import os
from pathlib import PurePosixPath

from heygem_cli.errors import InputError
from heygem_cli.heygem.container.client import Container
from heygem_cli.heygem.local.locate import conda_folders
from heygem_cli.options import EngineOptions

_FIRST = 'for each; do if [ -x "$each/bin/python" ]; then echo "$each"; exit; fi; done'


def named_python(container: Container, engines: EngineOptions) -> str | None:
    """Return the interpreter that the options name, as the container knows it; None if they name none.

    Raises:
        InputError: There is no such conda environment in the container.
    """
    if engines.python is not None or engines.conda_env is None:
        return engines.python
    home = container.environment.get("HOME", "/root")
    known = container.read(f"{home}/.conda/environments.txt") or b""
    folders = conda_folders(engines.conda_env, {"HOME": home, **container.environment}, os.fsdecode(known))
    if not (found := _output(container, _FIRST, *map(str, folders))):
        message = f"--conda-env {engines.conda_env}: there is no such conda environment in the container"
        hint = "Name its folder there, such as /opt/conda/envs/human"
        raise InputError("no-conda-env", message, path=container.name, hint=hint)
    return f"{found}/bin/python"


def conda_library_folder(container: Container, python: str | None) -> str:
    """Return the folder with the libraries of an interpreter's conda environment; empty if it is in none."""
    if python is None or not python.startswith("/"):
        return ""
    prefix = PurePosixPath(python).parent.parent
    return _output(container, '[ -d "$1/conda-meta" ] && echo "$1/lib"', str(prefix))


def _output(container: Container, script: str, *arguments: str) -> str:
    return os.fsdecode(container.run("sh", "-c", script, "sh", *arguments).stdout).strip()
