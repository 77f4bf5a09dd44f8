"""The lock beside the journal, which allows one run at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from heygem_cli import locks
from heygem_cli.batch.journal import UNWRITABLE_HINT
from heygem_cli.errors import InputError, from_os_error

LOCKED = "another run of this batch is in progress"
LOCKED_HINT = "Wait until it ends, or stop it"


def lock_path(journal: Path) -> Path:
    """Return the path of the lock of a journal."""
    return journal.with_suffix(".lock")


@contextmanager
def hold_lock(journal: Path, conflicting: Callable[[], Iterable[Path]] = tuple) -> Iterator[None]:
    """Hold the lock of a journal while the block runs; its folder is made if it is missing.

    Args:
        journal: The journal of this run.
        conflicting: Finds the locks that no other run may hold at the same time.

    Raises:
        LockedError: Another run holds this lock or a conflicting one.
        InputError: The folder cannot be written.
    """
    with ExitStack() as stack:
        try:
            journal.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locks.hold(lock_path(journal), LOCKED, LOCKED_HINT, subject=journal, wait=0))
        except OSError as error:
            raise InputError("no-permission", from_os_error(error).message, hint=UNWRITABLE_HINT) from error
        # Only now, so that of two conflicting runs that start together at least one sees the other.
        for other in conflicting():
            lock = locks.FileLock(other)
            if lock.is_held():
                raise lock.locked_error(LOCKED, LOCKED_HINT, other.with_suffix(".jsonl"))
        yield
