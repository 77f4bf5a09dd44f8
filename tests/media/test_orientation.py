"""Pictures that are rotated, mirrored or cropped by what their container says."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from container_crop import add_clean_aperture, add_pixel_crop
from corner_picture import ORIENTATIONS, corner_picture, corners_of, make_corner_video
from heif_factory import write_heic
from heygem_cli.errors import InputError
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from media_factory import X264, ffmpeg, make_video

MATRICES = {
    1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
    5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0),
}  # fmt: skip
"""The first two columns of the matrix that maps the stored picture to the one shown, by EXIF orientation."""
FLAGS = {
    1: (), 2: ("-display_hflip",), 3: ("-display_rotation", 180), 4: ("-display_vflip",),
    5: ("-display_rotation", -90, "-display_hflip"), 6: ("-display_rotation", -90),
    7: ("-display_rotation", 90, "-display_hflip"), 8: ("-display_rotation", 90),
}  # fmt: skip
COLORS = {"W": "white", "R": "red", "B": "blue", "G": "lime"}


def shown(path: Path) -> tuple[str, tuple[int, int]]:
    """Return the corners and the size of the picture that is read."""
    video = probe_video(path)
    frames = list(read_frames(video))
    assert len(frames) == video.frames
    assert len({corners_of(frame) for frame in frames}) == 1
    return corners_of(frames[0]), (video.width, video.height)


def size_of(orientation: int, width: int, height: int) -> tuple[int, int]:
    return (width, height) if orientation < 5 else (height, width)


def set_matrix(path: Path, orientation: int) -> None:
    """Write the matrix into the header of the track of an MP4."""
    a, b, c, d = MATRICES[orientation]
    data = bytearray(path.read_bytes())
    place = data.index(struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30), data.index(b"tkhd"))
    struct.pack_into(">9i", data, place, a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_matrix_of_an_mp4(orientation: int, tmp_path: Path):
    path = make_corner_video(tmp_path / "a.mp4")
    set_matrix(path, orientation)
    assert shown(path) == (ORIENTATIONS[orientation], size_of(orientation, 160, 96))


@pytest.mark.parametrize("suffix", ["mov", "mkv"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_matrix_of_other_containers(orientation: int, suffix: str, tmp_path: Path):
    path = tmp_path / f"a.{suffix}"
    ffmpeg(*FLAGS[orientation], "-i", make_corner_video(tmp_path / "upright.mp4"), "-c", "copy", path)
    assert shown(path) == (ORIENTATIONS[orientation], size_of(orientation, 160, 96))


def test_pixels_that_are_not_square_are_turned(tmp_path: Path):
    wide = make_video(tmp_path / "wide.mp4", filters="setsar=16/11", seconds=0.2)
    set_matrix(wide, 5)
    assert float(probe_video(wide).sample_aspect_ratio) == pytest.approx(11 / 16)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_of_images(orientation: int, suffix: str, tmp_path: Path):
    """In AVIF Pillow writes the properties irot and imir instead."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(corner_picture()).save(tmp_path / f"a.{suffix}", exif=exif, quality=95)
    assert shown(tmp_path / f"a.{suffix}") == (ORIENTATIONS[orientation], size_of(orientation, 160, 96))
    assert probe_video(tmp_path / f"a.{suffix}").is_still


TURNS = {1: (0, None), 2: (0, 1), 3: (2, None), 4: (0, 0), 5: (1, 0), 6: (3, None), 7: (1, 1), 8: (1, None)}
"""Quarter turns counterclockwise, and the axis of the mirror."""


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiles_of_a_photograph_of_a_phone(orientation: int, tmp_path: Path):
    turns, mirror = TURNS[orientation]
    colors = [COLORS[name] for name in "WWRRBBGG"]
    path = write_heic(tmp_path / "a.heic", colors=colors, columns=4, turns=turns, mirror=mirror)
    assert shown(path) == (ORIENTATIONS[orientation], size_of(orientation, 256, 128))
    assert probe_video(path).is_still


CROPS = {
    "left half": ((0, 80, 0, 0), "WWBB", (80, 96)),
    "upper right": ((80, 0, 0, 48), "RRRR", (80, 48)),
    "middle": ((40, 40, 24, 24), "WRBG", (80, 48)),
    "odd": ((81, 1, 1, 48), "RRRR", (78, 46)),
}
"""Columns and rows that are cropped: left, right, top, bottom; then the corners and the size of what is left."""


