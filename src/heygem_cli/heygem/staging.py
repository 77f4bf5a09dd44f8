"""Inputs as HeyGem can take them: normalised, under plain ASCII names, in a folder of their own.

HeyGem stumbles over variable and broken frame rates, odd sizes, rotation flags and codecs other than H.264, and puts
names unquoted into shell commands.
"""

from __future__ import annotations

import math
import subprocess
import wave
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from heygem_cli.errors import InputError
from heygem_cli.media import ffmpeg
from heygem_cli.media.probe import probe_output

if TYPE_CHECKING:
    from heygem_cli.job import Inputs
    from heygem_cli.media.types import VideoInfo
    from heygem_cli.options import LoopMode

RATE = 16000
SPARE_SECONDS = 1
"""Picture beyond the sound, so that rounding never makes HeyGem take the video for the shorter one."""
TICK = 0.2
"""Seconds between two calls of ``tick``."""


@dataclass(frozen=True)
class Staged:
    """The normalised inputs.

    Attributes:
        audio: 16 kHz, mono, 16 bit wav.
        video: H.264 mp4 without sound: yuv420p, even size, upright, a constant whole number of frames a second.
        seconds: the exact length of the sound.
        fps: of the video.
    """

    audio: Path
    video: Path
    seconds: float
    fps: int


def stage_inputs(
    inputs: Inputs, folder: Path, *, loop: LoopMode = "pingpong", tick: Callable[[], None] = lambda: None
) -> Staged:
    """Normalise the inputs of a job into a folder.

    The video is cut to what the sound needs; with ``hold``, and for a still image, it is made as long as that.

    Args:
        inputs: probed.
        folder: exists, and is the job's own.
        loop: how the video shall go on when the sound is longer; all but ``hold`` is left to HeyGem.
        tick: called now and then; what it raises ends the work.

    Raises:
        InputError: ``no-samples``, ``no-frames``: nothing in an input can be decoded; ``video-too-short`` with the
            loop ``none``.
        HeygemError: ``disk-full``, ``no-permission``, ``writing-failed``.
    """
    audio, video = folder / "audio.wav", folder / "video.mp4"
    _make(ffmpeg.stage_audio_args(inputs.audio, audio, RATE), audio, tick)
    seconds = _wav_seconds(audio)
    if not seconds:
        raise InputError("no-samples", "the audio stream holds no sound that can be decoded", path=inputs.audio.path)
    source = whole_rate(inputs.video)
    count = math.ceil((seconds + SPARE_SECONDS) * source.fps)
    hold = loop == "hold" or source.is_still
    _make(ffmpeg.stage_video_args(source, video, count=count, hold=hold), video, tick)
    made = probe_output(video).video_seconds
    if not made:
        raise InputError("no-frames", "not one picture in it can be decoded", path=inputs.video.path)
    if loop == "none" and made < seconds - 1 / source.fps:
        message = f"the face video lasts {made:.2f} s, the audio {seconds:.2f} s"
        hint = "Use --loop pingpong, or a longer face video"
        raise InputError("video-too-short", message, hint=hint, path=inputs.video.path)
    return Staged(audio, video, seconds, int(source.fps))


def whole_rate(video: VideoInfo) -> VideoInfo:
    """The same video at the nearest whole number of frames a second."""
    return replace(video, fps=Fraction(round(video.fps)))


def _make(args: list[str], output: Path, tick: Callable[[], None]) -> None:
    with ffmpeg.running(args) as child:
        while True:
            tick()
            try:
                child.process.wait(TICK)
                break
            except subprocess.TimeoutExpired:
                continue
        if child.finish() != 0:
            raise child.error(output, "writing")


def _wav_seconds(path: Path) -> float:
    with wave.open(str(path), "rb") as file:
        return file.getnframes() / file.getframerate()
