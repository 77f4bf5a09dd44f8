"""What a file holds, as a digest that is computed once a process."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from heygem_cli.runtime import sha256


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


@functools.lru_cache(maxsize=1 << 16)
def _digest(path: str, _identity: tuple[int, ...]) -> str:
    return sha256(Path(path))
