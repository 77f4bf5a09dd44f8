"""JPEG photographs with further pictures: previews in their metadata, the gain map of HDR, stereo pairs.

libavformat took them for videos of two frames, or for no media at all.
"""

import io
import struct
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames

SIZE = (160, 120)
JFIF = 20
"""Bytes that Pillow writes before the first table: the beginning and a JFIF header."""


def jpeg(level: int, size: tuple[int, int] = SIZE, **options: object) -> bytes:
    data = io.BytesIO()
    Image.new("L", size, level).convert("RGB").save(data, "JPEG", quality=90, **options)
    return data.getvalue()


def segment(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, kind, len(content) + 2) + content


def exif(thumbnail: bytes) -> bytes:
    header = b"Exif\0\0II*\0" + struct.pack("<IHIH", 8, 0, 14, 3)
    entries = struct.pack("<HHIIHHIIHHIII", 0x103, 3, 1, 6, 0x201, 4, 1, 56, 0x202, 4, 1, len(thumbnail), 0)
    return segment(0xE1, header + entries + thumbnail)


def photoshop(thumbnail: bytes) -> bytes:
    picture = struct.pack(">IIIIIIHH", 1, 80, 60, 240, 14400, len(thumbnail), 24, 1) + thumbnail
    return segment(0xED, b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", 1036, 0, len(picture)) + picture)


def long_xmp(count: int) -> bytes:
    return count * segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 60000)


def write(path: Path, *metadata: bytes, picture: bytes, following: bytes = b"") -> Path:
    path.write_bytes(picture[:2] + b"".join(metadata) + picture[JFIF:] + following)
    return path


def level(path: Path) -> float:
    """Return the grey level of the picture, which is a still image of one frame."""
    video = probe_video(path)
    assert (video.is_still, video.frames, video.width, video.height, video.notes) == (True, 1, *SIZE, ())
    (frame,) = read_frames(video, count=1)
    return (float(frame[: SIZE[1]].mean()) - 16) * 255 / 219


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("count", [0, 2, 20])
def test_previews_and_gain_maps_are_not_shown(count, progressive, tmp_path):
    """Adobe's programs write both previews, an extension of the metadata, and the gain map behind the picture."""
    thumbnail = jpeg(30, (80, 60))
    picture = jpeg(200, progressive=progressive)
    pieces = product((b"", exif(thumbnail)), (b"", photoshop(thumbnail)), (b"", thumbnail, b"\0" * 100 + thumbnail * 2))
    for number, (first, second, following) in enumerate(pieces):
        metadata = [each for each in (first, second, long_xmp(count)) if each]
        path = write(tmp_path / f"{number}.jpg", *metadata, picture=picture, following=following)
        assert level(path) == pytest.approx(200, abs=3), (number, count)


def test_first_half_of_a_stereo_pair_is_shown(tmp_path):
    """It has the size of the second one, like a frame of a video, but says that it follows."""
    path = tmp_path / "a.mpo"
    first, second = (Image.new("L", SIZE, grey).convert("RGB") for grey in (200, 90))
    first.save(path, format="MPO", save_all=True, append_images=[second])
    assert b"MPF\0" in path.read_bytes()
    assert level(path) == pytest.approx(200, abs=3)


@pytest.mark.parametrize("following", [b"\0\0\0\x18ftypmp42" + bytes(5000), b"\xff\xd8\xff", b"SEFT" + bytes(100000)])
def test_photograph_with_other_data_behind_it(following, tmp_path):
    """Phones append a video, or notes about the picture."""
    path = write(tmp_path / "a.jpg", exif(jpeg(30, (80, 60))), picture=jpeg(200), following=following)
    assert level(path) == pytest.approx(200, abs=3)


@pytest.mark.parametrize("padding", [0, 1, 500])
def test_images_of_one_size_are_a_video(padding, tmp_path):
    path = tmp_path / "a.mjpeg"
    path.write_bytes(b"".join(jpeg(grey) + bytes(padding) for grey in (40, 100, 160)))
    video = probe_video(path)
    assert (video.is_still, video.frames) == (False, 3)
    levels = [(float(np.mean(frame[: SIZE[1]])) - 16) * 255 / 219 for frame in read_frames(video)]
    assert levels == pytest.approx([40, 100, 160], abs=3)
