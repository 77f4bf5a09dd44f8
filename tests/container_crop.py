"""Add to files what crops their picture: ffmpeg cannot write either."""

import struct
from pathlib import Path

Ratio = tuple[int, int]

_PARENTS = (b"avc1", b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov")


def add_clean_aperture(path: Path, width: Ratio, height: Ratio, x: Ratio, y: Ratio) -> None:
    """Add the box clap to the H.264 video of an MP4; ``x`` and ``y`` say how far its centre is from the picture's."""
    data = bytearray(path.read_bytes())
    assert data.index(b"mdat") < data.index(b"moov")  # else the places of the samples would change
    values = [value for ratio in (width, height, x, y) for value in ratio]
    box = struct.pack(">I4s8i", 40, b"clap", *values)
    entry = data.index(b"avc1", data.index(b"stsd")) - 4
    end = entry + struct.unpack_from(">I", data, entry)[0]
    data[end:end] = box
    for kind in _PARENTS:
        place = data.rindex(kind, 0, entry + 8) - 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + len(box))
    path.write_bytes(data)


_SEGMENT, _TRACKS, _TRACK, _VIDEO, _VOID = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae", b"\xe0", b"\xec"
_CROP = {"left": b"\x54\xcc", "right": b"\x54\xdd", "top": b"\x54\xbb", "bottom": b"\x54\xaa"}
_DISPLAY = (b"\x54\xb0", b"\x54\xba")


def add_pixel_crop(
    path: Path, left: int, right: int, top: int, bottom: int, *, display: tuple[int, int] | None = None
) -> None:
    """Add the elements PixelCrop to the video of a Matroska file, and the size at which it is to be shown."""
    data = bytearray(path.read_bytes())
    edges = zip(_CROP.values(), (left, right, top, bottom), strict=True)
    new = b"".join(kind + bytes([0x81, pixels]) for kind, pixels in edges)
    for kind, pixels in zip(_DISPLAY, display or (), strict=False):
        new += kind + b"\x82" + struct.pack(">H", pixels)
    start, end, sizes = 0, len(data), []
    for kind in (_SEGMENT, _TRACKS, _TRACK, _VIDEO):
        place, start, end = _find(data, kind, start, end)
        sizes.append((place, start, end))
    if display:  # in pixels; ffmpeg has said that the unit is unknown
        data[start:end] = data[start:end].replace(b"\x54\xb2\x81\x04", b"\x54\xb2\x81\x00")
    data[end:end] = new
    for place, start, end in sizes[1:]:
        _set_size(data, place, start, end - start + len(new))
    # What follows stays where the index says that it is.
    place, start, end = _find(data, _VOID, sizes[0][1], sizes[0][2])
    _set_size(data, place, start, end - start - len(new))
    del data[start : start + len(new)]
    path.write_bytes(data)


def _find(data: bytearray, kind: bytes, start: int, end: int) -> tuple[int, int, int]:
    """Return where the size of the first element of a kind is, and where its content begins and ends."""
    while start < end:
        place = start + 9 - data[start].bit_length()
        content = place + 9 - data[place].bit_length()
        size = int.from_bytes(data[place:content], "big") & ((1 << 7 * (content - place)) - 1)
        if data[start:place] == kind:
            return place, content, content + size
        start = content + size
    raise ValueError(kind)


def _set_size(data: bytearray, place: int, content: int, size: int) -> None:
    length = content - place
    data[place:content] = (size | 1 << 7 * length).to_bytes(length, "big")