@pytest.mark.parametrize("crop", CROPS)
def test_pixel_crop_of_matroska(crop: str, tmp_path: Path):
    edges, corners, size = CROPS[crop]
    path = make_corner_video(tmp_path / "a.mkv")
    add_pixel_crop(path, *edges)
    assert shown(path) == (corners, size)


@pytest.mark.parametrize(("display", "aspect"), [((80, 96), 1), ((160, 96), 2)])
def test_display_size_of_matroska_is_that_of_the_cropped_picture(display: tuple[int, int], aspect: int, tmp_path: Path):
    path = make_corner_video(tmp_path / "a.mkv")
    add_pixel_crop(path, 0, 80, 0, 0, display=display)
    assert shown(path) == ("WWBB", (80, 96))
    assert probe_video(path).sample_aspect_ratio == aspect


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("crop", CROPS)
def test_clean_aperture_of_mp4(crop: str, suffix: str, tmp_path: Path):
    (left, right, top, bottom), corners, size = CROPS[crop]
    path = make_corner_video(tmp_path / f"a.{suffix}")
    # Where the sum of two edges is odd, the centre lies between two pixels.
    offset = ((left - right, 2), (top - bottom, 2))
    add_clean_aperture(path, (160 - left - right, 1), (96 - top - bottom, 1), *offset)
    assert shown(path) == (corners, size)


def test_clean_aperture_with_a_fractional_width(tmp_path: Path):
    path = make_corner_video(tmp_path / "a.mp4")
    add_clean_aperture(path, (241, 3), (48, 1), (1, 3), (0, 1))
    assert shown(path) == ("WRBG", (80, 48))


@pytest.mark.parametrize("orientation", [2, 4, 5, 6, 7, 8])
def test_crop_before_rotation(orientation: int, tmp_path: Path):
    path = make_corner_video(tmp_path / "a.mp4", corner_picture(240, 96)[:, :200])  # the right corners are narrower
    add_clean_aperture(path, (160, 1), (96, 1), (20, 1), (0, 1))
    set_matrix(path, orientation)
    assert shown(path) == (ORIENTATIONS[orientation], size_of(orientation, 160, 96))


@pytest.mark.parametrize("codec", [X264, ("-c:v", "libx265", "-x265-params", "log-level=none")], ids=["h264", "hevc"])
def test_crop_of_the_video_stream_itself(codec: tuple[str, ...], tmp_path: Path):
    path = make_corner_video(tmp_path / "a.mp4", corner_picture(154, 90), codec=codec)  # coded as 160×96
    assert shown(path) == ("WRBG", (154, 90))


def test_angle_that_is_no_quarter_turn(tmp_path: Path):
    """The program says something about it, without ending the line."""
    ffmpeg("-display_rotation", 45, "-i", make_corner_video(tmp_path / "a.mp4"), "-c", "copy", tmp_path / "b.mp4")
    video = probe_video(tmp_path / "b.mp4")
    assert (video.width, video.height, len(list(read_frames(video)))) == (160, 96, 5)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_size_in_the_container_does_not_count(suffix: str, tmp_path: Path):
    path = make_corner_video(tmp_path / f"a.{suffix}")
    data = path.read_bytes()
    right, wrong = {
        "mkv": (b"\xb0\x81\xa0\xba\x81\x60", b"\xb0\x81\x50\xba\x81\x30"),
        "mp4": (struct.pack(">HHI", 160, 96, 72 << 16), struct.pack(">HHI", 80, 48, 72 << 16)),
    }[suffix]
    assert data.count(right) == 1
    path.write_bytes(data.replace(right, wrong))
    assert shown(path) == ("WRBG", (160, 96))


def test_interlaced_and_rotated_is_refused(tmp_path: Path):
    fields = ("-flags", "+ildct+ilme", "-x264opts", "tff=1")
    path = make_video(tmp_path / "a.mp4", filters="setfield=tff", codec=(*X264, *fields), seconds=0.2)
    set_matrix(path, 4)
    with pytest.raises(InputError, match="interlaced") as caught:
        probe_video(path)
    assert caught.value.code == "unsupported-picture"


def test_mirrored_video_is_mirrored_exactly(clip: Path, tmp_path: Path):
    mirrored = tmp_path / "a.mp4"
    ffmpeg("-display_hflip", "-i", clip, "-c", "copy", mirrored)
    for one, other in zip(read_frames(probe_video(clip)), read_frames(probe_video(mirrored)), strict=True):
        assert np.array_equal(one[:120, ::-1], other[:120])
