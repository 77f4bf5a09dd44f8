"""Streams in which the size of the picture, or the shape of its pixels, changes."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from corner_picture import color_at, corner_picture, corners_of, make_corner_video
from heygem_cli.errors import InputError
from heygem_cli.media.picture_sizes import SizeScanner
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import loop_frames, read_frames
from heygem_cli.media.types import PictureSize
from media_factory import X264, digest, ffmpeg, make_video

VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
AV1 = ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none")
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "2")
KINDS = {
    "vp8.webm": VP8, "vp9.webm": VP9, "av1.webm": AV1, "a.mp4": X264, "raw.h264": X264, "raw.hevc": X265, "a.ts": X265,
    "headers.mkv": (*X264, "-x264-params", "repeat-headers=1"), "mpeg2.ts": MPEG2,
}  # fmt: skip
LARGER = ((160, 90), (320, 180), (640, 360))
FRAMES = 5


def join(path: Path, codec: tuple[str, ...], sizes: tuple[tuple[int, int], ...]) -> Path:
    """Write a video of five frames of each size."""
    names = [path.with_name(f"{index}-{path.name}") for index in range(len(sizes))]
    pictures = zip(names, sizes, strict=True)
    return concatenate(path, [make_corner_video(name, corner_picture(*size), codec=codec) for name, size in pictures])


def concatenate(path: Path, parts: list[Path]) -> Path:
    """Copy the packets of one video after those of another."""
    if path.name.startswith("raw"):
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        return path
    listed = path.with_suffix(".txt")
    listed.write_text("\n".join(f"file {part.name}" for part in parts))
    ffmpeg("-f", "concat", "-i", listed, "-c", "copy", path)
    return path


def middles(frames: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the frame in the middle of each part."""
    yield from frames[FRAMES // 2 :: FRAMES]


@pytest.mark.parametrize("kind", KINDS)
def test_output_has_the_largest_size(kind: str, tmp_path: Path):
    video = probe_video(join(tmp_path / kind, KINDS[kind], LARGER))
    frames = list(read_frames(video))
    assert (video.width, video.height, len(frames)) == (640, 360, 15)
    assert [corners_of(frame) for frame in middles(frames)] == ["WRBG"] * 3
    assert "size of its picture changes" in video.notes[0]


@pytest.mark.parametrize("kind", ["vp8.webm", "vp9.webm", "raw.h264", "mpeg2.ts"])
def test_smaller_again(kind: str, tmp_path: Path):
    video = probe_video(join(tmp_path / kind, KINDS[kind], ((320, 192), (640, 384), (160, 96))))
    assert (video.width, video.height) == (640, 384)
    assert [corners_of(frame) for frame in middles(list(read_frames(video)))] == ["WRBG"] * 3


@pytest.mark.parametrize("kind", ["vp8.webm", "vp9.webm", "a.mp4", "headers.mkv"])
def test_portrait_is_padded_with_black(kind: str, tmp_path: Path):
    video = probe_video(join(tmp_path / kind, KINDS[kind], ((320, 180), (180, 320))))
    landscape, portrait = middles(list(read_frames(video)))
    assert (video.width, video.height) == (320, 180)
    assert corners_of(landscape) == "WRBG"
    # The width of the portrait is 180 * 180 / 320 = 101 of 320 pixels.
    row = [color_at(portrait, x, 0.1) for x in (0.02, 0.33, 0.36, 0.48, 0.52, 0.64, 0.67, 0.98)]
    assert row == list("KKWWRRKK")
    assert [color_at(portrait, 0.4, y) for y in (0.02, 0.98)] == list("WB")


def test_landscape_in_a_larger_portrait(tmp_path: Path):
    video = probe_video(join(tmp_path / "vp8.webm", VP8, ((320, 180), (360, 640))))
    landscape, portrait = middles(list(read_frames(video)))
    assert (video.width, video.height, corners_of(portrait)) == (360, 640, "WRBG")
    assert [color_at(landscape, 0.1, y) for y in (0.02, 0.32, 0.37, 0.48, 0.52, 0.63, 0.68, 0.98)] == list("KKWWBBKK")


def test_window_that_is_resized_has_hundreds_of_sizes(tmp_path: Path):
    video = probe_video(make_video(tmp_path / "a.webm", size=(320, 180), seconds=0.2, codec=VP8))
    sizes = tuple(PictureSize(320, height, Fraction(1)) for height in range(180, 0, -1))
    assert len(list(read_frames(replace(video, sizes=sizes)))) == 5


def test_shape_of_the_pixels_changes_with_the_size(tmp_path: Path):
    """A broadcast in 4:3 of 96×80 pixels, then 16:9 of 320×180: nothing is distorted."""
    narrow = make_corner_video(tmp_path / "a.ts", corner_picture(96, 80), codec=(*MPEG2, "-vf", "setsar=10/9"))
    wide = make_corner_video(tmp_path / "b.ts", corner_picture(320, 180), codec=(*MPEG2, "-vf", "setsar=1"))
    video = probe_video(concatenate(tmp_path / "both.ts", [narrow, wide]))
    first, second = middles(list(read_frames(video)))
    assert (video.width, video.height, video.sample_aspect_ratio) == (320, 180, 1)
    assert corners_of(second) == "WRBG"
    # The picture is 180 * 4 / 3 = 240 of 320 pixels wide.
    assert [color_at(first, x, 0.1) for x in (0.02, 0.11, 0.14, 0.49, 0.51, 0.86, 0.89)] == list("KKWWRRK")


def test_shape_of_the_pixels_alone_is_not_followed_but_said(tmp_path: Path):
    parts = [
        make_corner_video(tmp_path / f"{index}.h264", codec=(*X264, "-vf", f"setsar={aspect}"))
        for index, aspect in enumerate(("16/15", "64/45"))
    ]
    video = probe_video(concatenate(tmp_path / "raw.h264", parts))
    assert video.sample_aspect_ratio in (Fraction(16, 15), Fraction(64, 45))
    assert "shape of its pixels changes" in video.notes[0]


def test_frames_do_not_depend_on_the_start(tmp_path: Path):
    video = probe_video(join(tmp_path / "vp8.webm", VP8, LARGER))
    whole = [digest(frame) for frame in read_frames(video)]
    for start in (1, 4, 5, 9, 10, 14):
        assert [digest(frame) for frame in read_frames(video, start)] == whole[start:]
    backwards = [digest(frame) for index, frame in loop_frames(video, 29, "pingpong")][15:]
    assert backwards == whole[13::-1]


def test_size_that_changes_and_a_rotation_are_refused(tmp_path: Path):
    joined = join(tmp_path / "vp8.webm", VP8, LARGER)
    ffmpeg("-display_rotation", 90, "-i", joined, "-c", "copy", tmp_path / "a.mkv")
    with pytest.raises(InputError, match="rotates or crops") as caught:
        probe_video(tmp_path / "a.mkv")
    assert caught.value.code == "unsupported-picture"


@pytest.mark.parametrize("codec", [X264, X265, VP8, VP9, AV1, MPEG2], ids=lambda codec: codec[1])
def test_key_frames_of_one_size_are_decoded_once(codec: tuple[str, ...], tmp_path: Path, monkeypatch):
    """Else the probe of a video of key frames only would take as long as decoding it."""
    decoded = []
    create = av.CodecContext.create
    monkeypatch.setattr(av.CodecContext, "create", lambda *args: decoded.append(args) or create(*args))
    for suffix in ("webm",) if codec in (VP8, VP9, AV1) else ("mkv", "ts"):
        path = make_video(tmp_path / f"a.{suffix}", codec=(*codec, "-g", "1"), seconds=0.4)
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            scanner = SizeScanner(stream)
            for packet in container.demux(stream):
                if packet.size:
                    scanner.add(packet)
        assert [(size.width, size.height) for size in scanner.sizes] == [(160, 120)]
        assert len(decoded) <= 2
        decoded.clear()
