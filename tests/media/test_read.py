"""Decode frames, from any start."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from heygem_cli.errors import HeygemError
from heygem_cli.media.ffmpeg import find_ffmpeg
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_audio, read_frames
from heygem_cli.media.types import planes
from media_factory import X264, digest, ffmpeg, make_image, make_video

B_FRAMES = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "40")
OPEN_GOP = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:open-gop=1:keyint=30:bframes=3")
VARIABLE = "select='not(mod(n,3))+not(mod(n,7))+gt(n,90)'"
SOURCES = {
    "b-frames.mp4": {"codec": B_FRAMES},
    "one-group.mkv": {"codec": ("-c:v", "libx264", "-preset", "veryfast", "-g", "999")},
    "open-groups.mp4": {"codec": OPEN_GOP},
    "ten-bit.mkv": {"codec": (*OPEN_GOP, "-pix_fmt", "yuv420p10le")},
    "variable.mp4": {"codec": B_FRAMES, "filters": VARIABLE},
    "variable.mkv": {"codec": B_FRAMES, "filters": VARIABLE},
    "variable.webm": {"codec": ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"), "filters": VARIABLE},
    "fragmented.mp4": {"codec": B_FRAMES, "extra": ("-movflags", "frag_keyframe+empty_moov")},
    "no-index.mkv": {"codec": B_FRAMES, "extra": ("-live", "1")},
    "program.mpg": {"codec": ("-c:v", "mpeg2video", "-bf", "2", "-g", "12")},
    "transport.ts": {"codec": B_FRAMES},
    "old.avi": {"codec": ("-c:v", "mpeg4", "-bf", "2")},
    "raw.h264": {"codec": B_FRAMES},
}


@pytest.fixture(scope="module", params=[*SOURCES, "edited.mov", "late.mp4"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of video in different containers and codecs."""
    folder = tmp_path_factory.mktemp("sources")
    path = folder / request.param
    if request.param in SOURCES:
        return make_video(path, rate="30", seconds=4, **SOURCES[request.param])
    whole = make_video(folder / "whole.mp4", rate="30", seconds=5, codec=B_FRAMES)
    if request.param == "edited.mov":  # the edit list begins between two key frames
        ffmpeg("-ss", "1.03", "-i", whole, "-c", "copy", path)
    else:  # the video begins 3.3 s after the sound
        ffmpeg("-itsoffset", "3.3", "-i", whole, "-f", "lavfi", "-i", "sine=duration=8", "-map", "0", "-map", "1",
               "-c:v", "copy", path)  # fmt: skip
    return path


