"""Timestamps and sizes that are wrong: the real frames and samples are read, in little memory, or the file refused."""

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from heygem_cli.errors import InputError
from heygem_cli.media import probe_video as video_probing
from heygem_cli.media.arguments import can_copy_audio
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_audio, read_frames
from heygem_cli.media.timing import measure
from media_factory import X264, digest, ffmpeg, make_audio, make_image, make_video

MILLISECOND = Fraction(1, 1000)
STAMPS = {
    "gap at the start": lambda n: 40 * n + (10**9 if n else 0),
    "gap at the end": lambda n: 40 * n + (10**9 if n == 49 else 0),
    "gap of a minute": lambda n: 40 * n + (60_000 if n > 30 else 0),
    "always a gap": lambda n: 10**6 * n,
    "too fast": lambda n: n // 10,
    "all at once": lambda _: 0,
}


def restamp(source: Path, path: Path, stamp, kind: str = "video") -> Path:
    """Copy a stream to a Matroska file with other timestamps, in milliseconds."""
    with av.open(str(source)) as original, av.open(str(path), "w") as copy:
        stream = getattr(original.streams, kind)[0]
        target = copy.add_stream_from_template(stream)
        packets = (packet for packet in original.demux(stream) if packet.dts is not None)
        for number, packet in enumerate(packets):
            packet.stream, packet.time_base = target, MILLISECOND
            packet.pts = packet.dts = stamp(number)
            packet.duration = 40 if kind == "video" else 0
            copy.mux(packet)
    return path


@pytest.fixture(scope="module")
def steady(media: Path) -> Path:
    """Two seconds without B-frames."""
    return make_video(media / "steady.mp4", seconds=2, codec=(*X264, "-bf", "0", "-g", "10"))


@pytest.fixture(scope="module")
def frames(steady: Path) -> list[str]:
    return [digest(frame) for frame in read_frames(probe_video(steady))]


@pytest.mark.parametrize("name", STAMPS)
def test_frames_with_impossible_timestamps_follow_each_other(
    name: str, steady: Path, frames: list[str], tmp_path: Path
):
    video = probe_video(restamp(steady, tmp_path / "a.mkv", STAMPS[name]))
    assert (video.fps, video.frames, video.reliable_times) == (25, 50, False)
    assert [digest(frame) for frame in read_frames(video, count=200)] == frames
    assert [digest(frame) for frame in read_frames(video, 33, 9)] == frames[33:42]


@pytest.mark.parametrize(
    "stamp", [lambda n: 40 * n - 1000, lambda n: 40 * n + 10**15, lambda n: 40 * n + 9000 * (n > 9)]
)
def test_unusual_timestamps_are_used(stamp, steady: Path, frames: list[str], tmp_path: Path):
    video = probe_video(restamp(steady, tmp_path / "a.mkv", stamp))
    assert (video.fps, video.reliable_times) == (25, True)
    read = [digest(frame) for frame in read_frames(video)]
    assert list(dict.fromkeys(read)) == frames[-len(set(read)) :]  # those before zero may be cut off
    assert len(set(read)) >= 25


@pytest.mark.parametrize("delta", [2**31, 2**31 - 1, 2**32 - 1, 0, 1])
def test_frame_durations_in_an_mp4_are_not_believed(delta: int, steady: Path, frames: list[str], tmp_path: Path):
    data = bytearray(steady.read_bytes())
    place = data.index(b"stts") + 16
    data[place : place + 4] = struct.pack(">I", delta)
    (tmp_path / "a.mp4").write_bytes(data)
    read = [digest(frame) for frame in read_frames(probe_video(tmp_path / "a.mp4"), count=200)]
    assert read in (frames, frames[:1])  # the edit list, which is right, ends before the second of them


def test_rate_of_a_million_is_not_believed(steady: Path, frames: list[str], tmp_path: Path):
    data = bytearray(steady.read_bytes())
    place = data.index(b"mdhd") + 16
    data[place : place + 4] = struct.pack(">I", 512 * 10**6)
    (tmp_path / "a.mp4").write_bytes(data)
    video = probe_video(tmp_path / "a.mp4")
    assert video.fps == 25
    assert [digest(frame) for frame in read_frames(video)] == frames


def test_files_one_after_the_other_are_read_to_the_end(steady: Path, tmp_path: Path):
    for name, offset in (("late.ts", "5000"), ("early.ts", "0")):
        ffmpeg("-i", steady, "-c", "copy", "-output_ts_offset", offset, tmp_path / name)
    (tmp_path / "a.ts").write_bytes((tmp_path / "late.ts").read_bytes() + (tmp_path / "early.ts").read_bytes())
    assert len(list(read_frames(probe_video(tmp_path / "a.ts"), count=200))) == 100


