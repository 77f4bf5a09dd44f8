"""Files and folders: digests, work folders."""

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
from pathlib import Path

from heygem_cli.errors import HeygemError, InputError


def content_digest(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits; read again only when the file has changed since the last call.

    Raises:
        OSError: it cannot be read; names the file.
    """
    found = path.stat()
    identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    try:
        return _digest(os.fspath(path), identity)
    except OSError as error:
        error.filename = os.fspath(path)  # one that comes from a bad disk does not say it
        raise


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@functools.lru_cache(maxsize=1 << 16)
def _digest(path: str, _identity: tuple[int, ...]) -> str:
    return sha256(Path(path))


PREFIX = "heygem-job-"


@contextlib.contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """Make a folder that only this job uses, and remove it with all that is in it when the block ends.

    Others may read it: a container may be another user. It is locked, so that runs side by side tell living folders
    from those of killed runs, which are removed first.

    Raises:
        InputError: ``no-permission``, ``no-such-folder``.
        HeygemError: ``disk-full``, ``writing-failed``.
    """
    _remove_stale(parent)
    folder, lock = _create(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a file of the container's own user must not hide the real error
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
                continue  # another run took it for a stale one in this moment
            raise InputError("no-such-folder", "there is no such folder", hint="Make it first", path=parent) from error
        except OSError as error:
            raise _worded(parent, error) from error
        with contextlib.suppress(OSError):  # a file system without locks: nobody will take it for a stale one
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.is_dir():
            return folder, lock
        os.close(lock)


def _worded(parent: Path, error: OSError) -> HeygemError:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        message = "no permission to write into this folder"
        return InputError("no-permission", message, hint="Make it writable for this user", path=parent)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HeygemError("disk-full", "the disk is full", hint="Free some space", path=parent)
    return HeygemError("writing-failed", f"no folder can be made in it ({error.strerror})", path=parent)


def _remove_stale(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # locked, somebody else's, or gone already
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(lock)
