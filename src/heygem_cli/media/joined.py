"""Recognise files that were joined byte by byte (``cat a.wav b.wav``): ffmpeg often reads the first only."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Literal

from heygem_cli.errors import InputError
from heygem_cli.media.joined_use import Kind, read_at, use_of_matroska, use_of_mp4

_NOTE = "other files were appended to it byte by byte, which no player shows and which were not used: join with ffmpeg"
_ORDERS: dict[bytes, Literal["big", "little"]] = {b"RIFF": "little", b"FORM": "big"}
_HEADER = 8
_EBML = b"\x1a\x45\xdf\xa3"
_ASF = bytes.fromhex("3026b2758e66cf11")


def joined_notes(path: Path, kind: Kind | None = None) -> tuple[str, ...]:
    """Return a note about a file to which others were appended that ffmpeg does not read.

    These are WAV, AVI, AIFF, W64, CAF, TTA, FLV, WMV, WavPack and MP4 files.

    Args:
        path: The file.
        kind: Which of its streams are used; None: all.

    Raises:
        InputError: ``joined-files``: a fragmented MP4 or a Matroska file of which parts would be lost or garbled.
    """
    ends = {b"riff": _end_of_w64, b"caff": _end_of_caf, b"TTA1": _end_of_tta, b"FLV\1": _end_of_flv}
    ends |= {b"wvpk": _end_of_wavpack, _ASF[:4]: _end_of_asf}
    with path.open("rb") as file:
        head = file.read(_HEADER)
        if find_end := ends.get(head[:4]):
            return (_NOTE,) if read_at(file, find_end(file), 4) == head[:4] else ()
        if head[:4] in _ORDERS:
            return (_NOTE,) if _follows_chunk(file, head) else ()
        use = use_of_matroska(file, kind) if head.startswith(_EBML) else use_of_mp4(file, kind)
    if use == "parts":
        message = "several recordings were joined in it byte by byte, of which parts would be lost"
        raise InputError("joined-files", message, hint="Join them with ffmpeg -f concat instead of cat", path=path)
    return (_NOTE,) if use == "first" else ()


def _end_of_w64(file: BinaryIO) -> int:
    size = int.from_bytes(read_at(file, 16, 8), "little")
    return size + -size % 8


def _end_of_caf(file: BinaryIO) -> int:
    end = 8
    while len(header := read_at(file, end, 12)) == 12 and header[:4] != b"caff":
        end += 12 + int.from_bytes(header[4:], "big")  # one without a size reaches beyond any end
    return end


def _end_of_tta(file: BinaryIO) -> int:
    """Return where the frames end, of which a table after the header has the sizes, and the tags after them."""
    header = read_at(file, 0, 22)
    if len(header) < 22:
        return 0
    rate, samples = struct.unpack("<2I", header[10:18])
    frames = -(-samples // max(1, rate * 256 // 245))
    sizes = file.read(4 * frames)
    end = 26 + len(sizes) + sum(memoryview(sizes[: len(sizes) // 4 * 4]).cast("I"))
    return _end_of_tags(file, end)


def _end_of_tags(file: BinaryIO, start: int) -> int:
    tags = read_at(file, start, 16)
    return start + 32 + int.from_bytes(tags[12:], "little") if tags.startswith(b"APETAGEX") else start


def _end_of_flv(file: BinaryIO) -> int:
    end = 13
    while len(header := read_at(file, end, 4)) == 4 and header != b"FLV\1":
        end += 15 + int.from_bytes(header[1:], "big")
    return end


def _end_of_wavpack(file: BinaryIO) -> int:
    """Return where the blocks end that count their samples on, and the tags after them."""
    end = latest = 0
    while (header := read_at(file, end, 24)).startswith(b"wvpk") and len(header) == 24:
        size, block, count = struct.unpack("<4xI8x2I", header)
        if count and block < latest:  # a block without samples, as of a checksum, has no place
            return end
        end, latest = end + 8 + size, block
    return _end_of_tags(file, end)


def _end_of_asf(file: BinaryIO) -> int:
    end = 0
    while len(header := read_at(file, end, 24)) == 24 and (size := int.from_bytes(header[16:], "little")) >= 24:
        if end and header.startswith(_ASF):
            return end
        end += size
    return end


def _follows_chunk(file: BinaryIO, head: bytes) -> bool:
    """Return whether the chunk that is the whole file is followed by another of its type: long AVIs go on in AVIX."""
    kind, size = file.read(4), int.from_bytes(head[4:], _ORDERS[head[:4]])
    file.seek(_HEADER + size + size % 2)
    following = file.read(_HEADER + 4)
    return following[:4] == head[:4] and following[_HEADER:] == kind
