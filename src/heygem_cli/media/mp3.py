"""The header of MP3 files that says how many frames they have."""

from __future__ import annotations

import re
from pathlib import Path

_ID3_BYTES = 10
_FRAME_BYTES = 1500
"""Bytes of the longest frame, and some."""
_XING = re.compile(rb"(?:Xing|Info)\0\0\0(.)", re.DOTALL)


def has_xing(path: Path) -> bool:
    """Return whether an MP3 file begins, after its tags, with a Xing header that has the number of its frames."""
    with path.open("rb") as file:
        head = file.read(_ID3_BYTES)
        file.seek(_size_of_tags(head))
        header = _XING.search(file.read(_FRAME_BYTES))
    return header is not None and bool(header[1][0] & 1)


def _size_of_tags(head: bytes) -> int:
    """Return the size of the ID3v2 tags, whose bytes have seven bits each."""
    if not head.startswith(b"ID3") or len(head) < _ID3_BYTES:
        return 0
    return _ID3_BYTES + sum(byte << 7 * place for place, byte in enumerate(reversed(head[6:])))
