"""Recognise recordings that were interrupted: by a crash, an empty battery, or a copy that stopped."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"meta", b"pnot", b"uuid"})
_SEGMENT_BOXES = frozenset({b"sidx", b"emsg", b"prft"})
_EBML = b"\x1a\x45\xdf\xa3"
_TS_SYNC = 0x47
_NO_SIZE = (bytes(4), b"\xff" * 4)
"""Sizes of a RIFF file, such as AVI, while it is being written."""
_MXF_KEY = b"\x06\x0e\x2b\x34"
_PNG = b"\x89PNG\r\n\x1a\n"
_PACK = b"\0\0\1\xba"
_ZEROS = b"\0"
"""The type of what a recorder reserved on the disk but never wrote."""

_SYSTEM_CODES = re.compile(rb"\x00\x00\x01[\xbb-\xef]")
"""Start codes of the packets of MPEG-PS; the video in them has others."""
_TAIL = 1 << 17
"""Bytes in which the last packet of MPEG-PS begins, which has at most half as many."""

Part = tuple[bytes, int]
"""A part of a container: its type, and the position of its end in the file."""


@dataclass(frozen=True)
class _ChunkFormat:
    """A container of chunks that begin with their type and their size.

    Attributes:
        magic: How a file begins.
        start: Where its first chunk begins.
        types: What the types of all chunks match; anything else is not a part of the container.
        type_bytes: Length of the type.
        size_bytes: Length of the size.
        order: The order of the size's bytes.
        size_of_all: Whether the size includes the type and itself.
        alignment: Chunks begin at multiples of it.
    """

    magic: bytes
    start: int
    types: re.Pattern[bytes]
    type_bytes: int
    size_bytes: int
    order: Literal["big", "little"]
    size_of_all: bool = False
    alignment: int = 1

    def parts(self, file: BinaryIO, size: int) -> Iterator[Part]:
        """Yield the chunks; one without a known size, as of a recording that goes on, reaches to the end."""
        end, header_bytes = self.start, self.type_bytes + self.size_bytes
        while end < size:
            header = _read(file, end, header_bytes)
            kind, digits = header[: self.type_bytes], header[self.type_bytes :]
            if not self.types.match(kind):
                return
            length = int.from_bytes(digits, self.order) + (0 if self.size_of_all else header_bytes)
            is_unknown = not digits.strip(b"\xff") or length < header_bytes
            end = size if is_unknown and len(header) == header_bytes else end + length
            end += -end % self.alignment
            yield kind, end


_CHUNK_FORMATS = (
    # WMV and WMA: the identifiers of the header, the data and the indices.
    _ChunkFormat(
        bytes.fromhex("3026b2758e66cf11"), 0, re.compile(rb"\x30\x26|\x36\x26|\x90\x08|\xd3\x29|\xf8\x03|\xd0\x3f"),
        16, 8, "little", size_of_all=True,
    ),
    _ChunkFormat(b"caff", 8, re.compile(rb"(?!caff)[ -~]{4}"), 4, 8, "big"),
    _ChunkFormat(
        bytes.fromhex("726966662e91cf11a5d628db04c10000"), 40, re.compile(rb"[ -~]{4}"), 16, 8, "little",
        size_of_all=True, alignment=8,
    ),
)  # fmt: skip


def is_interrupted(file: BinaryIO) -> bool:
    """Return whether a file that is written in small parts, each complete in itself, ends within one of them.

    These are fragmented MP4, Matroska and WebM, FLV, MPEG-TS and MPEG-PS, Ogg, WMV, MXF, CAF, W64, GIF, animated PNG,
    and AVI whose size was never written.
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
        (head.startswith(_MXF_KEY), _triplets),
        (head.startswith(_PNG), _png_chunks),
        (head.startswith(_PACK), _last_packet),
        (head.startswith((b"GIF87a", b"GIF89a")), _trailer),
        *((head.startswith(chunks.magic), chunks.parts) for chunks in _CHUNK_FORMATS),
    )
    find = next((find for is_of_kind, find in kinds if is_of_kind), None)
    return _packets(head, size) if find is None else find(file, size)


def is_unfinished_mp4(file: BinaryIO) -> bool:
    """Return whether a file is an MP4 or a QuickTime movie without the index that is written when a recording ends."""
    if _read(file, 4, 4) not in _BOXES:
        return False
    kinds = {kind for kind, _ in _boxes(file, os.fstat(file.fileno()).st_size)}
    return b"mdat" in kinds and not kinds & {b"moov", b"meta"}


def is_media_segment(file: BinaryIO) -> bool:
    """Return whether a file is only a segment of a stream of DASH, HLS or CMAF, without the header of the stream."""
    if _read(file, 4, 4) not in _BOXES | _SEGMENT_BOXES:
        return False
    kinds = {kind for kind, _ in _boxes(file, os.fstat(file.fileno()).st_size)}
    return b"moof" in kinds and b"moov" not in kinds


def is_cut_off_picture(file: BinaryIO) -> bool:
    """Return whether a file is a HEIC or AVIF image of which the end is missing."""
    if _read(file, 4, 4) != b"ftyp":
        return False
    size = os.fstat(file.fileno()).st_size
    boxes = [box for box in _boxes(file, size) if box[0] in _BOXES]  # phones and servers append other data
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
    """Yield the tags of an FLV file, up to another one that was appended to it."""
    start = 13
    while start < size:
        header = _read(file, start, 4)
        if header.startswith(b"FLV"):
            return
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


def _triplets(file: BinaryIO, size: int) -> Iterator[Part]:
    """Yield the triplets of key, length and value of an MXF file."""
    end = 0
    while end < size:
        header = _read(file, end, 25)
        if not header.startswith(_MXF_KEY[: len(header)]):
            return
        digits = header[16] & 0x7F if len(header) > 16 and header[16] > 0x7F else 0
        length = int.from_bytes(header[17 : 17 + digits], "big") if digits else header[16] if len(header) > 16 else 0
        end += 17 + digits + length
        yield header[:16], end


def _png_chunks(file: BinaryIO, size: int) -> Iterator[Part]:
    """Yield the chunks of a PNG file."""
    end, kind = len(_PNG), b""
    while kind != b"IEND":
        header = _read(file, end, 8)
        kind = header[4:]
        end += 12 + int.from_bytes(header[:4], "big")
        yield kind, end
        if end > size:
            return


def _last_packet(file: BinaryIO, size: int) -> Iterator[Part]:
    """Yield the last packet of an MPEG-PS file that has a size."""
    start = max(0, size - _TAIL)
    tail = _read(file, start, _TAIL)
    last = max((match.start() for match in _SYSTEM_CODES.finditer(tail)), default=None)
    if last is not None:
        length = int.from_bytes(tail[last + 4 : last + 6], "big")
        yield tail[last : last + 4], start + last + 6 + length


def _trailer(file: BinaryIO, size: int) -> Iterator[Part]:
    """Yield the last byte of a GIF file; programs add zeros to it."""
    tail = _read(file, max(0, size - _TAIL), _TAIL).rstrip(b"\0")
    yield tail[-1:], size if tail.endswith(b";") else size + 1


def _packets(head: bytes, size: int) -> Iterator[Part]:
    """Yield the last packet of an MPEG-TS file."""
    for length, start in ((188, 0), (192, 4)):
        if len(head) > 2 * length and head[start] == head[start + length] == _TS_SYNC:
            yield b"", size + -size % length
            return


def _read(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
