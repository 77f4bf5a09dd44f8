"""Inputs as HeyGem can take them."""

import os
import wave
from fractions import Fraction

import numpy as np
import pytest

from batch_program import children, command_of
from heygem_cli.errors import InputError, StoppedError
from heygem_cli.heygem.staging import stage_inputs
from heygem_cli.job import Inputs
from heygem_cli.media.probe import probe_audio, probe_video
from heygem_cli.media.read import read_frames
from media_factory import digest, ffmpeg, make_audio, make_picture, make_video

HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le")
VARIABLE = "select='not(mod(n,3))+not(mod(n,7))'"


def stage(audio, video, folder, **options):
    made = stage_inputs(Inputs(probe_audio(audio), probe_video(video)), folder, **options)
    return made, probe_video(made.video)


@pytest.mark.parametrize(
    ("given", "size", "fps"),
    [
        ({"rate": "30000/1001"}, (160, 120), 30),
        ({"rate": "30", "seconds": 4, "filters": VARIABLE}, (160, 120), 13),
        ({"size": (161, 121), "codec": ("-c:v", "ffv1", "-pix_fmt", "yuv444p")}, (160, 120), 25),
        ({"codec": HEVC}, (160, 120), 25),
    ],
    ids=["ntsc", "variable", "odd", "hevc"],
)
def test_a_video_becomes_what_heygem_takes(given, size, fps, voice, tmp_path):
    name = "新闻 'a$b.mkv" if "size" in given else "clip $(x).mp4"
    staged, made = stage(voice, make_video(tmp_path / name, **given), tmp_path)
    assert (made.codec, made.pixel_format, made.fps, staged.fps) == ("h264", "yuv420p", Fraction(fps), fps)
    assert (made.width, made.height) == size
    assert (staged.audio.name, staged.video.name) == ("audio.wav", "video.mp4")


def test_a_turned_video_stands_upright(voice, clip, tmp_path):
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", 90, "-i", clip, "-c", "copy", turned)
    _, made = stage(voice, turned, tmp_path)
    assert (made.width, made.height, made.orientation) == (120, 160, 1)
    upright, staged = (next(read_frames(video)).astype(int) for video in (probe_video(turned), made))
    assert np.abs(upright - staged).mean() < 2


def test_a_video_that_begins_late_in_its_file_begins_at_once(voice, clip, tmp_path):
    late = tmp_path / "late.mp4"
    ffmpeg("-itsoffset", "3.3", "-i", clip, "-f", "lavfi", "-i", "sine=duration=8", "-map", "0:v", "-map", "1:a",
           "-c:v", "copy", late)  # fmt: skip
    _, made = stage(voice, late, tmp_path)
    assert (made.start, made.frames) == (0, 25)


def test_sound_is_16_khz_mono(clip, tmp_path):
    audio = make_audio(tmp_path / "surround.flac", seconds=1.5, rate=96000, channels=6)
    staged, _ = stage(audio, clip, tmp_path)
    with wave.open(str(staged.audio)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        assert staged.seconds == file.getnframes() / 16000 == pytest.approx(1.5, abs=0.01)


def test_a_long_video_is_cut_to_what_the_sound_needs(voice, tmp_path):
    _, made = stage(voice, make_video(tmp_path / "long.mp4", seconds=9), tmp_path)
    assert made.frames == 56  # 1.23 s and a second, rounded up


@pytest.mark.parametrize("suffix", ["png", "gif", "jpg"])
def test_a_still_image_lasts_as_long_as_the_sound(suffix, voice, tmp_path):
    _, made = stage(voice, make_picture(tmp_path / f"still.{suffix}"), tmp_path)
    assert (made.frames, made.fps, made.is_still) == (56, 25, False)


def test_the_last_frame_is_held(clip, tmp_path):
    audio = make_audio(tmp_path / "long.wav", seconds=2)
    held, made = stage(audio, clip, tmp_path, loop="hold")
    assert made.frames == 75
    frames = list(read_frames(made))
    assert np.abs(frames[74].astype(int) - frames[24]).mean() < 1
    _, short = stage(audio, clip, tmp_path)
    assert short.frames == 25
    with pytest.raises(InputError, match=r"1\.00 s, the audio 2\.00 s"):
        stage(audio, clip, tmp_path, loop="none")
    assert held.seconds == 2


def test_what_tick_raises_ends_the_work(voice, tmp_path):
    long = make_video(tmp_path / "long.mp4", seconds=5)
    calls = []

    def tick():
        calls.append(None)
        if len(calls) == 2:
            raise StoppedError(15)

    with pytest.raises(StoppedError):
        stage(voice, long, tmp_path, tick=tick)
    assert not [pid for pid in children(os.getpid()) if bytes(tmp_path) in command_of(pid)]


def test_the_source_is_left_alone(voice, clip, tmp_path):
    before = digest(clip.read_bytes())
    stage(voice, clip, tmp_path)
    assert digest(clip.read_bytes()) == before
