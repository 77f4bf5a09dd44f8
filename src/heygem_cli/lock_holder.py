"""Who holds a lock: what the files of :mod:`heygem_cli.locks` say, and whether that process still runs."""

from __future__ import annotations

import functools
import json
import os
import time
import typing
from dataclasses import asdict, dataclass
from pathlib import Path

from heygem_cli.errors import printable

MAX_BYTES = 4096
KEY = "heygem lock"
_PROGRAM = os.urandom(8).hex()
"""Begins the tokens of this process: after a restart in place its number is the same, but its locks are gone."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock.

    Attributes:
        since: When it got the lock, in seconds since the epoch.
        scope: The boot and the process namespace in which ``pid`` means something.
        started: When the process started, in clock ticks since the boot.
        token: Tells this lock from any other.
    """

    pid: int
    host: str
    since: float
    scope: str
    started: int
    token: str

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} on {printable(self.host)}, since {since}"

    @property
    def is_known_dead(self) -> bool:
        """Whether the process has ended; False also where only another machine or container could tell."""
        if self.scope != current_scope():
            return False
        restarted = self.pid == os.getpid() and not self.token.startswith(_PROGRAM)
        return restarted or _start_time(self.pid) != self.started


def write_holder(descriptor: int) -> str:
    """Write into an open file that this process holds the lock, and return the token of the lock."""
    token = _PROGRAM + os.urandom(8).hex()
    pid = os.getpid()
    holder = Holder(pid, os.uname().nodename, round(time.time(), 3), current_scope(), _start_time(pid) or 0, token)
    os.pwrite(descriptor, json.dumps({KEY: asdict(holder)}).encode() + b"\n", 0)
    return token


def read_holder(path: Path) -> tuple[Holder | None, bytes | None]:
    """Return whom a file names, and its content; None instead of the content if there is no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None, None
    except OSError:
        return None, b"?"
    try:
        content = os.read(descriptor, MAX_BYTES)
    except OSError:  # it is a folder
        content = b"?"
    finally:
        os.close(descriptor)
    return parse_holder(content), content


def parse_holder(content: bytes) -> Holder | None:
    """Return whom the content of a file names; None if it is anything else."""
    try:
        fields = json.loads(content)[KEY]
        kinds = typing.get_type_hints(Holder)
        holder = Holder(**{name: kind(fields[name]) for name, kind in kinds.items()})
        str(holder)  # the time may be absurd
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None
    return holder


@functools.cache
def current_scope() -> str:
    """Return what tells this boot and namespace of processes from all others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return os.urandom(8).hex()


def _start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the boot; None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
