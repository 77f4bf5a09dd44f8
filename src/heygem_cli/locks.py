"""Locks between processes: ``flock`` where the file system has it, elsewhere a file that names its holder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from heygem_cli.errors import LockedError, printable
from heygem_cli.lock_holder import KEY, MAX_BYTES, Holder, current_scope, parse_holder, read_holder, write_holder

POLL_INTERVAL = 0.1
ALIVE_INTERVAL = 1.0
SILENT_SECONDS = 60.0
"""Time without a sign of life after which a holder is no longer waited for."""
WRITING_SECONDS = 2.0
"""Time within which a new lock names its holder."""


class SoftLock:
    """A lock that works without ``flock``: a file that only one process can create, and that names it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._token = ""

    def try_acquire(self) -> bool:
        """Get the lock unless another process holds it; what a process of this machine left is removed.

        Raises:
            OSError: The file cannot be created.
        """
        while True:
            try:
                descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            except FileExistsError:
                if not self._remove_stale():
                    return False
                continue
            try:
                self._token = write_holder(descriptor)
            except OSError:
                self.path.unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)
            return True

    def holder(self) -> Holder | None:
        """Return who holds the lock; None if nobody does, or if the file does not tell."""
        holder = read_holder(self.path)[0]
        return None if holder is None or holder.is_known_dead else holder

    def keep_alive(self) -> None:
        """Give a sign of life."""
        with contextlib.suppress(OSError):
            os.utime(self.path, follow_symlinks=False)

    def release(self) -> None:
        """Let others have the lock."""
        holder = read_holder(self.path)[0]
        if holder is not None and holder.token == self._token:
            self.path.unlink(missing_ok=True)

    def _remove_stale(self) -> bool:
        """Remove the file if its process has ended; return False if it holds the lock."""
        deadline = time.monotonic() + WRITING_SECONDS
        while True:
            holder, content = read_holder(self.path)
            if content is None:  # it was released
                return True
            if holder is not None:
                if not holder.is_known_dead:
                    return False
                break
            if time.monotonic() > deadline:
                if content.strip(b"\0") and not content.startswith(f'{{"{KEY}"'.encode()):
                    return False  # a file of the user
                break
            time.sleep(POLL_INTERVAL)
        # Another process may have replaced it meanwhile: only what is still the same may be deleted.
        aside = self.path.with_name(f".{self.path.name}.{os.urandom(4).hex()}")
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(aside)
            if read_holder(aside)[1] != content:
                aside.rename(self.path)
                return False
            aside.unlink()
        return True


