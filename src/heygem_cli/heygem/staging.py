"""Converts inputs to what HeyGem can read, under plain ASCII names in a folder of their own.

HeyGem fails on variable and broken frame rates, odd sizes, rotation flags and codecs other than H.264, and puts file
names unquoted into shell commands.
"""

from __future__ import annotations

import contextlib
import math
import re
import subprocess
import wave
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from heygem_cli.errors import InputError, write_error
from heygem_cli.media import arguments, ffmpeg
from heygem_cli.media.container import no_frames
from heygem_cli.media.probe_output import probe_output
from heygem_cli.media.read import read_audio
from heygem_cli.media.still import opened_pixels

if TYPE_CHECKING:
    from heygem_cli.job import Inputs
    from heygem_cli.media.types import AudioInfo
    from heygem_cli.options import LoopMode

Tick = Callable[[], None]
"""Called regularly while something takes long; an exception that it raises ends the wait."""

SAMPLE_RATE = 16000
EXTRA_SECONDS = 1
"""Video beyond the end of the audio, so that rounding never makes HeyGem loop a video that is long enough."""
TICK_INTERVAL = 0.2
FRAME_FILE = re.compile(r"\d+\.png")
"""The names of the frames that HeyGem writes into its temporary folder to play a video backwards, and leaves there."""


@dataclass(frozen=True)
class StagedInputs:
    """The converted inputs.

    Attributes:
        audio: A 16 kHz mono wav file of 16-bit samples.
        video: An H.264 mp4 file without audio: yuv420p, even size, upright, constant integer frame rate.
        seconds: The exact length of the audio.
        fps: The frame rate of the video.
        needs_looping: Whether the video is shorter than the audio.
    """

    audio: Path
    video: Path
    seconds: float
    fps: int
    needs_looping: bool

    @property
    def frames(self) -> int:
        """The number of frames of the result."""
        return max(1, round(self.seconds * self.fps))


def stage_inputs(
    inputs: Inputs, folder: Path, *, loop: LoopMode = "pingpong", tick: Tick = lambda: None
) -> StagedInputs:
    """Convert the inputs of a job into a folder.

    A video longer than the audio is cut; with ``hold``, and for a still image, a shorter one is extended. HeyGem itself
    loops a shorter one in the other modes.

    Raises:
        InputError: ``no-samples``, ``no-frames``: an input cannot be decoded; ``video-too-short`` with ``none``.
        HeygemError: ``disk-full``, ``no-permission``, ``writing-failed``.
    """
    audio, video = folder / "audio.wav", folder / "video.mp4"
    seconds = _write_wav(inputs.audio, audio, tick)
    source = replace(inputs.video, fps=Fraction(round(inputs.video.fps)))
    count = math.ceil((seconds + EXTRA_SECONDS) * source.fps)
    hold = loop == "hold" or source.is_still
    with opened_pixels(source) as pixels:
        _run_ffmpeg(arguments.stage_video_args(source, video, count=count, hold=hold), video, tick, pixels)
    video_seconds = probe_output(video).video_seconds
    if not video_seconds:
        raise no_frames(inputs.video.path)
    if loop == "none" and video_seconds < seconds - 1 / source.fps:
        message = f"the face video lasts {video_seconds:.2f} s, the audio {seconds:.2f} s"
        hint = "Use --loop pingpong, or a longer face video"
        raise InputError("video-too-short", message, hint=hint, path=inputs.video.path)
    return StagedInputs(audio, video, seconds, int(source.fps), needs_looping=video_seconds < seconds)


def _run_ffmpeg(args: list[str], output: Path, tick: Tick, stdin: IO[bytes] | None = None) -> None:
    with ffmpeg.running(args, stdin=stdin or False) as process:
        while process.popen.poll() is None:
            tick()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.popen.wait(TICK_INTERVAL)
        if process.wait() != 0:
            raise process.error(output, "writing")


def _write_wav(audio: AudioInfo, path: Path, tick: Tick) -> float:
    """Write the audio as 16-bit samples and return its length in seconds."""
    count = 0
    try:
        with wave.open(str(path), "wb") as file, contextlib.closing(read_audio(audio, SAMPLE_RATE)) as chunks:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            for chunk in chunks:
                file.writeframes(np.rint(chunk * 32768).clip(-32768, 32767).astype("<i2").tobytes())
                count += len(chunk)
                tick()
    except OSError as error:
        raise write_error(error, path, path.parent) from error
    return count / SAMPLE_RATE
