"""Frames that consist of two fields."""

from pathlib import Path

import numpy as np
import pytest

from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from media_factory import X264, digest, ffmpeg

FIELDS = ("-flags", "+ildct+ilme")
TOP, BOTTOM = "tinterlace=interleave_top,setfield=tff", "tinterlace=interleave_bottom,setfield=bff"
SOURCES = {
    "mpeg2.ts": (TOP, ("-c:v", "mpeg2video", "-q:v", "2", *FIELDS)),
    "mpeg2-bottom.ts": (BOTTOM, ("-c:v", "mpeg2video", "-q:v", "2", *FIELDS)),
    "top.mp4": (TOP, (*X264, *FIELDS, "-x264opts", "tff=1")),
    "bottom.mkv": (BOTTOM, (*X264, *FIELDS, "-x264opts", "bff=1")),
    "prores.mov": (TOP, ("-c:v", "prores_ks", *FIELDS, "-pix_fmt", "yuv422p10le")),
    "dv.avi": (BOTTOM, ("-c:v", "dvvideo")),
}
SIZE = (720, 576)


def make_moving(path: Path, filters: str, codec: tuple[str, ...], rate: int = 50) -> Path:
    """Write a white square that moves to the right by 400 pixels a second over black."""
    width, height = SIZE
    source = f"color=black:size={width}x{height}:rate={rate}:duration=0.8[a];color=white:size=200x200:rate={rate}[b]"
    moving = f"{source};[a][b]overlay=x='100+400*t':y=100:shortest=1,{filters}"
    ffmpeg("-filter_complex", moving, "-pix_fmt", "yuv420p", *codec, path)
    return path


def combing(frame: np.ndarray) -> float:
    """Return how much lines differ from both of their neighbours alike, on average, around the square's edges."""
    luma = frame[110:290].astype(float)
    return float(np.abs(luma[1:-1] - (luma[:-2] + luma[2:]) / 2).max(axis=1).mean())


@pytest.mark.parametrize("name", SOURCES)
def test_interlaced_video_becomes_progressive(name: str, tmp_path: Path):
    path = make_moving(tmp_path / name, *SOURCES[name])
    video = probe_video(path)
    frames = list(read_frames(video))
    assert (video.fps, len(frames), video.is_interlaced) == (25, 20, True)
    assert max(combing(frame) for frame in frames) < 40  # 200 where lines alternate
    assert any("deinterlaced" in note for note in video.notes)
    columns = [float(np.flatnonzero(frame[200] > 128).mean()) for frame in frames]
    assert np.diff(columns) == pytest.approx([16] * 19, abs=2)


@pytest.mark.parametrize("name", ["top.mp4", "mpeg2.ts", "bottom.mkv"])
def test_frames_do_not_depend_on_the_start(name: str, tmp_path: Path):
    video = probe_video(make_moving(tmp_path / name, *SOURCES[name]))
    whole = [digest(frame) for frame in read_frames(video)]
    for start in (1, 7, 18, 19):
        assert [digest(frame) for frame in read_frames(video, start)] == whole[start:]


def test_progressive_video_is_left_alone(tmp_path: Path):
    video = probe_video(make_moving(tmp_path / "a.mp4", "null", X264, rate=25))
    assert (video.is_interlaced, video.notes) == (False, ())


def test_progressive_frames_between_interlaced_ones_are_left_alone(tmp_path: Path):
    """ffmpeg and players deinterlace what is marked as interlaced, frame by frame."""
    make_moving(tmp_path / "a.ts", TOP, SOURCES["mpeg2.ts"][1])
    rest = make_moving(tmp_path / "b.ts", "null", ("-c:v", "mpeg2video", "-q:v", "2"), rate=25)
    (tmp_path / "list.txt").write_text("file a.ts\nfile b.ts\n")
    ffmpeg("-f", "concat", "-i", tmp_path / "list.txt", "-c", "copy", tmp_path / "both.ts")
    frames = list(read_frames(probe_video(tmp_path / "both.ts")))
    plain = list(read_frames(probe_video(rest)))
    assert len(frames) == 40
    assert [digest(frame) for frame in frames[-19:]] == [digest(frame) for frame in plain[-19:]]
