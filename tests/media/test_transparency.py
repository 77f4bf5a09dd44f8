"""Transparent parts of videos and images, on a background."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from corner_picture import corner_picture, corners_of
from heygem_cli.color import parse_color
from heygem_cli.errors import InputError
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import planes
from media_factory import ffmpeg

OVAL = "geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='255*lt(hypot(2*X/W-1,2*Y/H-1),1)'"
VIDEOS = {
    "vp8.webm": (("-c:v", "libvpx", "-auto-alt-ref", "0", "-b:v", "4M"), "yuva420p"),
    "vp9.webm": (("-c:v", "libvpx-vp9", "-b:v", "4M"), "yuva420p"),
    "vp9.mkv": (("-c:v", "libvpx-vp9", "-b:v", "4M"), "yuva420p"),
    "prores.mov": (("-c:v", "prores_ks", "-profile:v", "4444"), "yuva444p10le"),
    "untagged.mkv": (("-c:v", "ffv1"), "yuva420p"),
    "full.mkv": (("-c:v", "ffv1", "-color_range", "pc"), "yuva444p"),
    "animation.mov": (("-c:v", "qtrle"), "argb"),
    "a.png": (("-frames:v", "1", "-update", "1"), "rgba"),
    "deep.png": (("-frames:v", "1", "-update", "1"), "rgba64be"),
    "a.webp": (("-c:v", "libwebp", "-frames:v", "1"), "yuva420p"),
}
COLORS = {"white": (255, 255, 255), "#00ff00": (0, 255, 0), "rebeccapurple": (102, 51, 153), "black": (0, 0, 0)}


def make_oval(path: Path, codec: tuple[str, ...], pixels: str, matrix: str = "", size_range: str = "tv") -> Path:
    """Write the picture of four corners, transparent outside an oval."""
    source = path.with_name("corners.png")
    cv2.imwrite(str(source), cv2.cvtColor(corner_picture(), cv2.COLOR_RGB2BGR))
    tagged = f",setparams=colorspace={matrix}:color_primaries={matrix}:color_trc={matrix}" if matrix else ""
    scaled = f"scale=out_range={size_range}" + (f":out_color_matrix={matrix}" if matrix else "")
    filters = f"{scaled},format=yuva444p{tagged},{OVAL},format={pixels}"
    ffmpeg("-loop", 1, "-i", source, "-frames:v", 5, "-vf", filters, *codec, "-pix_fmt", pixels, path)
    return path


def yuv(color: tuple[int, int, int], matrix: str | None) -> np.ndarray:
    red, green, blue = (level / 255 for level in color)
    kr, kb = (0.2126, 0.0722) if matrix == "bt709" else (0.299, 0.114)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    return np.array([16 + 219 * luma, 128 + 112 * (blue - luma) / (1 - kb), 128 + 112 * (red - luma) / (1 - kr)])


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("name", VIDEOS)
def test_transparent_parts_have_the_colour_of_the_background(name: str, color: str, tmp_path: Path):
    video = probe_video(make_oval(tmp_path / name, *VIDEOS[name], size_range="pc" if name == "full.mkv" else "tv"))
    assert video.has_alpha
    chosen = parse_color(color)
    frames = list(read_frames(replace(video, background=(chosen.red, chosen.green, chosen.blue))))
    assert len(frames) == (1 if video.is_still else 5)
    for frame in frames:
        assert corners_of(frame, margin=0.3) == "WRBG"
        for row, column in ((1, 1), (-2, 1), (1, -2), (-2, -2)):
            actual = [int(plane[row, column]) for plane in planes(frame)]
            assert actual == pytest.approx(yuv(COLORS[color], video.color.matrix), abs=2)


@pytest.mark.parametrize("suffix", ["avif", "webp", "png", "tiff", "ico"])
def test_transparent_images_of_pillow(suffix: str, tmp_path: Path):
    image = Image.fromarray(corner_picture())
    mask = np.zeros((96, 160), np.uint8)
    mask[20:76, 30:130] = 255
    image.putalpha(Image.fromarray(mask))
    image.save(tmp_path / f"a.{suffix}", **({"sizes": [(160, 96)]} if suffix == "ico" else {}))
    video = replace(probe_video(tmp_path / f"a.{suffix}"), background=(0, 0, 0))
    (frame,) = read_frames(video)
    assert (corners_of(frame), corners_of(frame, margin=0.3), video.notes) == ("KKKK", "WRBG", ())


@pytest.mark.parametrize("matrix", ["", "bt709", "smpte170m"])
def test_opaque_parts_and_tags_are_those_of_the_file(matrix: str, tmp_path: Path):
    path = make_oval(tmp_path / "a.mkv", ("-c:v", "ffv1"), "yuva420p", matrix)
    ffmpeg("-i", path, "-frames:v", 1, "-vf", "format=yuv420p", "-f", "rawvideo", tmp_path / "raw")
    raw = np.frombuffer((tmp_path / "raw").read_bytes(), np.uint8).reshape(144, 160)
    video = probe_video(path)
    assert video.color.matrix == (matrix or None)
    frame = next(read_frames(video))
    assert np.abs(frame[30:66, 50:110].astype(int) - raw[30:66, 50:110]).max() <= 1


def test_half_transparent_parts_are_mixed(tmp_path: Path):
    filters = "color=red:size=64x64:duration=0.2,format=yuva420p,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a=128"
    ffmpeg("-f", "lavfi", "-i", filters, "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", tmp_path / "a.webm")
    video = replace(probe_video(tmp_path / "a.webm"), background=(0, 0, 255))
    actual = [int(plane[10, 10]) for plane in planes(next(read_frames(video)))]
    assert actual == pytest.approx((yuv((255, 0, 0), None) + yuv((0, 0, 255), None)) / 2, abs=3)


@pytest.mark.parametrize("text", ["", "no such colour", "#12345", "#1234567", "rgb(1,2,3)", "hsl(0,100%,50%)"])
def test_other_text_is_no_colour(text: str):
    with pytest.raises(InputError) as caught:
        parse_color(text)
    assert caught.value.code == "bad-color"


@pytest.mark.parametrize(("text", "expected"), [(" White ", "#ffffff"), ("#0A0b0C", "#0a0b0c"), ("Tomato", "#ff6347")])
def test_colours(text: str, expected: str):
    assert str(parse_color(text)) == expected
