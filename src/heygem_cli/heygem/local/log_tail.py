"""New lines of a log that another process writes, and may turn over or cut."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO


class LogTail:
    """Gives what is written into a log from now on.

    Args:
        path: of the log; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._file: BinaryIO | None = self._opened()
        if self._file is not None:
            self._file.seek(0, os.SEEK_END)

    def lines(self) -> list[str]:
        """The lines that were completed since the last call.

        Raises:
            OSError: the log cannot be read.
        """
        data = self._read()
        if self._turned_over():
            self.close()
            self._file = self._opened()
            data += self._read()
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [_decoded(line) for line in whole]

    def close(self) -> None:
        """Close the log."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except FileNotFoundError:
            return None

    def _read(self) -> bytes:
        if self._file is None:
            return b""
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # cut
            self._file.seek(0)
        return self._file.read()

    def _turned_over(self) -> bool:
        """Whether another file stands under the name."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        if self._file is None:
            return True
        then = os.fstat(self._file.fileno())
        return (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino)


def _decoded(line: bytes) -> str:
    try:
        return line.decode().rstrip("\r")
    except UnicodeDecodeError:  # HeyGem writes in its locale's encoding
        return line.decode("gb18030", errors="replace").rstrip("\r")
