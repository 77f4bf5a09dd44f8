"""Recognise files that were joined byte by byte (``cat a.wav b.wav``): players, and ffmpeg, show the first only."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Literal

_NOTE = "other files were appended to it byte by byte, which no player shows and which were not used: join with ffmpeg"
_ORDERS: dict[bytes, Literal["big", "little"]] = {b"RIFF": "little", b"FORM": "big"}
_HEADER = 8


def joined_notes(path: Path) -> tuple[str, ...]:
    """Return a note about a WAV, AVI, AIFF or MP4 file to which others were appended."""
    with path.open("rb") as file:
        head = file.read(_HEADER)
        found = _follows_chunk(file, head) if head[:4] in _ORDERS else _follows_boxes(file, head)
        return (_NOTE,) if found else ()


def _follows_chunk(file: BinaryIO, head: bytes) -> bool:
    """Return whether the chunk that is the whole file is followed by another of its type: long AVIs go on in AVIX."""
    kind, size = file.read(4), int.from_bytes(head[4:], _ORDERS[head[:4]])
    file.seek(_HEADER + size + size % 2)
    following = file.read(_HEADER + 4)
    return following[:4] == head[:4] and following[_HEADER:] == kind


def _follows_boxes(file: BinaryIO, head: bytes) -> bool:
    """Return whether a second MP4 begins after an index; those of fragments may be meant to be joined."""
    position, has_index = 0, False
    while head[4:] not in (b"", b"moof") and (position or head[4:] == b"ftyp"):
        if has_index and head[4:] == b"ftyp":
            return True
        has_index |= head[4:] == b"moov"
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if size < _HEADER:
            return False
        position += size
        file.seek(position)
        head = file.read(_HEADER)
    return False
