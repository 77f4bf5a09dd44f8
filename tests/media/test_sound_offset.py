"""The sound is where it is in the file, to a millisecond: a click in what is decoded and in the finished output."""

from pathlib import Path

import av
import numpy as np
import pytest

from heygem_cli.media.arguments import can_copy_audio
from heygem_cli.media.output_format import output_format
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_output import probe_output
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_audio
from heygem_cli.media.types import VideoInfo
from heygem_cli.media.write import encode_video
from heygem_cli.options import EncodeOptions
from itunes_tag import halve_time_scale
from media_factory import X264, ffmpeg, make_image

FAST = EncodeOptions(encoder="libx264", crf=40, preset="ultrafast")
CLICK = 0.5
"""Seconds from the first sample to the click."""


@pytest.fixture(scope="module")
def sound(media: Path) -> Path:
    """1.5 s of silence with a click."""
    path = media / "click.wav"
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc='0.9*eq(n,{round(48000 * CLICK)})':s=48000:d=1.5", path)
    return path


@pytest.fixture(scope="module")
def picture(media: Path) -> VideoInfo:
    return probe_video(make_image(media / "picture.png", size=(64, 64)))


def make_movie(path: Path, sound: Path, delay: float, codec: str, video_delay: float = 0) -> Path:
    """Write a file whose sound and picture start late."""
    picture = ("-c:v", "libvpx", "-deadline", "realtime") if path.suffix == ".webm" else X264
    ffmpeg(
        "-itsoffset", video_delay, "-f", "lavfi", "-i", "color=size=64x64:rate=25:duration=2",
        "-itsoffset", delay, "-i", sound, "-map", 0, "-map", 1, *picture, "-c:a", codec, f"file:{path}",
    )  # fmt: skip
    return path


def click_in_samples(path: Path) -> float:
    """Return when the click is in what the mouth follows, in seconds."""
    samples = np.concatenate(list(read_audio(probe_audio(path), 48000)))
    return float(np.argmax(np.abs(samples))) / 48000


def click_in_file(path: Path) -> float:
    """Return how long after the picture, or after a sound that starts earlier, a player plays the click."""
    loudest = time = 0.0
    with av.open(path) as container:
        start = float(container.streams.video[0].start_time * container.streams.video[0].time_base)
        sound_start = float(container.streams.audio[0].start_time * container.streams.audio[0].time_base)
        start = sound_start if sound_start < start - 0.1 else start
        for frame in container.decode(audio=0):
            samples = np.abs(frame.to_ndarray()).max(axis=0).astype(float)
            if samples.max() > loudest:
                loudest, time = samples.max(), frame.time + float(np.argmax(samples)) / frame.sample_rate
    return time - start


def render(output: Path, picture: VideoInfo, path: Path) -> tuple[float, bool]:
    """Write the output and return when the click is in it, and whether the sound was copied."""
    audio = probe_audio(path)
    seconds = sum(map(len, read_audio(audio))) / 16000
    assert seconds == pytest.approx(audio.duration, abs=0.03)
    frame = np.zeros((96, 64), np.uint8)
    with encode_video(output, picture, audio, seconds=seconds, options=FAST) as writer:
        for _ in range(round(seconds * picture.fps)):
            writer.write(frame)
    assert probe_output(output).audio_seconds == pytest.approx(seconds, abs=0.03)
    with av.open(output) as container:
        assert output.suffix == ".mkv" or container.streams.video[0].start_time == 0
    return click_in_file(output), can_copy_audio(audio, seconds, output_format(output))


COPIED = [("mp4", "aac"), ("mov", "aac"), ("mkv", "aac"), ("ts", "aac"), ("mp4", "libmp3lame"), ("mkv", "libmp3lame"),
          ("mp4", "ac3"), ("mkv", "eac3"), ("ts", "ac3"), ("mov", "alac"), ("flv", "aac")]  # fmt: skip
ENCODED = [("mkv", "pcm_s16le"), ("mov", "pcm_s16le"), ("mkv", "libopus"), ("webm", "libopus"), ("mkv", "flac"),
           ("ts", "mp2"), ("mkv", "libvorbis"), ("mpg", "mp2")]  # fmt: skip