class FileLock:
    """A lock on a file, which stays when the lock is released and names the holder meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._soft = SoftLock(path.with_name(f"{path.name}.holder"))
        self._descriptor = -1
        self._is_soft = False
        self._alive_at = 0.0

    def try_acquire(self) -> bool:
        """Get the lock unless another process holds it.

        Raises:
            OSError: The file cannot be created.
        """
        descriptor = _open(self.path)
        try:
            self._is_soft = not _flock(descriptor)
            if not _is_at(descriptor, self.path):  # it was deleted before it was locked
                return self.try_acquire()
            if self._soft.holder() is not None or (self._is_soft and not self._soft.try_acquire()):
                return False
            if not self._is_soft:
                _name_holder(descriptor)
            self._descriptor, descriptor = descriptor, -1
        except BlockingIOError:
            return False
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return True

    def holder(self) -> Holder | None:
        """Return who holds the lock; None if nobody is known to."""
        holder = self._soft.holder() or read_holder(self.path)[0]
        return None if holder is None or holder.is_known_dead else holder

    def locked_error(self, message: str, hint: str, path: Path) -> LockedError:
        """Return an error that says who holds the lock, and what to do if that is not true any more."""
        soft, holder = self._soft.holder(), self.holder()
        if soft is not None and soft.scope != current_scope():
            hint += f". If that process has ended, delete {printable(self._soft.path)}"
        elif holder is None and os.path.lexists(self._soft.path):
            hint += f". If there is none, move {printable(self._soft.path)} away"
        return LockedError("locked", message, hint=hint, path=path).held_by(holder)

    def is_held(self) -> bool:
        """Return whether another process holds the lock; the file is not created."""
        if self._soft.holder() is not None:
            return True
        try:
            with self.path.open("rb") as file:
                # A shared lock, so that two processes that only test it do not see each other.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # it does not exist any more, or the file system has no locks
            return False
        return False

    def sign_of_life(self) -> object:
        """Return a value that changes when the holder calls :meth:`keep_alive`."""
        times = []
        for path in (self.path, self._soft.path):
            with contextlib.suppress(OSError):
                times.append(path.lstat().st_mtime_ns)
        return times

    def keep_alive(self) -> None:
        """Give a sign of life, for those who wait."""
        if time.monotonic() - self._alive_at < ALIVE_INTERVAL:
            return
        self._alive_at = time.monotonic()
        if self._is_soft:
            self._soft.keep_alive()
        else:
            with contextlib.suppress(OSError):
                os.utime(self._descriptor)

    def release(self) -> None:
        """Let others have the lock."""
        if self._is_soft:
            self._soft.release()
        elif parse_holder(os.pread(self._descriptor, MAX_BYTES, 0)) is not None:
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


class FolderLock:
    """A lock on a folder; a file is made in it only where the file system has no ``flock``.

    Attributes:
        descriptor: Of the folder: the lock is held until all processes that inherited it have ended.
    """

    def __init__(self, folder: Path) -> None:
        self._soft = SoftLock(folder / ".heygem-lock")
        self.descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def try_acquire(self) -> bool:
        """Get the lock unless another process holds it, or the folder has no locks and cannot be written."""
        try:
            return _flock(self.descriptor) or self._soft.try_acquire()
        except BlockingIOError:
            return False
        except OSError:
            return True

    def holder(self) -> str:
        """Say who holds the lock; empty if that is unknown."""
        inode = f":{os.fstat(self.descriptor).st_ino} "
        lines = Path("/proc/locks").read_text().splitlines() if os.access("/proc/locks", os.R_OK) else []
        pids = [line.split()[4] for line in lines if " FLOCK " in line and inode in line]
        holder = self._soft.holder() or (f"process {pids[0]}" if pids else "")
        return str(holder)

    def release(self) -> None:
        """Let others have the lock."""
        if self.descriptor >= 0:
            self._soft.release()
            os.close(self.descriptor)
            self.descriptor = -1


@contextlib.contextmanager
def hold(
    path: Path,
    message: str,
    hint: str,
    *,
    subject: Path | None = None,
    wait: float | None = None,
    on_wait: Callable[[], object] = lambda: None,
) -> Iterator[FileLock]:
    """Hold a lock while the block runs.

    Args:
        path: The file.
        message: What it means that another process holds the lock.
        hint: What to do then.
        subject: The file that the error names; None for the lock itself.
        wait: How many seconds to wait for a holder that does not respond; :data:`SILENT_SECONDS` by default.
        on_wait: Called often while another process holds it.

    Raises:
        LockedError: Another process holds the lock.
        OSError: The file cannot be created.
    """
    lock = FileLock(path)
    last, since = lock.sign_of_life(), time.monotonic()
    while not lock.try_acquire():
        if (sign := lock.sign_of_life()) != last:
            last, since = sign, time.monotonic()
        if time.monotonic() - since >= (SILENT_SECONDS if wait is None else wait):
            raise lock.locked_error(message, hint, subject or path)
        on_wait()
        time.sleep(POLL_INTERVAL)
    try:
        yield lock
    finally:
        lock.release()


def _open(path: Path) -> int:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags | os.O_RDWR | os.O_CREAT, 0o644)
    except PermissionError:  # it is another user's
        descriptor = os.open(path, flags | os.O_RDONLY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return descriptor


def _flock(descriptor: int) -> bool:
    """Lock a file; return False if the file system has no locks.

    Raises:
        BlockingIOError: Another process has locked it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    return False


def _name_holder(descriptor: int) -> None:
    """Write into a locked file who holds it, unless it has content that is not ours."""
    with contextlib.suppress(OSError):  # read-only, or the disk is full: the lock holds anyway
        content = os.pread(descriptor, MAX_BYTES, 0)
        if not content or parse_holder(content) is not None:
            os.ftruncate(descriptor, 0)
            write_holder(descriptor)
