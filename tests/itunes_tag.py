"""Make an M4A as iTunes does from AAC whose upper frequencies are replicated (HE-AAC), which ffmpeg cannot encode."""

import struct
from pathlib import Path

_TAG = b" 00000000 00000840 000000B4 0000000000005DC0 00000000"
"""Samples to skip at the start (2112) and at the end, and all that remain, in hexadecimal digits."""


def halve_time_scale(path: Path) -> None:
    """Count time in half as many units a second as there are samples, and say in a tag how many units to skip."""
    data = bytearray(path.read_bytes())
    header, lengths = data.index(b"mdhd"), data.index(b"stts")
    _halve(data, header + 16)
    _halve(data, header + 20)
    (count,) = struct.unpack_from(">I", data, lengths + 8)
    for entry in range(count):
        _halve(data, lengths + 16 + 8 * entry)
    start = data.index(b"edts")
    data[start : start + 4] = b"free"
    tag = _box(b"----", _box(b"mean", bytes(4) + b"com.apple.iTunes"), _box(b"name", bytes(4) + b"iTunSMPB"),
               _box(b"data", bytes([0, 0, 0, 1, 0, 0, 0, 0]) + _TAG))  # fmt: skip
    user_data = data.index(b"udta")
    tags = data.index(b"ilst", user_data)
    end = tags - 4 + struct.unpack_from(">I", data, tags - 4)[0]
    data[end:end] = tag
    for place in (tags, data.index(b"meta", user_data), user_data, data.index(b"moov")):
        struct.pack_into(">I", data, place - 4, struct.unpack_from(">I", data, place - 4)[0] + len(tag))
    path.write_bytes(data)


def _halve(data: bytearray, place: int) -> None:
    struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] // 2)


def _box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I", 8 + len(content)) + kind + content