@pytest.mark.parametrize("delay", [0.7, 0.012])
@pytest.mark.parametrize(("suffix", "codec"), COPIED + ENCODED)
def test_sound_that_starts_late_stays_where_it_is(
    suffix: str, codec: str, delay: float, sound: Path, picture: VideoInfo, tmp_path: Path
):
    path = make_movie(tmp_path / f"late.{suffix}", sound, delay, codec)
    expected = click_in_file(path)
    assert expected == pytest.approx(delay + CLICK, abs=0.0015)
    click, copied = render(tmp_path / "out.mp4", picture, path)
    assert click_in_samples(path) == pytest.approx(expected, abs=0.001)
    assert click == pytest.approx(expected, abs=0.001)
    assert copied == ((suffix, codec) in COPIED)


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp4", "aac"), ("mkv", "libopus"), ("ts", "mp2"), ("mkv", "libmp3lame")]
)
def test_sound_that_starts_before_the_picture_starts_at_once(
    suffix: str, codec: str, sound: Path, picture: VideoInfo, tmp_path: Path
):
    path = make_movie(tmp_path / f"early.{suffix}", sound, 0, codec, video_delay=0.7)
    click, _ = render(tmp_path / "out.mp4", picture, path)
    expected = click_in_file(path)
    assert (click_in_samples(path), click) == pytest.approx((expected, expected), abs=0.001)
    assert probe_audio(path).delay == 0


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("m4a", "aac"), ("mka", "libopus"), ("mp3", "libmp3lame"), ("ts", "aac"), ("mka", "libmp3lame")],
)
def test_sound_alone_starts_at_once(suffix: str, codec: str, sound: Path, picture: VideoInfo, tmp_path: Path):
    path = tmp_path / f"alone.{suffix}"
    ffmpeg("-itsoffset", 0.7, "-i", sound, "-c:a", codec, path)
    click, _ = render(tmp_path / "out.mp4", picture, path)
    # Neither a transport stream nor an edit list that begins with a pause skips the priming of AAC.
    priming = 1024 / 48000 if codec == "aac" else 0
    assert (click_in_samples(path), click) == pytest.approx((CLICK + priming, CLICK + priming), abs=0.0015)


@pytest.mark.parametrize("output", ["out.mp4", "out.mkv"])
def test_what_an_encoder_added_is_skipped_as_the_program_says(
    output: str, sound: Path, picture: VideoInfo, tmp_path: Path
):
    """PyAV says that half as much is skipped."""
    path = tmp_path / "itunes.m4a"
    ffmpeg("-i", sound, "-c:a", "aac", path)
    halve_time_scale(path)
    click, copied = render(tmp_path / output, picture, path)
    expected = CLICK + (1024 - 2 * 2112) / 48000
    assert copied
    assert (click_in_samples(path), click) == pytest.approx((expected, expected), abs=0.001)


@pytest.mark.parametrize("output", ["out.mov", "out.mkv"])
@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "aac"), ("ts", "ac3"), ("mkv", "libopus"), ("mov", "pcm_s16le"),
                                               ("ts", "mp2")])  # fmt: skip
@pytest.mark.parametrize("delay", [0, 0.7])
def test_sound_stays_where_it_is_in_other_outputs(
    output: str, suffix: str, codec: str, delay: float, sound: Path, picture: VideoInfo, tmp_path: Path
):
    path = make_movie(tmp_path / f"late.{suffix}", sound, delay, codec)
    click, _ = render(tmp_path / output, picture, path)
    assert click == pytest.approx(click_in_file(path), abs=0.001)


def test_cover_art_does_not_delay_the_sound(sound: Path, picture: VideoInfo, tmp_path: Path):
    path = tmp_path / "song.m4a"
    ffmpeg("-itsoffset", 0.7, "-i", sound, "-i", picture.path, "-map", 0, "-map", 1, "-c:v", "copy", "-c:a", "aac",
           "-disposition:v", "attached_pic", path)  # fmt: skip
    assert click_in_samples(path) == pytest.approx(CLICK, abs=0.025)


@pytest.mark.parametrize(("codec", "lost"), [("aac", 1), ("aac", 3), ("pcm_s16le", 2), ("libmp3lame", 8)])
def test_click_after_a_gap_stays_where_it_is(codec: str, lost: int, sound: Path, picture: VideoInfo, tmp_path: Path):
    whole = make_movie(tmp_path / "whole.mkv", sound, 0.3, codec)
    ffmpeg("-i", whole, "-c", "copy", "-bsf:a", f"noise=drop='between(n,2,{1 + lost})'", tmp_path / "gap.mkv")
    click, copied = render(tmp_path / "out.mp4", picture, tmp_path / "gap.mkv")
    tolerance = 0.03 if lost == 1 else 0.001  # a single packet cannot be told from jitter
    assert (click_in_samples(tmp_path / "gap.mkv"), click) == pytest.approx((0.8, 0.8), abs=tolerance)
    assert copied == (lost == 1)


def test_delay_that_cannot_be_meant_is_not_used_and_is_told(sound: Path, tmp_path: Path):
    path = make_movie(tmp_path / "late.mkv", sound, 400, "aac")
    assert click_in_samples(path) == pytest.approx(CLICK, abs=0.0015)
    note = "its sound starts 400 s after the picture, which was taken for an error: it starts at once"
    assert probe_audio(path).notes == (note,)
