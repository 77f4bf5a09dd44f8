"""Child processes, and the signals that stop a run."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterable
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def unignored_signals() -> list[signal.Signals]:
    """The signals, without what the parent lets this process ignore: a shell's ``&`` keeps Ctrl-C from it."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def exit_on_next_signal(signals: Iterable[int]) -> None:
    """From now on one more of these signals ends the process at once.

    Not SIGHUP: when a terminal closes, the kernel says it, and the shell once more.
    """
    for number in signals:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)


PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
REAP_SECONDS = 2.0
ORPHANS_END_WITHIN = 5.0


def kill_and_reap_children() -> None:
    """Kill all child processes, each of which is an ffmpeg, and wait for their end if it comes soon."""
    _await(kill_children(os.getpid()), REAP_SECONDS)


def kill_children(parent: int) -> list[int]:
    """Kill all child processes of a process; give their ids."""
    pids = children(parent)
    _kill(pids)
    return pids


def children(parent: int) -> list[int]:
    """Give the ids of the child processes of a process, ended ones that nobody waited for among them."""
    pids: list[int] = []
    for path in Path(f"/proc/{parent}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread, or a process, that has ended
            pids += map(int, path.read_text().split())
    return pids


def become_subreaper() -> None:
    """From now on the children of a child that dies become children of this process."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def reap_orphans(known: Collection[int]) -> None:
    """Wait until what a dead child has left has ended too: an ffmpeg would go on to write its file.

    They notice the death by themselves, and some have children of their own to end; what stays is killed.

    Args:
        known: ids of children that are no orphans.
    """
    left = _await([pid for pid in children(os.getpid()) if pid not in known], ORPHANS_END_WITHIN)
    _kill(left)
    _await(left, REAP_SECONDS)


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _await(pids: list[int], seconds: float) -> list[int]:
    """Reap child processes; give those that have not ended in time."""
    end = time.monotonic() + seconds
    while (pids := [pid for pid in pids if not _reaped(pid)]) and time.monotonic() < end:
        time.sleep(0.01)
    return pids


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:  # somebody else waited for it
        return True


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent dies.

    Args:
        parent: process id of the parent that is meant.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os.kill(os.getpid(), signal.SIGKILL)
