"""Black-and-white video without chroma, whose range ffmpeg ignores: limited range was washed out."""

from pathlib import Path

import numpy as np
import pytest

from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from media_factory import ffmpeg

SIZE = (64, 48)
FFV1 = ("-c:v", "ffv1")
AV1 = ("-c:v", "libaom-av1", "-cpu-used", "8", "-crf", "10")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error", "-crf", "4")


def make_grey(path: Path, codec: tuple[str, ...], levels: tuple[int, int], color_range: str, pixels: str) -> Path:
    """Write a video whose left and right halves have two levels of 8 bits."""
    raw = path.with_suffix(".raw")
    half = SIZE[0] // 2
    row = np.repeat(np.array(levels, np.uint16 if pixels != "gray" else np.uint8), half)
    row = row << (2 if pixels == "gray10le" else 0)
    np.tile(row, (5 * SIZE[1], 1)).tofile(raw)
    source = ("-f", "rawvideo", "-pix_fmt", pixels, "-s", f"{SIZE[0]}x{SIZE[1]}", "-r", "25", "-i", raw)
    ffmpeg(*source, "-vf", f"setparams=range={color_range}", *codec, path)
    return path


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", FFV1), ("a.mkv", AV1), ("a.mp4", HEVC)], ids=["ffv1", "av1", "hevc"]
)
@pytest.mark.parametrize(
    ("color_range", "levels", "pixels"),
    [
        ("limited", (235, 16), "gray"),
        ("full", (255, 0), "gray"),
        ("limited", (235, 16), "gray10le"),
        ("full", (255, 0), "gray10le"),
    ],
)
def test_white_and_black_of_both_ranges(name, codec, color_range, levels, pixels, tmp_path):
    video = probe_video(make_grey(tmp_path / name, codec, levels, color_range, pixels))
    assert (video.pixel_format, video.full_range) == (pixels, color_range == "full")
    for frame in read_frames(video):
        assert [int(frame[20, 10]), int(frame[20, 50])] == pytest.approx([235, 16], abs=1)
        assert int(frame[SIZE[1] :].min()) == int(frame[SIZE[1] :].max()) == 128


def test_range_that_is_not_told_is_full(tmp_path):
    """So it is in the files that ffmpeg wrote without saying it."""
    video = probe_video(make_grey(tmp_path / "a.mkv", FFV1, (255, 0), "unspecified", "gray"))
    (frame, *_) = read_frames(video)
    assert [int(frame[20, 10]), int(frame[20, 50])] == [235, 16]
