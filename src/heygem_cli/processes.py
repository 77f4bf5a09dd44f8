"""Child processes, and the signals that stop a run."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that stop a run: Ctrl-C, a request to stop, a closed terminal."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
REAP_SECONDS = 2.0
ORPHAN_SECONDS = 5.0
_CODE_VARIABLES = {"PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONPYCACHEPREFIX"}
_FOLDER_VARIABLES = {"PATH", "LD_LIBRARY_PATH", "PYTHONUSERBASE"}


def unignored_signals() -> list[signal.Signals]:
    """Return the signals of :data:`SIGNALS` that the parent does not make us ignore, as a shell's ``&`` does."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def exit_on_next_signal(signals: Iterable[int]) -> None:
    """Let the next of these signals end the process at once.

    Except SIGHUP: when a terminal is closed, both the kernel and the shell send it.
    """
    for number in signals:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)


def isolated_python(code: str, *arguments: str) -> list[str]:
    """Return the command line of a child that runs ``code`` in this interpreter and finds the packages that we find.

    It imports nothing from the current folder, and reads neither ``PYTHONPATH`` nor ``PYTHONSTARTUP``.
    """
    return [sys.executable, "-I", "-c", f"import sys; sys.path[:] = {import_folders()!r}\n{code}", *arguments]


def import_folders() -> list[str]:
    """Return the folders of :data:`sys.path` without the current one, which ``python -m`` adds."""
    folders = [folder for folder in sys.path if Path(folder).is_absolute() and folder != str(_current_folder())]
    package = str(Path(__file__).parents[1])  # it may lie in the current folder
    return folders if package in folders else [*folders, package]


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was deleted
        return None


def find_program(name: str, path: str | None = None) -> str | None:
    """Find a program like :func:`shutil.which`, but never in the current folder.

    Args:
        name: A name, or a path with a folder in it, which is taken as it is.
        path: Folders separated by colons; None for ``PATH``.
    """
    folders = (os.environ.get("PATH", os.defpath) if path is None else path).split(os.pathsep)
    return shutil.which(name, path=os.pathsep.join(folder for folder in folders if Path(folder).is_absolute()))


def isolated_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which a child finds no program, module or library in its current folder.

    There are no variables that name code for Python, and only absolute folders in lists such as ``PATH``, where an
    empty entry is the current folder.
    """
    isolated = {name: value for name, value in environment.items() if name not in _CODE_VARIABLES}
    for name in _FOLDER_VARIABLES & isolated.keys():
        folders = [folder for folder in re.split("[:;]", isolated.pop(name)) if Path(folder).is_absolute()]
        if folders:  # an empty PATH would be the current folder, one that is unset is the system's
            isolated[name] = os.pathsep.join(folders)
    return isolated


def kill_and_reap_children() -> None:
    """Kill all child processes, which are ffmpegs, and wait for them a short time."""
    _wait(kill_children(os.getpid()), REAP_SECONDS)


def kill_children(parent: int) -> list[int]:
    """Kill all child processes of a process, and return their ids."""
    pids = children(parent)
    _kill(pids)
    return pids


def children(parent: int) -> list[int]:
    """Return the ids of the child processes of a process, including zombies."""
    pids: list[int] = []
    for path in Path(f"/proc/{parent}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread or the process has ended
            pids += map(int, path.read_text().split())
    return pids


def become_subreaper() -> None:
    """Let the children of a child that dies become children of this process."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def reap_orphans(known: Collection[int]) -> None:
    """Wait for the processes that a dead child left, such as an ffmpeg that still writes; kill those that stay.

    Args:
        known: Ids of children that are not orphans.
    """
    left = _wait([pid for pid in children(os.getpid()) if pid not in known], ORPHAN_SECONDS)
    _kill(left)
    _wait(left, REAP_SECONDS)


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _wait(pids: list[int], seconds: float) -> list[int]:
    """Reap child processes, and return those that have not ended in time."""
    end = time.monotonic() + seconds
    while (pids := [pid for pid in pids if not _reaped(pid)]) and time.monotonic() < end:
        time.sleep(0.01)
    return pids


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:  # it was reaped elsewhere
        return True


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent, given by its id, dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the line above
        os.kill(os.getpid(), signal.SIGKILL)
