"""Recognise MP4 files that say what they contain, but of which nothing can be decoded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av

from heygem_cli.errors import InputError
from heygem_cli.media.encryption import encrypted
from heygem_cli.media.joined_use import mp4_boxes, mp4_children, read_at

_MAX_INDEX = 1 << 26
_ENCRYPTED = frozenset({b"encv", b"enca", b"drmi", b"drms"})
"""Kinds of sample entries: of common encryption, and of files that were bought at Apple."""


def check_mp4_track(path: Path, stream: av.VideoStream | av.AudioStream) -> None:
    """Check that a stream of an MP4 is there and not encrypted.

    Raises:
        InputError: ``encrypted-media``, ``segment-only``.
    """
    with path.open("rb") as file:
        boxes = {box.kind: box for box in mp4_boxes(file)}
        moov = boxes.get(b"moov")
        content = read_at(file, moov.start + 8, min(moov.end - moov.start - 8, _MAX_INDEX)) if moov else b""
    if stream.id in _encrypted_tracks(content):
        raise encrypted(path, stream.type)
    is_fragmented = b"mvex" in dict(mp4_children(content))
    if is_fragmented and b"moof" not in boxes and not len(stream.index_entries):
        raise segment_only(path, "this is only the initialization segment of a stream, without any frame or sound")


def segment_only(path: Path, message: str) -> InputError:
    """Return the error for a file that is only a part of a stream of DASH, HLS or CMAF."""
    hint = "Join all of its segments: cat init.mp4 1.m4s 2.m4s > whole.mp4"
    return InputError("segment-only", message, hint=hint, path=path)


def _encrypted_tracks(moov: bytes) -> Iterator[int]:
    """Yield the identifiers of the tracks that are encrypted."""
    for kind, track in mp4_children(moov):
        boxes = dict(mp4_children(track)) if kind == b"trak" else {}
        header, entries = boxes.get(b"tkhd", b""), boxes.get(b"mdia", b"")
        for child in (b"minf", b"stbl", b"stsd"):
            entries = dict(mp4_children(entries)).get(child, b"")
        if header and _ENCRYPTED & {kind for kind, _ in mp4_children(entries[8:])}:
            start = 20 if header[0] else 12  # of a header with times of 64 bits
            yield int.from_bytes(header[start : start + 4], "big")
