"""The result of HeyGem, judged by its content: HeyGem reports success for damaged and unchanged videos, too."""

from __future__ import annotations

from pathlib import Path

from heygem_cli.errors import InputError
from heygem_cli.heygem.compare import has_same_frames
from heygem_cli.heygem.failures import make_error
from heygem_cli.heygem.staging import StagedInputs, Tick
from heygem_cli.job import Inputs, RenderJob, RenderResult
from heygem_cli.media.probe_output import probe_output
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.types import VideoInfo
from heygem_cli.media.write import mux_audio

TOLERANCE = 0.5
"""Seconds between the lengths of HeyGem's video and of the audio: it rounds in several places."""


def check_result(result: Path, staged: StagedInputs, face: Path, tick: Tick) -> VideoInfo:
    """Check that HeyGem rendered what it should have, and probe the video; errors name the user's face video.

    Raises:
        HeygemError: ``false-success``: the result is missing, damaged or of the wrong length.
        InputError: ``no-face``: the frames are those of the face video.
    """
    try:
        video = probe_video(result)
        streams = probe_output(result)
    except InputError as error:
        raise make_error("false-success", face, error.message) from error
    tolerance = min(TOLERANCE, staged.seconds / 2)
    for stream, seconds in (("video", streams.video_seconds), ("audio", streams.audio_seconds)):
        if abs(seconds - staged.seconds) > tolerance:
            raise make_error("false-success", face, f"{seconds:.2f} s of {stream} instead of {staged.seconds:.2f} s")
    if has_same_frames(video, probe_video(staged.video), tick):
        raise make_error("no-face", face)
    return video


def write_output(job: RenderJob, inputs: Inputs, staged: StagedInputs, video: VideoInfo) -> None:
    """Write what HeyGem rendered with the original audio, see :func:`heygem_cli.media.write.mux_audio`."""
    mux_audio(video, inputs.audio, job.output, seconds=staged.seconds, overwrite=job.options.overwrite, own=job.own)


def build_result(
    job: RenderJob,
    video: VideoInfo,
    staged: StagedInputs,
    seconds: dict[str, float],
    *,
    engine: str,
    provider: str | None = None,
) -> RenderResult:
    """Build the result of a job; HeyGem does not tell in which frames it found a face."""
    return RenderResult(
        output=job.output,
        width=video.width,
        height=video.height,
        fps=video.fps,
        frames=video.frames,
        duration=staged.seconds,
        bytes=job.output.stat().st_size,
        frames_with_face=None,
        frames_without_face=None,
        frames_turned_away=None,
        seconds=seconds,
        track_cached=False,
        engine=engine,
        provider=provider,
    )
