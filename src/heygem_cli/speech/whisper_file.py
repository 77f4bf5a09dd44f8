"""The file of a Whisper model in CTranslate2's format, cut down to the first layers of its encoder.

The file holds: the format's version (u32), the name of the model's kind, its revision (u32), the number of variables
(u32); of each its name, rank (u8), dimensions (u32 each), type (u8), size in bytes (u32) and content; the number of
aliases (u32), and of each its name and the variable's. A name is its length with a final NUL (u16), and the bytes.
All little-endian.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_LAYER = re.compile(rb"encoder/layer_(\d+)/")


class BadModelFileError(ValueError):
    """The file is not of this format, or is cut off."""


def first_layers(content: bytes, layers: int) -> bytes:
    """Leave the encoder's layers from number ``layers`` on out of a model file.

    CTranslate2 builds as many layers as it finds; its last normalisation then follows the last one that is left.

    Raises:
        BadModelFileError: this is no such file.
    """
    try:
        start, count = _header(content)
        kept = [part for name, part in _variables(content, start, count) if _is_kept(name, layers)]
        end = start + sum(len(part) for _, part in _variables(content, start, count))
        aliases = content[end:]
        struct.unpack_from("<I", aliases)
    except (struct.error, IndexError) as error:
        raise BadModelFileError("the file ends too early") from error
    return b"".join([content[: start - 4], struct.pack("<I", len(kept)), *kept, aliases])


def _is_kept(name: bytes, layers: int) -> bool:
    found = _LAYER.match(name)
    return found is None or int(found[1]) < layers


def _header(content: bytes) -> tuple[int, int]:
    """Where the variables begin, and how many there are."""
    end = _name_end(content, 4) + 4
    (count,) = struct.unpack_from("<I", content, end)
    return end + 4, count


def _name_end(content: bytes, start: int) -> int:
    (length,) = struct.unpack_from("<H", content, start)
    return start + 2 + int(length)


def _variables(content: bytes, start: int, count: int) -> Iterator[tuple[bytes, bytes]]:
    """The name of each variable, and all of its bytes."""
    for _ in range(count):
        end = _name_end(content, start)
        name = content[start + 2 : end - 1]
        rank = content[end]
        (size,) = struct.unpack_from("<I", content, end + 1 + 4 * rank + 1)
        stop = end + 1 + 4 * rank + 1 + 4 + int(size)
        if stop > len(content):
            raise BadModelFileError("the file ends too early")
        yield name, content[start:stop]
        start = stop
