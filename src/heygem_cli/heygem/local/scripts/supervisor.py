"""Stands between heygem and HeyGem's worker, so that nothing of the worker outlives either, and no zombie is left.

Usage: supervisor.py LIFELINE PASSED COMMAND …

It starts COMMAND, which inherits the descriptor PASSED, in a session and so in a process group of its own. When the
command ends, or the pipe LIFELINE does since heygem has closed it or died, it ends every process that came from the
command and takes note of its end: as their subreaper it inherits the orphans. Its exit status is the command's, or 128
and the number of the signal that ended it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
AGAIN = 0.02
"""Seconds until orphans are looked for again."""


def start(command: list[str], passed: int) -> int:
    """Start a command that inherits one descriptor; give its process id."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a path object would hold one more
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.set_inheritable(int(name), int(name) == passed)
    try:
        os.execv(command[0], command)  # noqa: S606
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def reaped() -> dict[int, int]:
    """Take note of the children that have ended: their ids and exit codes, negative for a signal."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if not pid:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def wait(main: int, lifeline: int, wakeup: int) -> int | None:
    """Wait until the command or the lifeline ends; give the exit code of the command if it was that."""
    while True:
        readable, _, _ = select.select([lifeline, wakeup], [], [])
        if wakeup in readable:
            os.read(wakeup, 512)
            ended = reaped()
            if main in ended:
                return ended[main]
        if lifeline in readable:
            return None


def end_all(main: int) -> int | None:
    """Kill all children, and the orphans that this hands down, until none is left; give the command's exit code."""
    code = None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(main, signal.SIGKILL)
    while True:
        code = reaped().get(main, code)
        children = Path("/proc/self/task", str(os.getpid()), "children").read_text().split()
        if not children:
            return code
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        select.select([], [], [], AGAIN)


def main() -> None:
    """Watchdog a command."""
    lifeline, passed, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wakeup, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = start(command, passed)
    os.close(passed)  # heygem sees the end of its pipe when the command has ended
    code = wait(child, lifeline, wakeup)
    last = end_all(child)
    code = code if code is not None else last if last is not None else -signal.SIGKILL
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
