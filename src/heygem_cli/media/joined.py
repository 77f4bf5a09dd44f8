"""Recognise files that were joined byte by byte (``cat a.wav b.wav``): players, and ffmpeg, show the first only."""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

_NOTE = "other files were appended to it byte by byte, which no player shows and which were not used: join with ffmpeg"
JOINED_FRAGMENTS = "other recordings were appended to it byte by byte, of which parts are lost: join them with ffmpeg"
"""The note about fragmented MP4 files, of whose fragments ffmpeg reads only some."""
_NOTE_OF_THIRD = (
    "several files were joined in it byte by byte, of which the third and later ones are lost: join with ffmpeg"
)
_ORDERS: dict[bytes, Literal["big", "little"]] = {b"RIFF": "little", b"FORM": "big"}
_HEADER = 8
_EBML = b"\x1a\x45\xdf\xa3"
_MATROSKA_FILES = 2
"""Of more Matroska files, or WebM, ffmpeg reads the first two."""


def joined_notes(path: Path) -> tuple[str, ...]:
    """Return a note about a file to which others were appended that ffmpeg does not read.

    These are WAV, AVI, AIFF, W64, CAF, TTA, FLV and MP4 files, and the third and later ones of Matroska and WebM.
    """
    ends = {b"riff": _end_of_w64, b"caff": _end_of_caf, b"TTA1": _end_of_tta, b"FLV\1": _end_of_flv}
    with path.open("rb") as file:
        head = file.read(_HEADER)
        if head.startswith(_EBML):
            return (_NOTE_OF_THIRD,) if _has_third_matroska(file) else ()
        if find_end := ends.get(head[:4]):
            found = _read(file, find_end(file), 4) == head[:4]
        else:
            found = _follows_chunk(file, head) if head[:4] in _ORDERS else _follows_boxes(file)
        if _follows_fragments(file):
            return (JOINED_FRAGMENTS,)
        return (_NOTE,) if found else ()


def _read(file: BinaryIO, position: int, count: int) -> bytes:
    if position > os.fstat(file.fileno()).st_size:  # perhaps further than can be sought
        return b""
    file.seek(position)
    return file.read(count)


def _end_of_w64(file: BinaryIO) -> int:
    size = int.from_bytes(_read(file, 16, 8), "little")
    return size + -size % 8


def _end_of_caf(file: BinaryIO) -> int:
    end = 8
    while len(header := _read(file, end, 12)) == 12 and header[:4] != b"caff":
        end += 12 + int.from_bytes(header[4:], "big")  # one without a size reaches beyond any end
    return end


def _end_of_tta(file: BinaryIO) -> int:
    """Return where the frames end, of which a table after the header has the sizes, and the tags after them."""
    header = _read(file, 0, 22)
    if len(header) < 22:
        return 0
    rate, samples = struct.unpack("<2I", header[10:18])
    frames = -(-samples // max(1, rate * 256 // 245))
    sizes = file.read(4 * frames)
    end = 26 + len(sizes) + sum(memoryview(sizes[: len(sizes) // 4 * 4]).cast("I"))
    tags = _read(file, end, 16)
    return end + 32 + int.from_bytes(tags[12:], "little") if tags.startswith(b"APETAGEX") else end


def _end_of_flv(file: BinaryIO) -> int:
    end = 13
    while len(header := _read(file, end, 4)) == 4 and header != b"FLV\1":
        end += 15 + int.from_bytes(header[1:], "big")
    return end


def _has_third_matroska(file: BinaryIO) -> bool:
    end = files = 0
    while len(header := _read(file, end, 12)) == 12 and header[0]:
        files += header.startswith(_EBML)
        id_length = 9 - header[0].bit_length()
        length = 9 - (header[id_length] or 1).bit_length()
        content = int.from_bytes(header[id_length : id_length + length], "big") & ((1 << 7 * length) - 1)
        end += id_length + length + content  # one without a size reaches beyond any end
    return files > _MATROSKA_FILES


def _follows_chunk(file: BinaryIO, head: bytes) -> bool:
    """Return whether the chunk that is the whole file is followed by another of its type: long AVIs go on in AVIX."""
    kind, size = file.read(4), int.from_bytes(head[4:], _ORDERS[head[:4]])
    file.seek(_HEADER + size + size % 2)
    following = file.read(_HEADER + 4)
    return following[:4] == head[:4] and following[_HEADER:] == kind


def _follows_boxes(file: BinaryIO) -> bool:
    """Return whether a second MP4 begins after an index; those of fragments may be meant to be joined."""
    has_index = False
    for number, kind in enumerate(_boxes(file)):
        if kind == b"moof" or (number == 0 and kind != b"ftyp"):
            return False
        if has_index and kind == b"ftyp":
            return True
        has_index |= kind == b"moov"
    return False


def _follows_fragments(file: BinaryIO) -> bool:
    """Return whether an MP4 begins after the last box of one of fragments."""
    return any(pair == (b"mfra", b"ftyp") for pair in itertools.pairwise(_boxes(file)))


def _boxes(file: BinaryIO) -> Iterator[bytes]:
    """Yield the types of the boxes of an MP4, up to one without a size."""
    position = 0
    while len(header := _read(file, position, _HEADER)) == _HEADER:
        yield header[4:]
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if size < _HEADER:
            return
        position += size
