"""Recognise recordings that were interrupted: by a crash, an empty battery, or a copy that stopped."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"meta", b"pnot", b"uuid"})
_EBML = b"\x1a\x45\xdf\xa3"
_TS_SYNC = 0x47
_NO_SIZE = (bytes(4), b"\xff" * 4)
"""Sizes of a RIFF file, such as AVI, while it is being written."""
_ZEROS = b"\0"
"""The type of what a recorder reserved on the disk but never wrote."""

Part = tuple[bytes, int]
"""A part of a container: its type, and the position of its end in the file."""


def is_interrupted(file: BinaryIO) -> bool:
    """Return whether a file that is written in small parts, each complete in itself, ends within one of them.

    These are fragmented MP4, Matroska and WebM, FLV, MPEG-TS, Ogg, and AVI whose size was never written.
    """
    size = os.fstat(file.fileno()).st_size
    return _ends_within(_find_parts(file, size), size)


def _find_parts(file: BinaryIO, size: int) -> Iterable[Part]:
    """Return the parts of a file; none if it is of another kind."""
    head = _read(file, 0, 400)
    if head[4:8] in _BOXES:
        boxes = list(_boxes(file, size))
        return boxes if b"moof" in {kind for kind, _ in boxes} else ()
    is_unfinished_avi = head[:4] == b"RIFF" and head[8:12] == b"AVI " and head[4:8] in _NO_SIZE
    kinds = (
        (head.startswith(_EBML), _elements),
        (head.startswith(b"FLV\1"), _tags),
        (head.startswith(b"OggS"), _pages),
        (is_unfinished_avi, _chunks),
    )
    find = next((find for is_of_kind, find in kinds if is_of_kind), None)
    return _packets(head, size) if find is None else find(file, size)


def is_unfinished_mp4(file: BinaryIO) -> bool:
    """Return whether a file is an MP4 or a QuickTime movie without the index that is written when a recording ends."""
    if _read(file, 4, 4) not in _BOXES:
        return False
    kinds = {kind for kind, _ in _boxes(file, os.fstat(file.fileno()).st_size)}
    return b"mdat" in kinds and not kinds & {b"moov", b"meta"}


def is_cut_off_picture(file: BinaryIO) -> bool:
    """Return whether a file is a HEIC or AVIF image of which the end is missing."""
    if _read(file, 4, 4) != b"ftyp":
        return False
    size = os.fstat(file.fileno()).st_size
    boxes = list(_boxes(file, size))
    kinds = {kind for kind, _ in boxes}
    return b"meta" in kinds and b"moov" not in kinds and _ends_within(boxes, size)


def _ends_within(parts: Iterable[Part], size: int) -> bool:
    end = size
    for _, end in parts:  # noqa: B007
        pass
    return end > size


def _boxes(file: BinaryIO, size: int) -> Iterator[Part]:
    """Yield the boxes of an MP4."""
    end = 0
    while end < size:
        header = _read(file, end, 16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:
            length = size - end
        end += max(length, 8)
        yield header[4:8], end


def _elements(file: BinaryIO, size: int) -> Iterator[Part]:
    """Yield the elements of a Matroska file; what has no known size, as in a live stream, is entered."""
    end = 0
    while end < size:
        header = _read(file, end, 12)
        if not header[0]:
            yield _ZEROS, size + 1
            return
        id_length = 9 - header[0].bit_length()
        length = 9 - header[id_length].bit_length() if len(header) > id_length else 1
        digits = header[id_length : id_length + length]
        content = int.from_bytes(digits, "big") & ((1 << 7 * length) - 1)
        end += id_length + length
        if content != (1 << 7 * length) - 1:
            end += content
        yield header[:id_length], end


def _tags(file: BinaryIO, size: int) -> Iterator[Part]:
    """Yield the tags of an FLV file."""
    start = 13
    while start < size:
        header = _read(file, start, 4)
        if not header[0]:
            yield _ZEROS, size + 1
            return
        end = start + 11 + int.from_bytes(header[1:4], "big")
        yield header[:1], end
        start = end + 4


def _chunks(file: BinaryIO, size: int) -> Iterator[Part]:
    """Yield the chunks of an AVI file; a list that has no size yet is entered."""
    end = 12
    while end < size:
        header = _read(file, end, 8)
        length = int.from_bytes(header[4:], "little")
        is_open = header[:4] == b"LIST" and (header[4:] in _NO_SIZE or end + 8 + length > size)
        end += 12 if is_open else 8 + length + length % 2
        yield header[:4], end


def _pages(file: BinaryIO, size: int) -> Iterator[Part]:
    """Yield the pages of an Ogg file, up to anything else that was appended to it."""
    end = 0
    while end < size:
        header = _read(file, end, 27 + 255)
        if len(header) >= 4 and not header.startswith(b"OggS"):
            return
        count = header[26] if len(header) > 26 else 0
        end += 27 + count + sum(header[27 : 27 + count])
        yield header[:4], end


def _packets(head: bytes, size: int) -> Iterator[Part]:
    """Yield the last packet of an MPEG-TS file."""
    for length, start in ((188, 0), (192, 4)):
        if len(head) > 2 * length and head[start] == head[start + length] == _TS_SYNC:
            yield b"", size + -size % length
            return


def _read(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
