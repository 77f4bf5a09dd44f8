"""The child processes of this one."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
REAP_SECONDS = 2.0


def end_children() -> None:
    """Kill all child processes, each of which is an ffmpeg, and wait for their end if it comes soon."""
    pids = kill_children(os.getpid())
    end = time.monotonic() + REAP_SECONDS
    while pids and time.monotonic() < end:
        pids = [pid for pid in pids if not _reaped(pid)]
        time.sleep(0.01)


def kill_children(parent: int) -> list[int]:
    """Kill all child processes of a process; give their ids."""
    pids: list[int] = []
    for path in Path(f"/proc/{parent}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended
            pids += map(int, path.read_text().split())
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
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
