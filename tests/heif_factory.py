"""Photographs in HEIC, made of tiles as those of phones; ffmpeg cannot write them."""

import struct
from collections.abc import Sequence
from pathlib import Path

from media_factory import ffmpeg

TILE = 64
GRID = 1
"""The item that joins the tiles, which are the items after it."""


def write_heic(
    path: Path,
    *,
    color: str = "red",
    colors: Sequence[str] = (),
    profile: bytes = b"",
    turns: int = 0,
    mirror: int | None = None,
    columns: int = 2,
) -> Path:
    """Write a photograph of one colour, as wide as ``columns`` tiles and one tile high, or of tiles with ``colors``.

    It is turned counterclockwise, and then mirrored: 0 exchanges top and bottom, 1 left and right.
    """
    names = colors or [color] * columns
    encoded = {name: _encode_tile(path.with_suffix(".mp4"), name) for name in dict.fromkeys(names)}
    configuration = next(iter(encoded.values()))[0]
    size = (columns * TILE, len(names) // columns * TILE)
    properties = [configuration, _full_box(b"ispe", struct.pack(">2I", TILE, TILE))]
    properties += [_full_box(b"ispe", struct.pack(">2I", *size)), _box(b"irot", bytes([turns]))]
    if mirror is not None:
        properties.append(_box(b"imir", bytes([mirror])))
    if profile:
        properties.append(_box(b"colr", b"prof" + profile))
    pictures = [encoded[name][1] for name in names]
    header = _box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    meta = _meta(properties, pictures, 0, columns)
    meta = _meta(properties, pictures, len(header) + len(meta) + 8, columns)
    path.write_bytes(header + meta + _box(b"mdat", b"".join(pictures)))
    return path


def write_heic_in_one_piece(path: Path, *, size: tuple[int, int], color: str = "red") -> Path:
    """Write a photograph of one colour that has no tiles, as programs on computers do."""
    configuration, picture = _encode(path.with_suffix(".mp4"), color, size)
    properties = [configuration, _full_box(b"ispe", struct.pack(">2I", *size))]
    header = _box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    meta = _meta_of_one(properties, picture, 0)
    meta = _meta_of_one(properties, picture, len(header) + len(meta) + 8)
    path.write_bytes(header + meta + _box(b"mdat", picture))
    return path


def _encode_tile(scratch: Path, color: str) -> tuple[bytes, bytes]:
    return _encode(scratch, color, (TILE, TILE))


def _encode(scratch: Path, color: str, size: tuple[int, int]) -> tuple[bytes, bytes]:
    """Return the configuration of the decoder, and the encoded picture."""
    ffmpeg(
        "-f", "lavfi", "-i", f"color={color}:size={size[0]}x{size[1]}", "-frames:v", 1, "-c:v", "libx265",
        "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params", "log-level=none:info=0", "-crf", 4, scratch,
    )  # fmt: skip
    data = scratch.read_bytes()
    scratch.unlink()
    return _find(data, b"hvcC"), _find(data, b"mdat")[8:]


def _find(data: bytes, kind: bytes) -> bytes:
    start = data.index(kind) - 4
    return data[start : start + int.from_bytes(data[start : start + 4], "big")]


def _meta(properties: list[bytes], pictures: list[bytes], offset: int, columns: int) -> bytes:
    rows, tiles = len(pictures) // columns, range(GRID + 1, GRID + 1 + len(pictures))
    items = [(GRID, b"grid"), *((tile, b"hvc1") for tile in tiles)]
    infos = b"".join(_full_box(b"infe", struct.pack(">2H4sx", item, 0, kind), version=2) for item, kind in items)
    of_grid, of_tile = bytes(range(3, len(properties) + 1)), b"\x01\x02"
    associations = b"".join(
        struct.pack(">HB", item, len(own)) + own for item, own in [(GRID, of_grid), *((t, of_tile) for t in tiles)]
    )
    places = struct.pack(">4H2I", GRID, 1, 0, 1, 0, 8)  # in the box idat
    for tile, picture in zip(tiles, pictures, strict=True):
        places += struct.pack(">4H2I", tile, 0, 0, 1, offset, len(picture))
        offset += len(picture)
    grid = struct.pack(">4B2H", 0, 0, rows - 1, columns - 1, columns * TILE, rows * TILE)
    references = _box(b"dimg", struct.pack(f">2H{len(tiles)}H", GRID, len(tiles), *tiles))
    content = (
        _full_box(b"hdlr", bytes(4) + b"pict" + bytes(13))
        + _full_box(b"pitm", struct.pack(">H", GRID))
        + _full_box(b"iinf", struct.pack(">H", len(items)) + infos)
        + _full_box(b"iref", references)
        + _box(
            b"iprp",
            _box(b"ipco", b"".join(properties)) + _full_box(b"ipma", struct.pack(">I", len(items)) + associations),
        )
        + _box(b"idat", grid)
        + _full_box(b"iloc", struct.pack(">2BH", 0x44, 0, len(items)) + places, version=1)
    )
    return _full_box(b"meta", content)


def _meta_of_one(properties: list[bytes], picture: bytes, offset: int) -> bytes:
    own = bytes(range(1, len(properties) + 1))
    associations = struct.pack(">IHB", 1, GRID, len(own)) + own
    return _full_box(
        b"meta",
        _full_box(b"hdlr", bytes(4) + b"pict" + bytes(13))
        + _full_box(b"pitm", struct.pack(">H", GRID))
        + _full_box(
            b"iinf", struct.pack(">H", 1) + _full_box(b"infe", struct.pack(">2H4sx", GRID, 0, b"hvc1"), version=2)
        )
        + _box(b"iprp", _box(b"ipco", b"".join(properties)) + _full_box(b"ipma", associations))
        + _full_box(b"iloc", struct.pack(">2BH4H2I", 0x44, 0, 1, GRID, 0, 0, 1, offset, len(picture)), version=1),
    )


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _full_box(kind: bytes, content: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]) + content)
