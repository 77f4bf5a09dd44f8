"""Remove the last encoder layers from a Whisper model file in CTranslate2's format.

The file contains: the version of the format (u32), the name of the model type, its revision (u32), the number of
variables (u32); for each variable its name, rank (u8), dimensions (u32 each), type (u8), size in bytes (u32) and
content; the number of aliases (u32), and for each alias its name and that of the variable. A name is its length (u16)
and its bytes, including a final NUL. All numbers are little-endian.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_LAYER = re.compile(rb"encoder/layer_(\d+)/")


class ModelFileError(ValueError):
    """The file does not have this format, or is truncated."""


def truncate_encoder(content: bytes, layers: int) -> bytes:
    """Return a model file of which the encoder has only the first ``layers`` layers.

    CTranslate2 builds as many layers as the file has; the final normalisation then follows the last one that is left.

    Raises:
        ModelFileError: The content is not such a file.
    """
    try:
        start, count = _header(content)
        kept = [part for name, part in _variables(content, start, count) if _is_kept(name, layers)]
        end = start + sum(len(part) for _, part in _variables(content, start, count))
        aliases = content[end:]
        struct.unpack_from("<I", aliases)
    except (struct.error, IndexError) as error:
        raise ModelFileError("the file is truncated") from error
    return b"".join([content[: start - 4], struct.pack("<I", len(kept)), *kept, aliases])


def _is_kept(name: bytes, layers: int) -> bool:
    layer = _LAYER.match(name)
    return layer is None or int(layer[1]) < layers


def _header(content: bytes) -> tuple[int, int]:
    """Return the offset of the variables, and their number."""
    end = _name_end(content, 4) + 4
    (count,) = struct.unpack_from("<I", content, end)
    return end + 4, count


def _name_end(content: bytes, start: int) -> int:
    (length,) = struct.unpack_from("<H", content, start)
    return start + 2 + int(length)


def _variables(content: bytes, start: int, count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name of each variable, and all of its bytes."""
    for _ in range(count):
        end = _name_end(content, start)
        name = content[start + 2 : end - 1]
        rank = content[end]
        (size,) = struct.unpack_from("<I", content, end + 1 + 4 * rank + 1)
        stop = end + 1 + 4 * rank + 1 + 4 + int(size)
        if stop > len(content):
            raise ModelFileError("the file is truncated")
        yield name, content[start:stop]
        start = stop
