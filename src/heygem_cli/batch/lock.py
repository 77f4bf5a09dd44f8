"""The lock beside the journal, which allows one run at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from heygem_cli.batch.journal import UNWRITABLE_HINT, read_events
from heygem_cli.errors import InputError, LockedError, from_os_error


def lock_path(journal: Path) -> Path:
    """Return the path of the lock of a journal."""
    return journal.with_suffix(".lock")


@contextmanager
def hold_lock(journal: Path, conflicting: Callable[[], Iterable[Path]] = tuple) -> Iterator[None]:
    """Hold the lock of a journal while the block runs.

    Args:
        journal: The journal of this run.
        conflicting: Finds the locks that no other run may hold at the same time.

    Raises:
        LockedError: Another run holds this lock or a conflicting one.
        InputError: The folder cannot be written.
    """
    lock = FileLock(lock_path(journal), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise _locked_error(journal) from error
    except OSError as error:
        raise InputError("no-permission", from_os_error(error).message, hint=UNWRITABLE_HINT) from error
    try:
        # Only now, so that of two conflicting runs that start together at least one sees the other.
        for other in conflicting():
            if _is_held(other):
                raise _locked_error(other.with_suffix(".jsonl"))
        yield
    finally:
        lock.release()


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            # A shared lock, so that two processes that only test it do not see each other.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it does not exist any more, or the file system has no locks
        return False
    return False


def _locked_error(journal: Path) -> LockedError:
    runs = [event for event in (read_events([journal]) if journal.exists() else []) if event["event"] == "run"]
    message = "another run of this manifest is in progress"
    if runs:
        last = runs[-1]
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last["time"]))
        message += f": process {last.get('pid')} on {last.get('host')}, since {since}"
    return LockedError("locked", message, hint="Wait until it ends, or stop it", path=journal)
