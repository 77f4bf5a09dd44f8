"""File digests, files that are replaced atomically, and temporary folders of jobs."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError, write_error

PREFIX = "heygem-job-"
PART_SUFFIX = ".heygem-part"
PART_NAME = re.compile(rf"\..*\.([0-9a-f]+)-[0-9a-f]{{8,16}}{re.escape(PART_SUFFIX)}", re.DOTALL)
FOLDER_NAME = re.compile(rf"{PREFIX}([0-9a-f]+)-([0-9a-f]{{12}})")
"""Temporary names contain the number of their own inode, so that no file of the user can be taken for one of ours."""
IN_USE = "in-use"
"""A file in a work folder, while another program may still read what is in the folder."""
STALE_SECONDS = 7 * 86400.0
"""Age of what a killed run left, where the file system has no locks that would tell."""


def file_identity(path: str | Path) -> tuple[int, ...]:
    """Return numbers that change whenever a file is written or replaced."""
    status = os.stat(path)  # noqa: PTH116 - also of text: a batch has millions of files
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def file_digest(path: str | Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits; the file is read again only if it has changed since.

    Raises:
        OSError: The file cannot be read; the error names it.
    """
    identity = file_identity(path)
    try:
        return _digest(os.fspath(path), identity)
    except OSError as error:
        error.filename = os.fspath(path)  # an error of the disk does not name it
        raise


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@functools.lru_cache(maxsize=1 << 16)
def _digest(path: str, _identity: tuple[int, ...]) -> str:
    return sha256(Path(path))


@dataclass(frozen=True)
class PartFile:
    """A temporary file that gets its final name once it is complete; the descriptor holds its lock."""

    path: Path
    descriptor: int

    @property
    def open_path(self) -> Path:
        """Its path for a program that inherits the descriptor.

        ffmpeg opens its output late: by the other path it would create it again if it was deleted meanwhile.
        """
        return Path(f"/proc/self/fd/{self.descriptor}")


@contextlib.contextmanager
def part_file(target: Path) -> Iterator[PartFile]:
    """Create a hidden, locked, empty file beside ``target``; delete it afterwards unless it was published.

    A missing folder of ``target`` is created, and stays.

    Raises:
        OSError: The folder cannot be written.
    """
    token = os.urandom(8).hex()
    part: PartFile | None = None
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        part = _create_part(target, token)
        yield part
    finally:
        if part is None:  # a signal may have come between any two steps
            _remove_unfinished(target.parent, f"{token}{PART_SUFFIX}")
        else:
            with contextlib.suppress(OSError):  # if the folder is read-only by now, the block says it better
                part.path.unlink()
            os.close(part.descriptor)


def publish(part: PartFile, target: Path, *, overwrite: bool = True) -> None:
    """Sync a part file and give it the name of ``target``.

    Raises:
        FileExistsError: Something has this name and ``overwrite`` is false.
        OSError: The file cannot be synced or renamed.
    """
    os.fsync(part.descriptor)
    if overwrite:
        part.path.replace(target)
    else:
        _rename_if_free(part.path, target)


@dataclass(frozen=True, slots=True)
class OwnOutputs:
    """What a batch made under the name of an output, and may replace.

    Attributes:
        digests: SHA-256 of each file; ``123 bytes`` where only the size is known.
        receipt: A file that gets the digest of the next output before that gets its name, so that it is known as one
            of ours even if the process is killed in that moment.
        announce: Called with that digest instead, where another process keeps it; waits until it has done so.
    """

    digests: frozenset[str] = frozenset()
    receipt: Path | None = None
    announce: Callable[[str], None] | None = None

    def include(self, path: Path) -> bool:
        """Return whether the content of a file is one that the batch made."""
        try:
            return bool(self.digests) and bool(self.digests & {file_digest(path), f"{path.stat().st_size} bytes"})
        except OSError:
            return False

    @contextlib.contextmanager
    def publishing(self, part: Path) -> Iterator[None]:
        """Write the receipt of a complete part file before the block publishes it; delete it if the block fails.

        Raises:
            OSError: The receipt cannot be written.
        """
        if self.announce is not None:
            self.announce(sha256(part))
        if self.receipt is None:
            yield
            return
        write_atomically(self.receipt, sha256(part).encode())
        try:
            yield
        except OSError:
            self.receipt.unlink(missing_ok=True)
            raise


