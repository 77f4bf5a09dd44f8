"""Supervise HeyGem's worker: none of its processes outlives the worker or heygem, and no zombie remains.

Usage: supervisor.py LIFELINE INHERITED COMMAND …

Start COMMAND, which inherits the descriptor INHERITED, in its own session and process group. When the command exits, or
the pipe LIFELINE ends because heygem closed it or died, kill every process that descends from the command and reap it:
this process is their subreaper and inherits the orphans. The exit status is the command's, 128 + n for signal n.
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
KILL_INTERVAL = 0.02
"""Seconds between two searches for orphans."""


def start(command: list[str], inherited: int) -> int:
    """Start a command that inherits one descriptor, and return its process id."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - pathlib would keep one more descriptor open
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.set_inheritable(int(name), int(name) == inherited)
    try:
        os.execv(command[0], command)  # noqa: S606
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def reap() -> dict[int, int]:
    """Reap all children that have ended; return their exit codes, negative for signals, by process id."""
    exit_codes: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return exit_codes
        if not pid:
            return exit_codes
        exit_codes[pid] = os.waitstatus_to_exitcode(status)


def wait(pid: int, lifeline: int, wakeup: int) -> int | None:
    """Wait until the command or the lifeline ends; return the exit code of the command, or None."""
    while True:
        readable, _, _ = select.select([lifeline, wakeup], [], [])
        if wakeup in readable:
            os.read(wakeup, 512)
            exit_codes = reap()
            if pid in exit_codes:
                return exit_codes[pid]
        if lifeline in readable:
            return None


def kill_all(pid: int) -> int | None:
    """Kill all children, and the orphans that become ours, until none is left; return the command's exit code."""
    code = None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    while True:
        code = reap().get(pid, code)
        children = Path("/proc/self/task", str(os.getpid()), "children").read_text().split()
        if not children:
            return code
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        select.select([], [], [], KILL_INTERVAL)


def main() -> None:
    """Run the command."""
    lifeline, inherited, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wakeup, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    pid = start(command, inherited)
    os.close(inherited)  # so that heygem's end of the socket is closed when the command ends
    code = wait(pid, lifeline, wakeup)
    killed_code = kill_all(pid)
    code = code if code is not None else killed_code if killed_code is not None else -signal.SIGKILL
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
