"""How HeyGem is started: as it runs now, or as the scripts of its tree allow."""

from __future__ import annotations

import ast
import itertools
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.files import is_file, read_or_empty, read_small
from heygem_cli.heygem.installation.tree import main_processes, process_environment
from heygem_cli.heygem.installation.variables import VARIABLES

THREADS = "--num_threads"
KEPT = (
    "PYTHONPATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT",
    *(variable.name for variable in VARIABLES),
)  # fmt: skip
"""Variables of the running process that a new one needs, too."""


@dataclass(frozen=True)
class Start:
    """How to start HeyGem.

    Attributes:
        command: The program and its arguments; empty if the tree has no script that serves.
        variables: The variables of the process that it replaces.
        sets_threads: Whether the script passes ``--num_threads 0`` on to HeyGem.
    """

    home: Path
    command: tuple[str, ...]
    variables: Mapping[str, str]
    sets_threads: bool

    def shell(self, *before: str) -> str:
        """Return a line for a shell, with commands that precede the start; empty without a command."""
        if not self.command:
            return ""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.variables.items()]
        return " && ".join([f"cd {shlex.quote(str(self.home))}", *before, " ".join([*variables, self.program])])

    @property
    def program(self) -> str:
        """The program and its arguments, quoted for a shell."""
        return shlex.join(self.command)


def find_start(home: Path, proc: Path, python: str | None = None) -> Start:
    """Return the command of the running HeyGem, else the one that the tree allows, with ``--num_threads 0`` if it can.

    Args:
        home: The root of the installation, resolved.
        proc: The mount point of procfs.
        python: HeyGem's interpreter, if known.
    """
    if running := main_processes(home, proc):
        environment = process_environment(running[0].pid, proc) or {}
        program, *arguments = running[0].arguments
        # In the copy of a container, procfs lies beside the folders of PATH.
        folders = environment.get("PATH", os.defpath).split(os.pathsep)
        path = os.pathsep.join(str(proc.parent / folder.lstrip("/")) for folder in folders)
        program = shutil.which(program, path=path) or program
        script = next((home / each for each in arguments if each.endswith(".py") and is_file(home / each)), None)
        variables = {name: environment[name] for name in KEPT if name in environment}
        sets_threads = script is not None and passes_options(script)
        return Start(home, (program, *_with_threads(arguments, sets_threads)), variables, sets_threads)
    return tree_start(home, python or "python")


def tree_start(home: Path, python: str = "python") -> Start:
    """Return the command that the scripts of the tree allow."""
    script = _serving_script(home)
    if script is None:
        return Start(home, (), {}, sets_threads=False)
    sets_threads = passes_options(script)
    return Start(home, (python, *_with_threads([script.name], sets_threads)), {}, sets_threads)


def passes_options(script: Path) -> bool:
    """Return whether a script leaves ``--num_threads`` on its command line to HeyGem: a strict parser refuses it.

    The script is parsed and never executed.
    """
    try:
        tree = ast.parse(read_small(script))
        text = ast.unparse(tree)
    except (InputError, SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(ast.unparse(each) in ("sys.argv", "argv") for each in targets):
            return False
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".parse_args"):
            return f"'{THREADS}'" in text
    return True


def sets_threads(arguments: tuple[str, ...]) -> bool:
    """Return whether a command line sets ``--num_threads 0``."""
    return f"{THREADS}=0" in arguments or (THREADS, "0") in itertools.pairwise(arguments)


def _with_threads(arguments: list[str], sets_threads: bool) -> list[str]:
    if not sets_threads:
        return arguments
    kept = [
        each
        for before, each in zip(["", *arguments], arguments, strict=False)
        if THREADS not in (before, each) and not each.startswith(f"{THREADS}=")
    ]
    return [*kept, THREADS, "0"]


def _serving_script(home: Path) -> Path | None:
    """Return the script that serves: Gradio's page, the container's service, or a run.py that takes options."""
    app, local, run = (home / name for name in ("app.py", "app_local.py", "run.py"))
    if is_file(app) and (not is_file(local) or b"gradio" in read_or_empty(app)):
        return app
    if is_file(local):
        return local
    return run if is_file(run) and passes_options(run) else None
