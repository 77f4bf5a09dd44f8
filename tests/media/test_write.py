"""Write outputs that are complete and correct, or not there at all."""

import math
import os
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from heygem_cli.errors import HeygemError, InputError, NotCapableError
from heygem_cli.media import write
from heygem_cli.media.arguments import can_copy_audio
from heygem_cli.media.ffmpeg import find_ffmpeg
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_output import probe_output
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import loop_frames, read_audio, read_frames
from heygem_cli.media.types import AudioInfo, ColorTags, RegionOfInterest, VideoInfo
from heygem_cli.media.write import (
    EncodeOptions,
    check_output,
    choose_encoder,
    encode_video,
    encoder_available,
)
from media_factory import FAST, X264, digest, ffmpeg, lag, make_audio, make_image
from unprivileged import unprivileged


def samples_of(audio: AudioInfo, rate: int) -> np.ndarray:
    return np.concatenate(list(read_audio(audio, rate)))


def render(output: Path, video: VideoInfo, audio: AudioInfo, options: EncodeOptions = FAST) -> float:
    """Write a video as long as the audio, and return its length in seconds."""
    seconds = len(samples_of(audio, 16000)) / 16000
    total = math.ceil(seconds * video.fps)
    with encode_video(output, video, audio, seconds=seconds, options=options) as writer:
        for _, frame in loop_frames(video, total, "pingpong"):
            writer.write(frame)
    return seconds


def test_output_properties(small: VideoInfo, voice: Path, tmp_path: Path):
    seconds = render(tmp_path / "out.mp4", small, probe_audio(voice))
    video, audio = probe_video(tmp_path / "out.mp4"), probe_audio(tmp_path / "out.mp4")
    assert (video.width, video.height, video.fps, video.frames) == (160, 120, 25, 31)
    assert (video.codec, video.pixel_format) == ("h264", "yuv420p")
    assert (audio.codec, audio.sample_rate, audio.channels) == ("aac", 44100, 1)
    output = probe_output(tmp_path / "out.mp4")
    assert output.video_seconds == pytest.approx(seconds, abs=1 / 25)
    assert output.audio_seconds == pytest.approx(seconds, abs=0.001)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_output_is_labelled_as_synthetic_and_can_be_streamed(small: VideoInfo, voice: Path, tmp_path: Path):
    render(tmp_path / "out.mp4", small, probe_audio(voice))
    with av.open(tmp_path / "out.mp4") as container:
        assert "Synthetic video" in container.metadata["comment"]
        assert "heygem" in container.metadata["comment"]
        assert "digital_source_type=compositeWithTrainedAlgorithmicMedia" in container.metadata["description"]
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_frames_are_preserved(small: VideoInfo, voice: Path, tmp_path: Path):
    render(tmp_path / "out.mp4", small, probe_audio(voice), replace(FAST, crf=1))
    for written, source in zip(read_frames(probe_video(tmp_path / "out.mp4")), read_frames(small), strict=False):
        assert np.abs(written.astype(int) - source).max() <= 8


def test_crf_controls_quality(small: VideoInfo, voice: Path, tmp_path: Path):
    sizes = []
    for crf in (10, 40):
        render(tmp_path / "out.mp4", small, probe_audio(voice), replace(FAST, crf=crf))
        sizes.append((tmp_path / "out.mp4").stat().st_size)
    assert sizes[0] > 1.5 * sizes[1]


def write_noise(output: Path, video: VideoInfo, voice: Path, options: EncodeOptions, *interest: RegionOfInterest):
    """Write frames of 160×120 whose right half mirrors the left, and return the mean error of each pixel."""
    gray = 1 << video.bits - 1
    texture = np.random.default_rng(3).normal(gray, gray / 10, (10, 120, 80))
    frames = np.full((10, 180, 160), gray, np.uint8 if video.bits == 8 else np.uint16)
    frames[:, :120] = np.concatenate([texture, texture[..., ::-1]], -1)
    with encode_video(output, video, probe_audio(voice), seconds=0.4, options=options, interest=interest) as writer:
        for frame in frames:
            writer.write(frame)
    written = np.array([frame[:120] for frame in read_frames(probe_video(output))], np.float64)
    return ((written - frames[:, :120] / 2 ** (video.bits - 8)) ** 2).mean(0)


@pytest.mark.parametrize("encoding", [{"encoder": "libx264"}, {"pixel_format": "10bit"}], ids=["libx264", "libx265"])
def test_region_of_interest_is_closer_to_the_frames(encoding: dict[str, str], small: VideoInfo, voice: Path, tmp_path):
    video = replace(small, bits=10 if "pixel_format" in encoding else 8)
    right = RegionOfInterest(96, 48, 32, 32)
    error = write_noise(tmp_path / "out.mp4", video, voice, EncodeOptions(**encoding), right)
    assert error[48:80, 96:128].mean() < 0.75 * error[48:80, 32:64].mean()


