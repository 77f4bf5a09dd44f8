"""File digests, files that are replaced atomically, and temporary folders of jobs."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError, write_error

PREFIX = "heygem-job-"
PART_SUFFIX = ".heygem-part"


def file_identity(path: Path) -> tuple[int, ...]:
    """Return numbers that change whenever a file is written or replaced."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def file_digest(path: Path) -> str:
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


@contextlib.contextmanager
def part_file(target: Path) -> Iterator[PartFile]:
    """Create a hidden, locked, empty file beside ``target``; delete it afterwards unless it was published.

    Raises:
        OSError: The folder cannot be written.
    """
    part = _create_part(target)
    try:
        yield part
    finally:
        part.path.unlink(missing_ok=True)
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


def write_atomically(path: Path, content: bytes, *, like: Path | None = None) -> None:
    """Write a file so that it has either its old content or the new one, whenever the process or the machine dies.

    Args:
        path: The file to create or replace.
        content: The whole new content.
        like: A file whose owner, mode and extended attributes the new one gets.

    Raises:
        OSError: The file cannot be written; what was there is unchanged.
    """
    with part_file(path) as part:
        with open(part.descriptor, "wb", closefd=False) as file:
            file.write(content)
        if like is not None:
            _copy_attributes(like, part)
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


def _create_part(target: Path) -> PartFile:
    # Half of the 255 bytes of a name: some file systems allow no more.
    stem = os.fsencode(target.stem)[:100].decode("utf-8", "ignore")
    while True:
        path = target.with_name(f".{stem}.{secrets.token_hex(4)}{PART_SUFFIX}")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            continue
        with contextlib.suppress(OSError):  # a file system without locks: nobody will take it for a stale one
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return PartFile(path, descriptor)
        os.close(descriptor)  # another run removed it in the moment before it was locked


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


def remove_stale_parts(folder: Path) -> None:
    """Delete part files that killed runs left in a folder; those of living runs are locked and stay."""
    for path in folder.glob(f".*{PART_SUFFIX}"):
        with contextlib.suppress(OSError):  # locked, somebody else's, or gone already
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)


def delete_own_parts() -> None:
    """Delete the part files that this process still writes, before it exits without cleaning up."""
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the descriptor was closed meanwhile, or the file renamed
            target = link.readlink()
            if target.name.endswith(PART_SUFFIX):
                target.unlink()


@contextlib.contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """Create a folder for one job, and delete it with all its files when the block ends.

    All users may read it, since a container may run as another one. It is locked, so that other runs can tell it from
    the folders of killed runs, which are deleted first.

    Raises:
        InputError: ``no-permission``, ``no-such-folder``.
        HeygemError: ``disk-full``, ``writing-failed``.
    """
    _remove_stale_folders(parent)
    folder, lock = _create(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a file of a container's user must not hide the real error
        os.close(lock)


def _create(parent: Path) -> tuple[Path, int]:
    while True:
        folder = parent / f"{PREFIX}{secrets.token_hex(6)}"
        try:
            folder.mkdir()
            folder.chmod(0o755)
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            if parent.is_dir():
                continue  # another run deleted it before it was locked
            message = "there is no such folder"
            raise InputError("no-such-folder", message, hint="Create it first", path=parent) from error
        except OSError as error:
            raise write_error(error, parent, parent) from error
        with contextlib.suppress(OSError):  # a file system without locks: nobody will take it for a stale one
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.is_dir():
            return folder, lock
        os.close(lock)


def _remove_stale_folders(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # locked, somebody else's, or gone already
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(lock)