def test_frames_do_not_depend_on_start(source: Path):
    video = probe_video(source)
    whole = [digest(frame) for frame in read_frames(video)]
    assert len(whole) == pytest.approx(video.frames, abs=1)
    assert len(set(whole)) > len(whole) // 2
    for start in (1, len(whole) // 3, len(whole) // 2 + 7, len(whole) - 1):
        assert [digest(frame) for frame in read_frames(video, start, 9)] == whole[start : start + 9]
    assert list(read_frames(video, len(whole) + 50, 1)) == []


def test_frames_equal_those_of_ffmpeg(clip: Path):
    raw = subprocess.run(
        [find_ffmpeg(), "-v", "error", "-i", clip, "-map", "0:v", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    frames = list(read_frames(probe_video(clip)))
    assert frames[0].shape == (180, 160)
    assert frames[0].dtype == np.uint8
    assert frames[0].flags.writeable
    assert b"".join(frame.tobytes() for frame in frames) == raw


def test_number_of_frames(clip: Path):
    video = probe_video(clip)
    assert [len(list(read_frames(video, 3, count))) for count in (0, 1, 5, 99, None)] == [0, 1, 5, 22, 22]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_equals_that_of_ffmpeg(degrees: int, clip: Path, tmp_path: Path):
    rotated = tmp_path / "rotated.mp4"
    ffmpeg("-display_rotation", degrees, "-i", clip, "-c", "copy", rotated)
    raw = subprocess.run(
        [find_ffmpeg(), "-v", "error", "-i", rotated, "-map", "0:v", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    assert b"".join(frame.tobytes() for frame in read_frames(probe_video(rotated))) == raw


@pytest.mark.parametrize("tag", range(1, 9))
def test_exif_orientations_equal_those_of_pillow(tag: int, tmp_path: Path):
    from PIL import Image, ImageOps

    exif = Image.Exif()
    exif[0x0112] = tag
    gradient = np.add.outer(np.arange(64) * 2, np.arange(96)).astype(np.uint8)
    Image.fromarray(gradient).convert("RGB").save(tmp_path / "rotated.png", exif=exif)
    with Image.open(tmp_path / "rotated.png") as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert("L"), dtype=float)
    (frame,) = read_frames(probe_video(tmp_path / "rotated.png"))
    luma = frame[: upright.shape[0]].astype(float)
    assert np.abs(luma - (16 + upright * 219 / 255)).max() <= 1


@pytest.mark.parametrize("pixels", ["yuv444p", "yuv420p"])
def test_odd_sizes_are_cropped(pixels: str, tmp_path: Path):
    odd = make_video(tmp_path / "odd.mkv", size=(161, 121), seconds=0.2, codec=("-c:v", "ffv1", "-pix_fmt", "yuv444p"))
    raw = subprocess.run(
        [find_ffmpeg(), "-v", "error", "-i", odd, "-f", "rawvideo", "-pix_fmt", pixels, "-"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    luma = np.frombuffer(raw, np.uint8)[: 121 * 161].reshape(121, 161)
    frame = next(read_frames(probe_video(odd)))
    assert frame.shape == (180, 160)
    assert (frame[:120] == luma[:120, :160]).all()


def yuv_of(path: Path) -> tuple[int, int, int]:
    """Return the colour of an image of one colour."""
    parts = planes(next(read_frames(probe_video(path))))
    assert all(int(part.max()) - int(part.min()) <= 1 for part in parts)
    y, u, v = (int(part[0, 0]) for part in parts)
    return y, u, v


RED_709 = (63, 102, 240)
RED_601 = (81, 90, 240)
WHITE = (235, 128, 128)


@pytest.mark.parametrize(
    ("name", "color", "extra", "expected"),
    [
        ("a.png", "red", ("-pix_fmt", "rgb24"), RED_709),
        ("a.png", "red", ("-pix_fmt", "rgb48be"), RED_709),
        ("a.png", "red@1.0", ("-pix_fmt", "rgba"), RED_709),
        ("a.png", "red@0.0", ("-pix_fmt", "rgba"), WHITE),
        ("a.png", "white", ("-pix_fmt", "gray"), WHITE),
        ("a.png", "white", ("-pix_fmt", "monob"), WHITE),
        ("a.bmp", "red", (), RED_709),
        ("a.jpg", "red", (), RED_601),
        ("a.webp", "red", ("-c:v", "libwebp", "-quality", "100", "-pix_fmt", "yuv420p"), RED_601),
        ("a.webp", "red@0.0", ("-c:v", "libwebp", "-pix_fmt", "yuva420p"), WHITE),
    ],
)
def test_colours_of_images(name: str, color: str, extra: tuple[str, ...], expected: tuple[int, ...], tmp_path: Path):
    path = make_image(tmp_path / name, color=color, extra=extra)
    assert yuv_of(path) == pytest.approx(expected, abs=2)
    if color != "white":  # grey has no matrix
        assert probe_video(path).color.matrix == ("bt709" if name.endswith(("png", "bmp")) else "bt470bg")


@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv420p10le", "yuv422p", "yuv444p", "yuv444p10le", "gbrp"])
def test_colours_of_videos_in_limited_range(pixels: str, tmp_path: Path):
    matrix = "" if pixels == "gbrp" else ":out_color_matrix=bt709"
    path = make_video(
        tmp_path / "red.mkv",
        seconds=0.2,
        filters=f"geq=r=255:g=0:b=0,format=gbrp,scale=out_range={'pc' if pixels == 'yuvj420p' else 'tv'}{matrix}",
        codec=(*X264, "-qp", "1") if pixels != "gbrp" else ("-c:v", "libx264rgb", "-qp", "0"),
        extra=("-pix_fmt", pixels),
    )
    assert probe_video(path).pixel_format == pixels
    assert yuv_of(path) == pytest.approx(RED_709, abs=2)


def test_video_of_one_frame(tmp_path: Path):
    assert len(list(read_frames(probe_video(make_video(tmp_path / "a.mp4", extra=("-frames:v", "1")))))) == 1


def test_still_image_is_one_frame_even_if_more_follow(tmp_path: Path):
    jpegs = make_video(tmp_path / "many.mjpeg", codec=("-c:v", "mjpeg"))
    assert len(list(read_frames(probe_video(jpegs)))) == 1


def test_slow_video_repeats_its_frames(tmp_path: Path):
    frames = [digest(f) for f in read_frames(probe_video(make_video(tmp_path / "slow.mp4", rate="1", seconds=3)))]
    assert len(frames) == pytest.approx(75, abs=13)  # containers do not store the length of the last frame
    assert len(set(frames)) == 3


def test_truncated_file_without_index_is_read_as_far_as_possible(tmp_path: Path):
    whole = make_video(tmp_path / "whole.mkv", seconds=4, codec=(*X264, "-g", "10"))
    cut = tmp_path / "cut-whole.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    video = probe_video(cut)
    expected = [digest(frame) for frame in read_frames(probe_video(whole))]
    frames = [digest(frame) for frame in read_frames(video)]
    assert 20 < len(frames) < 80
    assert frames[:-2] == expected[: len(frames) - 2]


def test_damage_in_the_middle_is_skipped(tmp_path: Path):
    whole = make_video(tmp_path / "whole.ts", seconds=4, codec=(*X264, "-g", "10"))
    data = bytearray(whole.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = os.urandom(3000)
    (tmp_path / "noisy.ts").write_bytes(data)
    assert len(list(read_frames(probe_video(tmp_path / "noisy.ts")))) == pytest.approx(100, abs=5)


def test_video_that_is_overwritten_after_probing_is_an_error(clip: Path, tmp_path: Path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clip.read_bytes())
    video = probe_video(copy)
    copy.write_bytes(b"garbage" * 1000)
    with pytest.raises(HeygemError, match=r"copy\.mp4: ffmpeg failed while reading it: .*Invalid data") as caught:
        list(read_frames(video))
    assert caught.value.code == "reading-failed"


@pytest.mark.parametrize(
    "name",
    ["with space.mp4", "it's \"quoted\".mp4", "$HOME `id` $(id).mp4", "new\nline.mp4", "-dash.mp4", "a%d%03d.mp4",
     "中文 名字.mp4", "c:olon.mp4", "http:x.mp4", "[glob]*?.mp4", "back\\slash.mp4", "pipe:1.mp4", "a|b;c&.mp4",
     "x" * 251 + ".mp4"],
)  # fmt: skip
def test_unusual_file_names(name: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(clip.read_bytes())
    assert len(list(read_frames(probe_video(Path(name)), 20))) == 5
    samples = read_audio(probe_audio(Path(name)), 16000)
    assert sum(map(len, samples)) == pytest.approx(16000, abs=500)


@pytest.mark.parametrize("name", ["a%d.png", "img%03d.jpg", "-dash.png", "c:olon.jpg", "new\nline.png"])
def test_unusual_image_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    make_image(Path("plain" + Path(name).suffix)).rename(name)
    assert len(list(read_frames(probe_video(Path(name))))) == 1


def test_file_name_is_not_a_pattern(tmp_path: Path):
    make_image(tmp_path / "1.png", color="white")
    make_image(tmp_path / "red.png", color="red").rename(tmp_path / "%d.jpg")
    (tmp_path / "1.png").rename(tmp_path / "1.jpg")
    assert yuv_of(tmp_path / "%d.jpg") == pytest.approx(RED_709, abs=2)


def test_file_name_that_is_not_utf_8(clip: Path, tmp_path: Path):
    path = tmp_path / os.fsdecode(b"\xff\xfe.mp4")
    path.write_bytes(clip.read_bytes())
    assert len(list(read_frames(probe_video(path)))) == 25


def test_change_of_size_is_scaled_to_the_largest(tmp_path: Path):
    small = make_video(tmp_path / "small.ts", size=(160, 120))
    large = make_video(tmp_path / "large.ts", size=(320, 240), extra=("-output_ts_offset", "1"))
    (tmp_path / "both.ts").write_bytes(small.read_bytes() + large.read_bytes())
    video = probe_video(tmp_path / "both.ts")
    frames = list(read_frames(video))
    assert (video.width, video.height, video.fps) == (320, 240, 25)
    assert len(frames) == pytest.approx(50, abs=1)
    assert np.abs(frames[0][:240].astype(int) - frames[-25][:240]).mean() < 30  # the same test card, scaled


@pytest.mark.parametrize("matrix", ["bt2020c", "ycgco", "ictcp"])
def test_matrix_that_the_scaler_does_not_know(matrix: str, tmp_path: Path):
    plain = make_video(tmp_path / "plain.mp4", seconds=0.2)
    number = {"bt2020c": 10, "ycgco": 8, "ictcp": 14}[matrix]
    ffmpeg("-i", plain, "-c", "copy", "-bsf:v", f"h264_metadata=matrix_coefficients={number}", tmp_path / "a.mp4")
    video = probe_video(tmp_path / "a.mp4")
    assert video.color.matrix == matrix
    expected = [digest(frame) for frame in read_frames(probe_video(plain))]
    assert [digest(frame) for frame in read_frames(video)] == expected
