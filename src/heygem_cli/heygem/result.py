"""What HeyGem has made is judged by what it holds, never by what HeyGem says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from heygem_cli.errors import InputError
from heygem_cli.heygem.compare import is_unchanged
from heygem_cli.heygem.failures import failure
from heygem_cli.heygem.staging import Staged
from heygem_cli.job import RenderJob, RenderResult
from heygem_cli.media.probe import probe_output, probe_video
from heygem_cli.media.types import VideoInfo

LEEWAY = 0.5
"""Seconds by which HeyGem's picture may be longer or shorter than the sound: it rounds in several places."""


def check_result(result: Path, staged: Staged, face: Path, tick: Callable[[], None] = lambda: None) -> VideoInfo:
    """Make sure that a result is what was asked for.

    Args:
        result: what HeyGem has made.
        staged: of what.
        face: the user's face video, for the error.
        tick: called often; what it raises ends the work.

    Raises:
        HeygemError: ``false-success``: it is missing, damaged, or of the wrong length.
        InputError: ``no-face``: the pictures are those of the face video.
    """
    try:
        made = probe_video(result)
        streams = probe_output(result)
    except InputError as error:
        raise failure("false-success", face, error.message) from error
    lengths = {"picture": streams.video_seconds, "sound": streams.audio_seconds}
    leeway = min(LEEWAY, staged.seconds / 2)
    for what, seconds in lengths.items():
        if abs(seconds - staged.seconds) > leeway:
            raise failure("false-success", face, f"{seconds:.2f} s of {what} instead of {staged.seconds:.2f} s")
    if is_unchanged(made, probe_video(staged.video), tick):
        raise failure("no-face", face)
    return made


def result_of(
    job: RenderJob,
    made: VideoInfo,
    staged: Staged,
    seconds: dict[str, float],
    *,
    engine: str,
    provider: str | None = None,
) -> RenderResult:
    """What became of a job: HeyGem does not tell in which frames it saw a face."""
    return RenderResult(
        output=job.output,
        width=made.width,
        height=made.height,
        fps=made.fps,
        frames=made.frames,
        duration=staged.seconds,
        frames_with_face=None,
        frames_without_face=None,
        frames_turned_away=None,
        seconds=seconds,
        track_cached=False,
        engine=engine,
        provider=provider,
    )
