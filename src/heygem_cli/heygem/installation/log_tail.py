"""Follows a log that another process writes, and may rotate or truncate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from heygem_cli.heygem.installation.files import check_regular, read_error


class LogTail:
    """Reads the lines that are written to a log from now on.

    Args:
        path: The log; it need not exist yet.
        backlog: How many bytes to read of what has been written already.

    Raises:
        InputError: It is not a regular file, or cannot be read.
    """

    def __init__(self, path: Path, backlog: int = 0) -> None:
        self._path = path
        self._incomplete = b""
        self._file: BinaryIO | None = self._open()
        if self._file is not None:
            self._file.seek(max(0, os.fstat(self._file.fileno()).st_size - backlog))

    def lines(self) -> list[str]:
        """Return the lines completed since the last call."""
        data = self._read()
        if self._is_rotated():
            self.close()
            self._file = self._open()
            data += self._read()
        *lines, self._incomplete = (self._incomplete + data).split(b"\n")
        return [_decode(line) for line in lines]

    def close(self) -> None:
        """Close the log."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> BinaryIO | None:
        try:
            check_regular(self._path)
            return self._path.open("rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise read_error(self._path, error) from error

    def _read(self) -> bytes:
        if self._file is None:
            return b""
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # truncated
            self._file.seek(0)
        return self._file.read()

    def _is_rotated(self) -> bool:
        try:
            current = self._path.stat()
        except OSError:
            return False
        if self._file is None:
            return True
        opened = os.fstat(self._file.fileno())
        return (current.st_dev, current.st_ino) != (opened.st_dev, opened.st_ino)


def _decode(line: bytes) -> str:
    try:
        return line.decode().rstrip("\r")
    except UnicodeDecodeError:  # HeyGem writes in the encoding of its locale
        return line.decode("gb18030", errors="replace").rstrip("\r")
