"""Outputs as MP4, MOV and Matroska, by their names."""

import math
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from heygem_cli.errors import InputError
from heygem_cli.media.arguments import can_copy_audio
from heygem_cli.media.output_format import output_format
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_output import probe_output
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import has_damaged_audio, loop_frames, read_audio
from heygem_cli.media.types import AudioInfo, ColorTags, VideoInfo
from heygem_cli.media.write import check_output, encode_video, mux_audio
from media_factory import FAST, X264, ffmpeg, lag, make_audio, make_video

NAMES = ["out.mp4", "out.mov", "out.mkv"]
RATE = 48000


def render(output: Path, video: VideoInfo, audio: AudioInfo) -> float:
    seconds = sum(map(len, read_audio(audio, RATE))) / RATE
    with encode_video(output, video, audio, seconds=seconds, options=FAST) as writer:
        for _, frame in loop_frames(video, math.ceil(seconds * video.fps), "pingpong"):
            writer.write(frame)
    return seconds


def as_played(path: Path) -> np.ndarray:
    """Return the sound of a video from the time of its first frame on, placed by its timestamps."""
    with av.open(str(path)) as container:
        start = min(packet.pts * packet.time_base for packet in container.demux(video=0) if packet.pts is not None)
    sound = np.zeros(10 * RATE, np.float32)
    resampler = av.AudioResampler("flt", "mono", RATE)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                samples, place = part.to_ndarray().ravel(), round((part.pts * part.time_base - start) * RATE)
                early = max(0, -place)
                sound[place + early : place + len(samples)] = samples[early:]
    return sound


@pytest.mark.parametrize("name", [*NAMES, "OUT.MKV"])
def test_output_has_the_container_of_its_name(name: str, small: VideoInfo, voice: Path, tmp_path: Path):
    seconds = render(tmp_path / name, small, probe_audio(voice))
    video = probe_video(tmp_path / name)
    assert (video.width, video.height, video.fps, video.frames) == (160, 120, 25, 31)
    output = probe_output(tmp_path / name)
    assert output.video_seconds == pytest.approx(seconds, abs=1 / 25)
    assert output.audio_seconds == pytest.approx(seconds, abs=0.001)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    head = (tmp_path / name).read_bytes()[:16]
    kind = {".mp4": b"ftypisom", ".mov": b"ftypqt  ", ".mkv": b"\x1a\x45\xdf\xa3"}[name[-4:].lower()]
    assert kind in head
    with av.open(str(tmp_path / name)) as container:
        tags = {key.lower(): value for key, value in container.metadata.items()}
    assert "Synthetic video" in tags["comment"]
    assert "digital_source_type" in tags["description"]


@pytest.mark.parametrize(
    ("name", "index", "frames"),
    [
        ("out.mp4", b"moov", b"mdat"),
        ("out.mov", b"moov", b"mdat"),
        ("out.mkv", b"\x1c\x53\xbb\x6b", b"\x1f\x43\xb6\x75"),
    ],
    ids=NAMES,
)
def test_index_comes_first(name: str, index: bytes, frames: bytes, small: VideoInfo, voice: Path, tmp_path: Path):
    render(tmp_path / name, small, probe_audio(voice))
    data = (tmp_path / name).read_bytes()
    # What leads to the index of Matroska contains its name, too.
    assert 0 < data.rindex(index) < data.index(frames, 300)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", ["25", "60000/1001", "120000/1001", "240"])
def test_rate_shape_and_colours_are_kept(rate: str, name: str, small: VideoInfo, voice: Path, tmp_path: Path):
    color = ColorTags("bt2020", "arib-std-b67", "bt2020nc")
    video = replace(small, fps=Fraction(rate), sample_aspect_ratio=Fraction(4, 3), color=color)
    render(tmp_path / name, video, probe_audio(voice))
    output = probe_video(tmp_path / name)
    assert (output.fps, output.sample_aspect_ratio, output.color) == (Fraction(rate), Fraction(4, 3), color)


