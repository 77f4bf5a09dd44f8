"""Read the small files of an installation, whatever stands in their place."""

from __future__ import annotations

import codecs
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError

MAX_BYTES = 16 << 20
"""More than any configuration file has; a file beyond it is something else."""

_BOMS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True)
class TransparentText:
    """Text in which every character outside ASCII is kept as it was, whatever the encoding.

    Files in UTF-8, GBK and other supersets of ASCII are read as Latin-1, one character a byte, so that ASCII parts can
    be edited and all other bytes come back as they were. UTF-16 is decoded. ``to_bytes`` is the exact inverse.
    """

    text: str
    codec: str = "latin-1"

    def to_bytes(self, text: str | None = None) -> bytes:
        """The file with this text, or with another one in the same encoding."""
        return (self.text if text is None else text).encode(self.codec)


def read_small(path: Path) -> bytes:
    """Read a whole file.

    Raises:
        InputError: it is missing, no regular file, larger than 16 MiB or unreadable.
    """
    try:
        status = check_regular(path)
        if status.st_size > MAX_BYTES:
            size = f"{status.st_size / (1 << 20):,.0f} MiB"
            hint = "Look at what it is, and move it away"
            raise InputError("too-large", f"is {size} large, so no configuration file", path=path, hint=hint)
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def check_regular(path: Path) -> os.stat_result:
    """Look at a file before it is opened: opening a named pipe would wait for a writer.

    Raises:
        InputError: it is no regular file.
        OSError: it cannot be looked at.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise InputError("is-directory", "is a directory, not a file", path=path, hint="Move it away")
    if not stat.S_ISREG(status.st_mode):
        raise InputError("not-a-file", "is no regular file", path=path, hint="Move it away")
    return status


def unreadable(path: Path, error: OSError) -> InputError:
    """Say why a file cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return InputError("missing", "there is no such file", path=path)
    if isinstance(error, PermissionError):
        return InputError("no-permission", "no permission to read it", path=path, hint="Run as its owner")
    return InputError("unreadable", error.strerror or str(error), path=path)


def decode_transparent(data: bytes, path: Path) -> TransparentText:
    """Decode a file so that it can be edited without loss.

    Raises:
        InputError: the file is binary.
    """
    if b"\0" not in data:
        return TransparentText(data.decode("latin-1"))
    codec = next((codec for bom, codec in _BOMS if data.startswith(bom)), _utf16_without_bom(data))
    try:
        if codec and "\0" not in (text := data.decode(codec)):
            return TransparentText(text, codec)
    except UnicodeDecodeError:
        pass
    raise InputError("binary", "is a binary file, not text", path=path, hint="Look at what it is, and move it away")


def split_lines(text: str) -> list[str]:
    """Split after line feeds and carriage returns only; what else ``str.splitlines`` takes may be half a character."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)


def _utf16_without_bom(data: bytes) -> str:
    """Guess the byte order from where the zero bytes of ASCII characters stand; empty if it cannot be UTF-16."""
    if len(data) % 2:
        return ""
    return "utf-16-le" if data[1::2].count(0) > data[::2].count(0) else "utf-16-be"


def readable(data: bytes) -> str:
    """Decode text for a person to read; wrong characters do no harm here."""
    for bom, codec in _BOMS:
        if data.startswith(bom):
            return data.decode(codec, errors="replace").removeprefix("\ufeff")
    for codec in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")