def test_large_region_of_interest_takes_little_more_space(small: VideoInfo, voice: Path, tmp_path: Path):
    whole, options = RegionOfInterest(0, 0, 160, 120), EncodeOptions(encoder="libx264")
    for name, interest in (("with.mp4", (whole,)), ("without.mp4", ())):
        write_noise(tmp_path / name, small, voice, options, *interest)
    larger, smaller = ((tmp_path / name).stat().st_size for name in ("with.mp4", "without.mp4"))
    assert smaller < larger < 1.05 * smaller


@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "60", "1499/50", "10"])
def test_frame_rate_is_kept_exactly(rate: str, small: VideoInfo, voice: Path, tmp_path: Path):
    seconds = render(tmp_path / "out.mp4", replace(small, fps=Fraction(rate)), probe_audio(voice))
    assert probe_video(tmp_path / "out.mp4").fps == Fraction(rate)
    assert probe_output(tmp_path / "out.mp4").video_seconds == pytest.approx(seconds, abs=float(1 / Fraction(rate)))


@pytest.mark.parametrize(
    "color",
    [ColorTags(), ColorTags("bt709", "bt709", "bt709"), ColorTags("smpte170m", "smpte170m", "smpte170m"),
     ColorTags("bt470bg", "bt709", "bt470bg"), ColorTags("bt2020", "smpte2084", "bt2020nc"), ColorTags(matrix="bt709"),
     ColorTags("bt709", "iec61966-2-1", "bt709"), ColorTags("bt470m", "bt470m", "fcc"),
     ColorTags("bt470bg", "bt470bg", "bt470bg"), ColorTags("bt2020", "smpte2084", "bt2020c")],
)  # fmt: skip
def test_colour_tags_are_kept(color: ColorTags, small: VideoInfo, voice: Path, tmp_path: Path):
    render(tmp_path / "out.mp4", replace(small, color=color), probe_audio(voice))
    assert probe_video(tmp_path / "out.mp4").color == color
    shown = subprocess.run(
        [find_ffmpeg(), "-i", tmp_path / "out.mp4"], check=False, capture_output=True, text=True
    ).stderr
    assert "yuv420p(tv" in shown or color == ColorTags()  # without a tag limited range is what players assume


def test_sample_aspect_ratio_is_kept(small: VideoInfo, voice: Path, tmp_path: Path):
    render(tmp_path / "out.mp4", replace(small, sample_aspect_ratio=Fraction(16, 11)), probe_audio(voice))
    assert probe_video(tmp_path / "out.mp4").sample_aspect_ratio == Fraction(16, 11)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_still_images(suffix: str, voice: Path, tmp_path: Path):
    still = probe_video(make_image(tmp_path / f"face.{suffix}", size=(161, 121)))
    render(tmp_path / "out.mp4", still, probe_audio(voice))
    assert probe_video(tmp_path / "out.mp4").color.matrix == ("bt709" if suffix == "png" else "bt470bg")


COPIED = {
    "a.m4a": ("-c:a", "aac"),
    "low.m4a": ("-c:a", "aac", "-ar", "8000"),
    "a.aac": ("-c:a", "aac"),
    "a.mp3": ("-c:a", "libmp3lame"),
    "no-header.mp3": ("-c:a", "libmp3lame", "-write_xing", "0"),
    "low.mp3": ("-c:a", "libmp3lame", "-ar", "16000"),
    "a.ac3": ("-c:a", "ac3", "-ac", "6"),
    "a.eac3": ("-c:a", "eac3"),
    "alac.m4a": ("-c:a", "alac"),
    "a.mkv": ("-c:a", "aac"),
    "a.ts": ("-c:a", "aac"),
}


@pytest.mark.parametrize("name", COPIED)
def test_supported_audio_is_copied_exactly(name: str, small: VideoInfo, tmp_path: Path):
    original = probe_audio(make_audio(tmp_path / name, seconds=1.23, extra=COPIED[name]))
    seconds = render(tmp_path / "out.mp4", small, original)
    output = probe_audio(tmp_path / "out.mp4")
    assert can_copy_audio(original, seconds)
    assert (output.codec, output.sample_rate, output.channels) == (
        original.codec,
        original.sample_rate,
        original.channels,
    )
    copied, expected = samples_of(output, output.sample_rate), samples_of(original, output.sample_rate)
    common = min(len(copied), len(expected))
    assert common == pytest.approx(
        len(expected), abs=output.sample_rate / 1000
    )  # timestamps of Matroska are in milliseconds
    if name == "a.mkv":
        assert abs(lag(copied, expected)) <= output.sample_rate / 1000
    else:
        assert (copied[:common] == expected[:common]).all()