def test_gap_beyond_the_packets_that_are_scanned_is_not_filled(
    steady: Path, frames: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(video_probing, "MAX_SCANNED_PACKETS", 20)
    video = probe_video(restamp(steady, tmp_path / "a.mkv", lambda n: 40 * n + (10**9 if n > 30 else 0)))
    assert video.reliable_times
    assert [digest(frame) for frame in read_frames(video, count=200)] == frames


def test_typical_rate_of_unreliable_timestamps():
    times = np.arange(100) / 30
    times[50:] += 1000
    assert measure(times, 100, [], None).fps == pytest.approx(30, rel=0.001)
    assert measure(times, 100, [Fraction(24), Fraction(30000, 1001)], None).fps == Fraction(30000, 1001)
    assert not measure(times, 100, [], None).reliable
    assert measure(times[::-1], 100, [Fraction(24)], None).fps == pytest.approx(30, rel=0.001)


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac"])
@pytest.mark.parametrize("jump", [10**9, 10**8, 10**6])
def test_jump_in_the_timestamps_of_audio_is_no_silence(codec: str, jump: int, voice: Path, tmp_path: Path):
    ffmpeg("-i", voice, "-c:a", codec, tmp_path / "whole.mkv")
    with av.open(str(tmp_path / "whole.mkv")) as container:
        stamps = [packet.pts for packet in container.demux() if packet.pts is not None]
    stamps[6:] = [stamp + jump for stamp in stamps[6:]]
    audio = probe_audio(restamp(tmp_path / "whole.mkv", tmp_path / "a.mkv", stamps.__getitem__, "audio"))
    assert not audio.reliable_times
    assert audio.duration == pytest.approx(1.23, abs=0.06)
    assert not can_copy_audio(audio, audio.duration)
    assert sum(map(len, read_audio(audio))) == pytest.approx(1.23 * 16000, abs=1000)


@pytest.mark.parametrize("offsets", [(0, 5000), (5000, 0)])
def test_audio_files_one_after_the_other_are_read_to_the_end(offsets: tuple[int, int], voice: Path, tmp_path: Path):
    parts = []
    for offset in offsets:
        ffmpeg("-i", voice, "-c:a", "aac", "-output_ts_offset", offset, tmp_path / "part.ts")
        parts.append((tmp_path / "part.ts").read_bytes())
    (tmp_path / "a.ts").write_bytes(b"".join(parts))
    audio = probe_audio(tmp_path / "a.ts")
    assert audio.duration == pytest.approx(2.5, abs=0.1)
    assert sum(map(len, read_audio(audio))) == pytest.approx(2.5 * 16000, abs=1600)


def png(path: Path, width: int, height: int) -> Path:
    """Write a black PNG; however large it is, the file is small."""
    packer = zlib.compressobj()
    rows = b"".join(packer.compress(bytes(3 * width + 1)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    packed = (struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c)) for name, c in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    return path


def code_of(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        probe_video(path)
    return caught.value.code


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(15000, 14000), (16384, 12289), (100_000, 10), (100_000, 100), (40_000, 30)])
def test_image_that_is_too_large_is_refused_before_it_is_decoded(size: tuple[int, int], tmp_path: Path):
    assert code_of(png(tmp_path / "a.png", *size)) == "picture-too-large"


def test_tiny_file_that_says_it_is_huge_is_refused(tmp_path: Path):
    screen = struct.pack("<HH", 65535, 65535)
    image = struct.pack("<HHHH", 0, 0, 1, 1)
    gif = b"GIF89a" + screen + b"\x80\0\0\0\0\0\xff\xff\xff," + image + b"\0\x02\x02\x44\x01\0;"
    (tmp_path / "a.gif").write_bytes(gif)
    assert code_of(tmp_path / "a.gif") == "picture-too-large"
    jpeg = bytearray(make_image(tmp_path / "a.jpg").read_bytes())
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", 60000, 60000)
    (tmp_path / "a.jpg").write_bytes(jpeg)
    assert code_of(tmp_path / "a.jpg") == "picture-too-large"
    video = make_video(tmp_path / "a.mkv", size=(8192, 8192), seconds=0.04, codec=("-c:v", "ffv1"))
    assert code_of(video) == "picture-too-large"


def test_frames_of_a_size_that_is_too_large_on_the_way_are_left_out(tmp_path: Path):
    small = make_video(tmp_path / "small.h264")
    large = make_video(tmp_path / "large.h264", size=(10_000, 8000), seconds=0.04, codec=(*X264, "-threads", "1"))
    (tmp_path / "a.h264").write_bytes(small.read_bytes() + large.read_bytes())
    assert len(list(read_frames(probe_video(tmp_path / "a.h264")))) == 25


@pytest.mark.filterwarnings("error")
def test_damaged_metadata_of_an_image_is_ignored(image: Path, tmp_path: Path):
    from PIL import Image

    with Image.open(image) as opened:
        opened.convert("RGB").save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(20))
    assert probe_video(tmp_path / "a.jpg").width == 160


def test_audio_of_a_voice_is_unchanged(voice: Path):
    assert probe_audio(voice).reliable_times
    assert probe_audio(make_audio(voice.parent / "b.ogg")).reliable_times