def write_atomically(path: Path, content: bytes, *, like: Path | None = None, mode: int | None = None) -> None:
    """Write a file so that it has either its old content or the new one, whenever the process or the machine dies.

    Args:
        path: The file to create or replace.
        content: The whole new content.
        like: A file whose owner, mode and extended attributes the new one gets.
        mode: Its mode, whatever the umask.

    Raises:
        OSError: The file cannot be written; what was there is unchanged.
    """
    with part_file(path) as part:
        with open(part.descriptor, "wb", closefd=False) as file:
            file.write(content)
        if like is not None:
            _copy_attributes(like, part)
        if mode is not None:
            os.fchmod(part.descriptor, mode)
        publish(part, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that the name of a new file is on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_attributes(source: Path, part: PartFile) -> None:
    wanted, own = source.stat(), os.fstat(part.descriptor)
    if (wanted.st_uid, wanted.st_gid) != (own.st_uid, own.st_gid):
        os.fchown(part.descriptor, wanted.st_uid, wanted.st_gid)
    # Mode and extended attributes (access control lists), but not the times.
    shutil.copystat(source, part.path)
    os.utime(part.path)


def _create_part(target: Path, token: str) -> PartFile:
    # Half of the 255 bytes of a name: some file systems allow no more.
    stem = os.fsencode(target.stem)[:80].decode("utf-8", "ignore")
    unbound = target.with_name(f".{stem}.{token}{PART_SUFFIX}")
    descriptor = os.open(unbound, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        _try_lock(descriptor)
        path = target.with_name(f".{stem}.{os.fstat(descriptor).st_ino:x}-{token}{PART_SUFFIX}")
        return PartFile(unbound.rename(path), descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def _remove_unfinished(folder: Path, ending: str) -> None:
    """Delete the file or folder whose creation was interrupted, whether or not its name has its inode yet."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.name.endswith(ending):
                path.rmdir() if path.is_dir() else path.unlink()


def _is_own(name: str, pattern: re.Pattern[str], inode: int) -> bool:
    match = pattern.fullmatch(name)
    return match is not None and int(match[1], 16) == inode


def _open_own(path: Path, pattern: re.Pattern[str], flags: int) -> int:
    """Open a temporary file or folder of ours.

    Raises:
        OSError: It is not ours, or cannot be opened.
    """
    if not _is_own(path.name, pattern, path.lstat().st_ino):
        raise FileNotFoundError
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def _try_lock(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_stale(descriptor: int) -> bool:
    """Return whether the process that made a temporary file or folder has ended."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return time.time() - os.fstat(descriptor).st_mtime > STALE_SECONDS
    return True


def _rename_if_free(part: Path, target: Path) -> None:
    """Rename a file unless another has the name: unlike a rename, a link replaces nothing."""
    try:
        target.hardlink_to(part)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        # A file system without hard links, such as FAT: there the name can be taken between the check and the rename.
        if os.path.lexists(target):
            raise FileExistsError from error
        part.replace(target)
    else:
        part.unlink()


def remove_stale_parts(folder: Path) -> bool:
    """Delete part files that killed runs left in a folder; those of living runs are locked and stay.

    Returns:
        Whether any stay.
    """
    living = False
    for path in folder.glob(f".*{PART_SUFFIX}"):
        with contextlib.suppress(OSError):  # somebody else's, or gone already
            descriptor = _open_own(path, PART_NAME, os.O_RDWR)
            try:
                if _is_stale(descriptor):
                    path.unlink()
                else:
                    living = True
            finally:
                os.close(descriptor)
    return living


def delete_parts_of(pids: Iterable[int]) -> None:
    """Delete the part files that processes still write, before they are killed or exit without cleaning up."""
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):  # the descriptor was closed meanwhile, or the file renamed
                    target = link.readlink()
                    if _is_own(target.name, PART_NAME, link.stat().st_ino):
                        target.unlink()


def temporary_folder() -> Path:
    """Return ``TMPDIR``, or else ``/tmp``: never another folder, as :mod:`tempfile` does when this one is full."""
    return Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108


@contextlib.contextmanager
def work_folder(parent: Path, is_in_use: Callable[[Path], bool] = lambda _: True) -> Iterator[Path]:
    """Create a folder for one job, and delete it with all its files when the block ends.

    All users may read it, since a container may run as another one. It is locked, so that other runs can tell it from
    the folders of killed runs, which are deleted first. A folder that contains :data:`IN_USE` stays.

    Args:
        parent: Where to create it.
        is_in_use: Returns whether another program still uses a folder with :data:`IN_USE` that a run has left.

    Raises:
        InputError: ``no-permission``, ``no-such-folder``.
        HeygemError: ``disk-full``, ``writing-failed``.
    """
    _remove_stale_folders(parent, is_in_use)
    token = os.urandom(6).hex()
    folder: Path | None = None
    try:
        folder, lock = _create_folder(parent, token)
        yield folder
    finally:
        if folder is None:  # a signal may have come between any two steps
            _remove_unfinished(parent, token)
        else:
            if not (folder / IN_USE).exists():
                shutil.rmtree(folder, ignore_errors=True)  # a file of a container's user must not hide the real error
            os.close(lock)


def _create_folder(parent: Path, token: str) -> tuple[Path, int]:
    unbound = parent / f"{PREFIX}{token}"
    lock = -1
    try:
        unbound.mkdir()
        unbound.chmod(0o755)
        lock = os.open(unbound, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        _try_lock(lock)
        return unbound.rename(parent / f"{PREFIX}{os.fstat(lock).st_ino:x}-{token}"), lock
    except BaseException as error:
        if lock >= 0:
            os.close(lock)
        if isinstance(error, FileNotFoundError):
            message = "there is no such folder"
            raise InputError("no-such-folder", message, hint="Create it first", path=parent) from error
        if isinstance(error, OSError):
            raise write_error(error, parent, parent) from error
        raise


def _remove_stale_folders(parent: Path, is_in_use: Callable[[Path], bool]) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, or gone already
            lock = _open_own(folder, FOLDER_NAME, os.O_RDONLY | os.O_DIRECTORY)
            try:
                if _is_stale(lock) and not ((folder / IN_USE).exists() and is_in_use(folder)):
                    shutil.rmtree(folder)
            finally:
                os.close(lock)
