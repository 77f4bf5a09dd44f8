"""The sizes in the header of a WAV file, which recorders that crash and programs that edit headers get wrong."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

UNKNOWN_SIZE = 0x7FFF_F000
"""A RIFF or data size of at least this was written as a stream of unknown length."""
SIZE_TOLERANCE = 512
"""Bytes by which a size may be wrong: the length of a header that was counted, or not, and the padding."""

_HEADERS = (b"RIFF", b"RF64", b"BW64")
_CHUNK_HEADER = 8
_TAGS = (b"TAG", b"ID3")


@dataclass(frozen=True)
class WavData:
    """The chunk of a WAV file that has the samples.

    Attributes:
        start: Where it begins, in bytes from the start of the file.
        size: The size that the header declares; None if it declares none.
        file_size: Of the whole file.
    """

    start: int
    size: int | None
    file_size: int

    @property
    def is_cut_off(self) -> bool:
        """Whether much of it is missing."""
        return self.size is not None and self.start + self.size > self.file_size + SIZE_TOLERANCE


def find_data(file: BinaryIO) -> WavData | None:
    """Return the chunk with the samples; None in a file that is not a WAV file, or has none."""
    file_size = os.fstat(file.fileno()).st_size
    head = _read(file, 0, 12)
    if head[:4] not in _HEADERS or head[8:] != b"WAVE":
        return None
    position, long_size = 12, None
    while position + _CHUNK_HEADER <= file_size:
        chunk = _read(file, position, 24)
        size = int.from_bytes(chunk[4:8], "little")
        if chunk[:4] == b"ds64":
            long_size = int.from_bytes(chunk[16:24], "little")
        elif chunk[:4] == b"data":
            declared = (long_size or 0) if head[:4] != b"RIFF" else size if size < UNKNOWN_SIZE else 0
            return WavData(position + _CHUNK_HEADER, declared or None, file_size)
        position += _CHUNK_HEADER + size + size % 2
    return None


def has_more_samples(file: BinaryIO) -> bool:
    """Return whether a WAV file has more samples than its header says: what follows them is neither chunk nor tag."""
    data = find_data(file)
    if data is None or data.size is None:
        return False
    end = data.start + data.size
    # Some programs pad an odd size, or any.
    return data.file_size - end > 1 and not any(_is_chunk(file, end + pad, data.file_size) for pad in (0, 1))


def _is_chunk(file: BinaryIO, position: int, file_size: int) -> bool:
    head = _read(file, position, _CHUNK_HEADER)
    if head.startswith(_TAGS):
        return True
    end = position + _CHUNK_HEADER + int.from_bytes(head[4:], "little")
    return (
        len(head) == _CHUNK_HEADER and head[:4].isascii() and head[:4].decode().isprintable() and end <= file_size + 1
    )


def _read(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
