"""Tell JPEG photographs from videos that consist of JPEG images.

libavformat takes a photograph for a video if another picture follows it (the gain map of HDR, the other half of a
stereo pair, a preview), and for neither if its metadata contain previews.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from typing import BinaryIO

_BEGIN = b"\xff\xd8\xff"
_END, _SCAN, _PICTURES = 0xD9, 0xDA, 0xE2
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the segment that has the size of the picture."""
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_MAX_PADDING = 1 << 16
"""Bytes between two pictures at the most."""


def is_photograph(file: BinaryIO) -> bool:
    """Return whether a file is a JPEG photograph: no picture of the same size follows, or it says which ones follow."""
    file.seek(0)
    if file.read(3) != _BEGIN:
        return False
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        size, end = b"", len(data)
        for kind, start, stop in _segments(data, 0):
            if kind == _PICTURES and data[start + 4 : start + 8] == b"MPF\0":
                return True
            if kind in _SIZES:
                size = data[start + 5 : start + 9]
            end = stop
        following = data.find(_BEGIN, end, end + _MAX_PADDING)
        is_followed = following >= 0 and size in (
            data[start + 5 : start + 9] for kind, start, _ in _segments(data, following) if kind in _SIZES
        )
        return bool(size) and not is_followed


def _segments(data: mmap.mmap, begin: int) -> Iterator[tuple[int, int, int]]:
    """Yield the marker, the start and the end of the segments of a picture."""
    start, kind = begin + 2, 0
    while kind != _END and len(header := data[start : start + 4]) == 4 and header[0] == 0xFF:
        kind = header[1]
        end = start + 2 + (0 if kind == _END else int.from_bytes(header[2:], "big"))
        if kind == _SCAN:
            after = _AFTER_SCAN.search(data, end)
            end = after.start() if after else len(data)
        yield kind, start, end
        start = end
