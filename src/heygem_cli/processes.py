"""Child processes, and the signals that stop a run."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from heygem_cli.errors import StoppedError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that stop a run: Ctrl-C, a request to stop, a closed terminal."""
REPEAT_SECONDS = 0.3
"""Signals within this time are one request: ``timeout`` sends it to the command and to its process group."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
REAP_SECONDS = 2.0
ORPHAN_SECONDS = 5.0
_CODE_VARIABLES = {"PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONPYCACHEPREFIX"}
_FOLDER_VARIABLES = {"PATH", "LD_LIBRARY_PATH", "PYTHONUSERBASE"}

_exiting = threading.Lock()


def unignored_signals() -> list[signal.Signals]:
    """Return the signals of :data:`SIGNALS` that the parent does not make us ignore, as a shell's ``&`` does."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def exit_on_next_signal(signals: Iterable[int]) -> None:
    """Let the next of these signals end the process at once, except a repetition of the one that is handled now."""
    first = time.monotonic()

    def exit_unless_repeated(signum: int, _frame: FrameType | None) -> None:
        exit_on_second_signal(signum, first)

    for number in signals:
        signal.signal(number, exit_unless_repeated)


def exit_on_second_signal(signum: int, first: float) -> None:
    """Exit at once on a signal, unless it repeats the one that came at ``first``, on the monotonic clock.

    SIGHUP does not count: when a terminal is closed, both the kernel and the shell send it.
    """
    if signum == signal.SIGHUP or time.monotonic() - first <= REPEAT_SECONDS:
        return
    if _exiting.acquire(blocking=False):  # the main thread and the one that watches it both notice a signal
        write_stopped(signum)
        os._exit(128 + signum)


@contextlib.contextmanager
def exit_on_sigterm() -> Iterator[Sequence[int]]:
    """Exit with status 0 on the first SIGTERM, and ignore all others: they would interrupt the clean-up.

    Yields a list that contains the signal once it has come.
    """
    stopped: list[int] = []

    def stop(signum: int, _frame: FrameType | None) -> None:
        signal.signal(signum, signal.SIG_IGN)
        stopped.append(signum)
        sys.exit()

    signal.signal(signal.SIGTERM, stop)
    try:
        yield stopped
    except Exception as error:
        # A library that is interrupted while it is imported may raise an error of its own.
        if stopped:
            raise SystemExit from error
        raise


def write_stopped(signum: int) -> None:
    """Write to standard error which signal stopped the command, from any thread, before the process exits at once."""
    # Not through sys.stderr, whose lock the main thread may hold; native output may be hidden on descriptor 2.
    with contextlib.suppress(OSError, ValueError):  # the terminal or the stream is closed
        os.write(sys.stderr.fileno(), f"error: {StoppedError(signum)}\n".encode())


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
    with contextlib.suppress(OSError):  # the process has ended, perhaps while its threads were listed
        for path in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # the thread has ended
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