AUDIO = {
    "a.wav": ((), ("aac", "pcm_s16le", "pcm_s16le")),
    "24bit.wav": (("-c:a", "pcm_s24le"), ("aac", "pcm_s24le", "pcm_s24le")),
    "float.wav": (("-c:a", "pcm_f32le"), ("aac", "aac", "aac")),
    "a.m4a": (("-c:a", "aac"), ("aac", "aac", "aac")),
    "a.mp3": ((), ("mp3", "mp3", "mp3")),
    "low.mp3": (("-ar", "8000"), ("aac", "aac", "aac")),
    "a.flac": ((), ("aac", "aac", "flac")),
    "a.ogg": ((), ("aac", "aac", "vorbis")),
    "a.webm": (("-c:a", "libopus"), ("aac", "aac", "opus")),
    "lossless.m4a": (("-c:a", "alac"), ("alac", "alac", "alac")),
    "a.mkv": (("-c:a", "aac"), ("aac", "aac", "aac")),
}


@pytest.mark.parametrize("name", AUDIO)
def test_sound_is_copied_where_players_support_it_and_stays_in_place(name: str, small: VideoInfo, tmp_path: Path):
    extra, codecs = AUDIO[name]
    original = probe_audio(make_audio(tmp_path / name, seconds=1.23, rate=RATE, extra=extra))
    expected = np.concatenate(list(read_audio(original, RATE)))
    found = []
    for output in (tmp_path / each for each in NAMES):
        render(output, replace(small, fps=Fraction(100)), original)
        found.append(probe_audio(output).codec)
        limit = 0.008 if name == "low.mp3" else 0.001  # of a resampled sound the place is less certain
        assert abs(lag(as_played(output), expected)) <= limit * RATE, output.name
    assert tuple(found) == codecs


@pytest.mark.parametrize("name", NAMES)
def test_finished_video_is_muxed(name: str, voice: Path, tmp_path: Path):
    video = probe_video(make_video(tmp_path / "drawn.mp4", seconds=1.24, codec=X264, audio=True))
    mux_audio(video, probe_audio(voice), tmp_path / name, seconds=1.23, overwrite=False)
    output = probe_video(tmp_path / name)
    assert (output.codec, output.fps, output.frames) == ("h264", 25, 31)
    expected = np.concatenate(list(read_audio(probe_audio(voice), RATE)))
    assert abs(lag(as_played(tmp_path / name), expected)) <= 0.001 * RATE


def test_other_names_are_refused(tmp_path: Path):
    for name in ("out.webm", "out.avi", "out", "out.mp4.part", ".mp4"):
        with pytest.raises(InputError) as caught:
            check_output(tmp_path / name)
        assert caught.value.code == "not-an-mp4"
        assert ".mp4, .mov or .mkv" in caught.value.hint
    for name in ("out.MP4", "out.Mov", "a.b.mkv"):
        check_output(tmp_path / name)


@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.ogg"])
def test_damaged_audio_is_found_whatever_the_container(name: str, tmp_path: Path):
    path = make_audio(tmp_path / name, seconds=3)
    whole = shutil.copy(path, tmp_path / f"whole-{name}")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 600] = bytes(range(200)) * 3
    path.write_bytes(data)
    for output in map(Path, NAMES):
        assert has_damaged_audio(probe_audio(path), container=output_format(output))
        assert not has_damaged_audio(probe_audio(Path(whole)), container=output_format(output))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("source", ["aac", "ts"])
def test_sound_of_a_stream_is_not_taken_for_damaged(source: str, suffix: str, tmp_path: Path):
    audio = probe_audio(make_audio(tmp_path / f"voice.{source}", extra=("-c:a", "aac")))
    assert not has_damaged_audio(audio, container=output_format(Path(f"out{suffix}")))


def test_long_audio_is_not_taken_for_damaged(tmp_path):
    """The index of its copy did not fit into the buffer of a stream, so audio of more than five minutes was encoded."""
    path = tmp_path / "a.m4a"
    ffmpeg("-f", "lavfi", "-i", "anullsrc=sample_rate=96000:channel_layout=mono", "-t", 250, "-c:a", "aac", path)
    audio = probe_audio(path)
    assert can_copy_audio(audio, audio.duration)
    assert not has_damaged_audio(audio)
