"""How much ffmpeg uses of joined MP4 and Matroska files: all, the first recording, or parts of several."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

import av

Use = Literal["all", "first", "parts"]
Kind = Literal["audio", "video"]

_EBML, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
_MAX_HEADER = 1 << 24
"""Bytes that are read of a header at the most."""
_SELF_DESCRIBING = frozenset({"vp8", "vp9", "av1"})
"""Codecs whose key frames have the size of the picture, and all else that a decoder needs."""


@dataclass(frozen=True)
class _Part:
    """A box of an MP4 or an element of a Matroska file."""

    kind: bytes
    start: int
    end: int


@dataclass(frozen=True)
class _TrackFragment:
    """A fragment of a track of an MP4.

    Attributes:
        track: The identifier of the track.
        time: When it begins, in units of the track; None: after the fragment before.
        origin: Where in the file its data is counted from; None: where the fragment itself is.
    """

    track: int
    time: int | None
    origin: int | None


def read_at(file: BinaryIO, position: int, count: int) -> bytes:
    """Read at a position, which a damaged size may have set beyond the end."""
    if position > os.fstat(file.fileno()).st_size:
        return b""
    file.seek(position)
    return file.read(count)


def use_of_mp4(file: BinaryIO, kind: Kind | None) -> Use:
    """Return how much is used of an MP4, or of its streams of a kind, to which others may have been appended."""
    boxes = list(mp4_boxes(file))
    kinds = [box.kind for box in boxes]
    second = _find_second(kinds)
    if second is not None and b"moof" not in kinds[second:]:
        return "first" if kinds[second] == b"ftyp" else "all"
    if second is not None and b"moof" not in kinds[:second]:
        return "parts"
    return "all" if b"moof" not in kinds or _go_on(file, boxes, kind) else "parts"


def _find_second(kinds: list[bytes]) -> int | None:
    """Return where a second MP4 begins, or the header of one is repeated, if one is."""
    seen: set[bytes] = set()
    for number, kind in enumerate(kinds):
        if (kind == b"ftyp" and b"moov" in seen) or (kind == b"moov" and b"moof" in seen):
            return number
        seen.add(kind)
    return None


def mp4_boxes(file: BinaryIO) -> Iterator[_Part]:
    """Yield the boxes of an MP4, up to one without a size; none of another file."""
    start = 0
    while len(header := read_at(file, start, 16)) >= 8 and (start or header[4:8] == b"ftyp"):
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:], "big")
        yield _Part(header[4:8], start, start + size)
        if size < 8:
            return
        start += size


def _go_on(file: BinaryIO, boxes: list[_Part], kind: Kind | None) -> bool:
    """Return whether fragments follow one another as those of one recording, whose header may be repeated."""
    headers: set[object] = set()
    earliest: dict[int, int] = {}
    start = 0
    for box in boxes:
        if box.kind not in (b"moov", b"moof"):
            continue
        data = read_at(file, box.start, min(box.end - box.start, _MAX_HEADER))
        if box.kind == b"moov":
            headers.add(_describe_tracks(data, kind))
            start = box.start if earliest else 0
            earliest = {track: time + 1 for track, time in earliest.items()}
            continue
        for each in _track_fragments(data):
            if (each.origin or start) < start or (each.time or 0) < earliest.get(each.track, 0):
                return False
            earliest[each.track] = each.time or 0
    return len(headers) <= 1


def _track_fragments(moof: bytes) -> Iterator[_TrackFragment]:
    for kind, content in mp4_children(moof[8:]):
        parts = dict(mp4_children(content)) if kind == b"traf" else {}
        if len(header := parts.get(b"tfhd", b"")) >= 8:
            origin = int.from_bytes(header[8:16], "big") if header[3] & 1 else None
            time = int.from_bytes(parts[b"tfdt"][4:12], "big") if b"tfdt" in parts else None
            yield _TrackFragment(int.from_bytes(header[4:8], "big"), time, origin)


def mp4_children(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of each box inside another."""
    start = 0
    while (size := int.from_bytes(data[start : start + 4], "big")) >= 8:
        yield data[start + 4 : start + 8], data[start + 8 : start + size]
        start += size


def use_of_matroska(file: BinaryIO, kind: Kind | None) -> Use:
    """Return likewise for a Matroska file, or WebM."""
    parts = list(_elements(file))
    starts = [number for number, part in enumerate(parts) if part.kind == _EBML]
    if len(starts) < 2:
        return "all"
    recordings = [parts[start:stop] for start, stop in zip(starts, [*starts[1:], len(parts)], strict=True)]
    if len({_describe_tracks(_matroska_header(file, recording), kind) for recording in recordings}) > 1:
        return "parts"
    # ffmpeg ends after the second of two recordings that have a size.
    is_sized = [any(part.kind == _SEGMENT and part.end for part in recording) for recording in recordings]
    return "parts" if is_sized[-1] and (len(starts) > 2 or not is_sized[0]) else "all"


def _elements(file: BinaryIO) -> Iterator[_Part]:
    """Yield the elements of a Matroska file and those in its segments; ``end`` is 0 without a size."""
    start = 0
    while len(header := read_at(file, start, 12)) == 12 and header[0]:
        id_length = 9 - header[0].bit_length()
        length = 9 - (header[id_length] or 1).bit_length()
        size = int.from_bytes(header[id_length : id_length + length], "big") & ((1 << 7 * length) - 1)
        content = start + id_length + length
        is_sized = size != (1 << 7 * length) - 1
        kind = header[:id_length]
        yield _Part(kind, start, content + size if is_sized else 0)
        start = content + size if is_sized and kind != _SEGMENT else content


def _matroska_header(file: BinaryIO, recording: list[_Part]) -> bytes:
    """Return a recording without its frames, with an empty cluster, without which ffmpeg does not open it."""
    start = recording[0].start
    end = next((part.start for part in recording if part.kind == _CLUSTER), start)
    return read_at(file, start, min(end - start, _MAX_HEADER)) + _CLUSTER + b"\x80"


def _describe_tracks(header: bytes, kind: Kind | None) -> object:
    """Return what decoders know of the tracks of a kind, None: of all, before the first frame."""
    try:
        with av.open(io.BytesIO(header)) as container:
            return tuple(_describe(stream) for stream in container.streams if kind in (None, stream.type))
    except av.FFmpegError:
        return header


def _describe(stream: av.stream.Stream) -> tuple[object, ...]:
    context = stream.codec_context
    kind = (stream.index, stream.type, stream.time_base)
    if isinstance(context, av.VideoCodecContext) and context.codec.canonical_name not in _SELF_DESCRIBING:
        return *kind, context.codec.canonical_name, context.extradata, context.width, context.height
    if isinstance(context, av.AudioCodecContext):
        extradata = b"" if context.codec.canonical_name == "opus" else context.extradata
        return *kind, context.codec.canonical_name, extradata, context.sample_rate, context.channels
    return *kind, context.codec.canonical_name if context else ""
