"""Read the text files that a batch is given: manifests and reports."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from heygem_cli.errors import InputError
from heygem_cli.media.source import open_source, unreadable

MAX_BYTES = 256 << 20
"""More is not a list of videos but, for example, a device that never ends."""


def read_text_file(path: Path) -> bytes:
    """Read a file; nothing that may block is opened.

    Raises:
        InputError: It cannot be read, or is too large.
    """
    try:
        with open_source(path) as file:
            return read_limited(file, path)
    except OSError as error:
        raise unreadable(error, path) from error
    except InputError as error:
        if error.code == "empty-file":
            return b""
        raise


def read_limited(file: BinaryIO, path: Path) -> bytes:
    """Read a file up to its end.

    Raises:
        InputError: ``too-large``.
        OSError: It cannot be read.
    """
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        hint = "Check that it is the right file; split a longer list"
        raise InputError("too-large", f"it has more than {MAX_BYTES >> 20} MB", hint=hint, path=path)
    return data
