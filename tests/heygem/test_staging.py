"""Inputs converted to what HeyGem can read."""

import os
import wave
from fractions import Fraction

import numpy as np
import pytest

from batch_program import children, command_of
from heygem_cli.errors import HeygemError, InputError, StoppedError
from heygem_cli.heygem.staging import stage_inputs
from heygem_cli.job import Inputs
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from media_factory import digest, ffmpeg, make_audio, make_image, make_video

HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le")
VARIABLE = "select='not(mod(n,3))+not(mod(n,7))'"


def stage(audio, video, folder, **options):
    staged = stage_inputs(Inputs(probe_audio(audio), probe_video(video)), folder, **options)
    return staged, probe_video(staged.video)


@pytest.mark.parametrize(
    ("source", "size", "fps"),
    [
        ({"rate": "30000/1001"}, (160, 120), 30),
        ({"rate": "30", "seconds": 4, "filters": VARIABLE}, (160, 120), 13),
        ({"size": (161, 121), "codec": ("-c:v", "ffv1", "-pix_fmt", "yuv444p")}, (160, 120), 25),
        ({"codec": HEVC}, (160, 120), 25),
    ],
    ids=["ntsc", "variable", "odd", "hevc"],
)
def test_any_video_becomes_h264_of_even_size_and_integer_frame_rate(source, size, fps, voice, tmp_path):
    name = "新闻 'a$b.mkv" if "size" in source else "clip $(x).mp4"
    staged, video = stage(voice, make_video(tmp_path / name, **source), tmp_path)
    assert (video.codec, video.pixel_format, video.fps, staged.fps) == ("h264", "yuv420p", Fraction(fps), fps)
    assert (video.width, video.height) == size
    assert (staged.audio.name, staged.video.name) == ("audio.wav", "video.mp4")


def test_rotated_video_becomes_upright(voice, clip, tmp_path):
    rotated = tmp_path / "rotated.mp4"
    ffmpeg("-display_rotation", 90, "-i", clip, "-c", "copy", rotated)
    _, video = stage(voice, rotated, tmp_path)
    assert (video.width, video.height) == (120, 160)
    expected, actual = (next(read_frames(each)).astype(int) for each in (probe_video(rotated), video))
    assert np.abs(expected - actual).mean() < 2


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_late_start_of_the_video_stream_is_removed(suffix, voice, clip, tmp_path):
    late = tmp_path / f"late.{suffix}"
    ffmpeg("-itsoffset", "3.3", "-i", clip, "-f", "lavfi", "-i", "sine=duration=8", "-map", "0:v", "-map", "1:a",
           "-c:v", "copy", late)  # fmt: skip
    _, video = stage(voice, late, tmp_path)
    assert (video.start, video.frames) == (0, 25)


def test_audio_becomes_16_khz_mono(clip, tmp_path):
    audio = make_audio(tmp_path / "surround.flac", seconds=1.5, rate=96000, channels=6)
    staged, _ = stage(audio, clip, tmp_path)
    with wave.open(str(staged.audio)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        assert staged.seconds == file.getnframes() / 16000 == pytest.approx(1.5, abs=0.01)


def test_long_video_is_cut_to_the_length_of_the_audio(voice, tmp_path):
    _, video = stage(voice, make_video(tmp_path / "long.mp4", seconds=9), tmp_path)
    assert video.frames == 56  # 1.23 s and a second, rounded up


@pytest.mark.parametrize("suffix", ["png", "gif", "jpg"])
def test_still_image_lasts_as_long_as_the_audio(suffix, voice, tmp_path):
    _, video = stage(voice, make_image(tmp_path / f"still.{suffix}"), tmp_path)
    assert (video.frames, video.fps, video.is_still) == (56, 25, False)


def test_only_hold_extends_a_short_video(clip, tmp_path):
    audio = make_audio(tmp_path / "long.wav", seconds=2)
    held, video = stage(audio, clip, tmp_path, loop="hold")
    assert video.frames == 75
    frames = list(read_frames(video))
    assert np.abs(frames[74].astype(int) - frames[24]).mean() < 1
    _, short = stage(audio, clip, tmp_path)
    assert short.frames == 25
    with pytest.raises(InputError, match=r"1\.00 s, the audio 2\.00 s"):
        stage(audio, clip, tmp_path, loop="none")
    assert held.seconds == 2


def test_exception_of_tick_ends_the_conversion(voice, tmp_path):
    long = make_video(tmp_path / "long.mp4", seconds=5)
    calls = []

    def tick():
        calls.append(None)
        if len(calls) == 2:
            raise StoppedError(15)

    with pytest.raises(StoppedError):
        stage(voice, long, tmp_path, tick=tick)
    assert not [pid for pid in children(os.getpid()) if bytes(tmp_path) in command_of(pid)]


def test_source_file_is_not_modified(voice, clip, tmp_path):
    before = digest(clip.read_bytes())
    stage(voice, clip, tmp_path)
    assert digest(clip.read_bytes()) == before


def test_staged_audio_is_the_default_track_and_starts_where_it_is_in_the_file(clip, voice, tmp_path):
    film = tmp_path / "film.mkv"
    ffmpeg("-i", clip, "-itsoffset", 0.5, "-i", voice, "-map", "0:v", "-map", "0:a", "-map", "1:a", "-c:v", "copy",
           "-disposition:a:0", 0, "-disposition:a:1", "default", film)  # fmt: skip
    staged, _ = stage(film, clip, tmp_path)
    assert staged.seconds == pytest.approx(0.5 + 1.23, abs=0.03)
    with wave.open(str(staged.audio)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert not samples[:7500].any()
    assert np.abs(samples[8500:16000]).max() > 1000


def test_full_disk_while_the_audio_is_staged_is_an_error(clip, voice, tmp_path):
    (tmp_path / "audio.wav").symlink_to("/dev/full")
    with pytest.raises(HeygemError, match="the disk is full") as caught:
        stage(voice, clip, tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("disk-full", 1)