ENCODED = {
    "a.wav": ((), 44100, 1),
    "low.wav": (("-ar", "8000"), 8000, 1),
    "high.wav": (("-ar", "96000"), 96000, 1),
    "higher.flac": (("-ar", "192000"), 96000, 1),
    "odd.wav": (("-ar", "22000"), 22050, 1),
    "surround.wav": (("-ac", "6"), 44100, 6),
    "more.flac": (("-ac", "8"), 44100, 8),
    "many.wav": (("-ac", "12"), 44100, 2),
    "a.ogg": (("-ac", "2"), 44100, 2),
    "a.opus": ((), 48000, 1),
    "a.wma": (("-ar", "44100"), 44100, 1),
    "low.mp3": (("-ar", "8000"), 8000, 1),
    "float.wav": (("-c:a", "pcm_f64le"), 44100, 1),
}


@pytest.mark.parametrize("name", ENCODED)
def test_other_audio_is_encoded_to_aac_at_its_own_rate(name: str, small: VideoInfo, tmp_path: Path):
    extra, rate, channels = ENCODED[name]
    original = probe_audio(make_audio(tmp_path / name, seconds=1.23, extra=extra))
    seconds = render(tmp_path / "out.mp4", small, original)
    output = probe_audio(tmp_path / "out.mp4")
    assert (output.codec, output.sample_rate, output.channels) == ("aac", rate, channels)
    assert probe_output(tmp_path / "out.mp4").audio_seconds == pytest.approx(seconds, abs=0.002)
    assert abs(lag(samples_of(output, 48000), samples_of(original, 48000))) <= 7


def test_invalid_samples_are_replaced(small: VideoInfo, tmp_path: Path):
    raw = np.zeros(32000, dtype="<f4")
    raw[::50], raw[8000:8100], raw[16000], raw[16100] = 0.5, np.nan, np.inf, -1e30
    raw.tofile(tmp_path / "raw")
    ffmpeg("-f", "f32le", "-ar", 16000, "-ac", 2, "-i", tmp_path / "raw", "-c:a", "pcm_f32le", tmp_path / "a.wav")
    render(tmp_path / "out.mp4", small, probe_audio(tmp_path / "a.wav"))
    assert probe_audio(tmp_path / "out.mp4").channels == 2
    assert probe_output(tmp_path / "out.mp4").audio_seconds == pytest.approx(1, abs=0.002)
    assert 0.1 < np.abs(samples_of(probe_audio(tmp_path / "out.mp4"), 16000)).max() <= 1


@pytest.mark.parametrize(
    ("name", "codec"),
    [("late.mp4", "aac"), ("late.mkv", "mp2"), ("late.ts", "aac"), ("late.ts", "mp2"), ("early.mov", "aac"),
     ("short.mp4", "aac")],
)  # fmt: skip
def test_audio_from_a_video(name: str, codec: str, small: VideoInfo, voice: Path, tmp_path: Path):
    delays = {"late": ("0", "1.5"), "early": ("2", "0"), "short": ("0", "0")}[name.split(".", maxsplit=1)[0]]
    ffmpeg("-itsoffset", delays[0], "-f", "lavfi", "-i", "color=size=64x64:duration=0.7", "-itsoffset", delays[1], "-i",
           voice, "-map", "0", "-map", "1", *X264, "-c:a", codec, tmp_path / name)  # fmt: skip
    original = probe_audio(tmp_path / name)
    seconds = render(tmp_path / "out.mp4", small, original)
    lengths = probe_output(tmp_path / "out.mp4")
    assert seconds == pytest.approx(1.23 + max(0.0, float(delays[1]) - float(delays[0])), abs=0.06)
    assert lengths.audio_seconds == pytest.approx(seconds, abs=1 / 25)
    assert lengths.video_seconds == pytest.approx(seconds, abs=1 / 25)
    output = probe_audio(tmp_path / "out.mp4")
    assert abs(lag(samples_of(output, 48000), samples_of(original, 48000))) <= 48


def test_audio_is_cut_to_length(small: VideoInfo, tmp_path: Path):
    audio = probe_audio(make_audio(tmp_path / "a.m4a", seconds=3, extra=("-c:a", "aac")))
    with encode_video(tmp_path / "out.mp4", small, audio, seconds=1.0, options=FAST) as writer:
        for frame in read_frames(small):
            writer.write(frame)
    assert probe_output(tmp_path / "out.mp4").audio_seconds == pytest.approx(1.0, abs=0.001)


