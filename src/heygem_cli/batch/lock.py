"""One run at a time: the lock beside the journal."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from heygem_cli.batch.journal import read_events
from heygem_cli.errors import InputError, LockedError, from_os_error


def lock_path(journal: Path) -> Path:
    """The lock of a journal."""
    return journal.with_suffix(".lock")


@contextmanager
def hold_lock(journal: Path, rivals: Callable[[], Iterable[Path]] = tuple) -> Iterator[None]:
    """Hold the lock of a journal.

    Args:
        journal: of this run.
        rivals: finds the locks of other runs, of which nobody may hold one.

    Raises:
        LockedError: another run holds it, or one of the others.
        InputError: its folder cannot be written.
    """
    lock = FileLock(lock_path(journal), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise _locked(journal) from error
    except OSError as error:
        hint = "The journal lies beside the manifest: use a copy of it in a folder that can be written"
        raise InputError("no-permission", from_os_error(error).message, hint=hint) from error
    try:
        # After its own lock: of two rivals that start together one at least sees the other.
        for rival in rivals():
            if _held(rival):
                raise _locked(rival.with_suffix(".jsonl"))
        yield
    finally:
        lock.release()


def _held(lock: Path) -> bool:
    """Whether a run holds a lock; those who only ask do not get into each other's way."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it is gone, or it is on a file system without locks
        return False
    return False


def _locked(journal: Path) -> LockedError:
    runs = [event for event in (read_events([journal]) if journal.exists() else []) if event["event"] == "run"]
    who = "another run of this manifest is going on"
    if runs:
        last = runs[-1]
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last["time"]))
        who += f": process {last.get('pid')} on {last.get('host')}, since {since}"
    return LockedError("locked", who, hint="Wait for its end, or stop it", path=journal)