def test_invalid_outputs(clip: Path, small: VideoInfo, voice: Path, tmp_path: Path):
    def code_of(output: Path) -> str:
        with pytest.raises(InputError) as caught:
            encode_video(output, small, probe_audio(voice), seconds=1, options=FAST).__enter__()
        assert caught.value.exit_code == 2
        return caught.value.code

    assert code_of(tmp_path) == "output-is-a-directory"
    assert code_of(clip / "folder" / "out.mp4") == "no-such-folder"
    (tmp_path / "broken").symlink_to(tmp_path / "missing")
    assert code_of(tmp_path / "broken" / "out.mp4") == "no-such-folder"
    assert code_of(tmp_path / ("x" * 252 + ".mp4")) == "bad-name"
    with pytest.raises(InputError, match="would replace an input"):
        check_output(clip, [voice, clip])
    (tmp_path / "link.mp4").symlink_to(clip)
    with pytest.raises(InputError, match="would replace an input"):
        check_output(tmp_path / "link.mp4", [clip])


def test_folder_without_permission(small: VideoInfo, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("closed").mkdir(mode=0o555)
    audio = probe_audio(voice)
    with unprivileged(), pytest.raises(InputError) as caught:
        encode_video(Path("closed/out.mp4"), small, audio, seconds=1, options=FAST).__enter__()
    assert caught.value.code == "no-permission"


@pytest.mark.parametrize(
    "name",
    ["with space.mp4", "it's \"quoted\".mp4", "$HOME `id`.mp4", "new\nline.mp4", "-dash.mp4", "a%d%03d.mp4",
     "中文.mp4", "c:olon.mp4", "tee|x.mp4", "y" * 251 + ".mp4", "汉" * 83 + ".mp4",
     os.fsdecode(b"\xff.mp4")],
)  # fmt: skip
def test_unusual_file_names(name: str, small: VideoInfo, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    source = Path("v" + name[:60])
    source.write_bytes(voice.read_bytes())
    render(Path(name), small, probe_audio(source))
    assert {path.name for path in tmp_path.iterdir()} == {name, source.name}
    assert probe_video(Path(name)).frames == 31


def test_unavailable_encoder_is_an_error(small: VideoInfo, voice: Path, tmp_path: Path):
    assert encoder_available("libx264")
    assert not encoder_available("no_such_encoder")
    render(tmp_path / "auto.mp4", small, probe_audio(voice), EncodeOptions())
    if not encoder_available("h264_nvenc", 160, 120):
        with pytest.raises(NotCapableError) as caught:
            render(tmp_path / "out.mp4", small, probe_audio(voice), EncodeOptions(encoder="h264_nvenc"))
        assert caught.value.exit_code == 4
        assert not (tmp_path / "out.mp4").exists()


def test_encoder_whose_test_is_killed_is_not_replaced_by_another(
    small: VideoInfo, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    audio = probe_audio(voice)
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nkill -9 $$\n")
    program.chmod(0o755)
    monkeypatch.setattr(write, "NVIDIA_DEVICES", (tmp_path,))
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    find_ffmpeg.cache_clear()
    encoder_available.cache_clear()
    try:
        with pytest.raises(HeygemError, match="killed by signal 9 while it tried the encoder h264_nvenc") as caught:
            render_to = encode_video(tmp_path / "out.mp4", small, audio, seconds=1, options=EncodeOptions())
            render_to.__enter__()
    finally:
        find_ffmpeg.cache_clear()
    assert (caught.value.exit_code, caught.value.code) == (1, "ffmpeg-killed")
    assert list(tmp_path.iterdir()) == [program]


def test_nvenc_is_not_tried_without_a_gpu(small: VideoInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(write, "NVIDIA_DEVICES", (tmp_path / "none",))
    monkeypatch.setattr(write, "encoder_available", lambda *_: True)
    assert choose_encoder(EncodeOptions(), small.width, small.height) == "libx264"
    monkeypatch.setattr(write, "NVIDIA_DEVICES", (tmp_path / "none", tmp_path))
    assert choose_encoder(EncodeOptions(), small.width, small.height) == "h264_nvenc"


def test_output_is_deterministic(small: VideoInfo, voice: Path, tmp_path: Path):
    audio = probe_audio(voice)
    for name in ("a.mp4", "b.mp4"):
        render(tmp_path / name, small, audio)
    assert digest((tmp_path / "a.mp4").read_bytes()) == digest((tmp_path / "b.mp4").read_bytes())
