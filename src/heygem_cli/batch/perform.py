"""One job, done inside the process that holds the models: within its time, from inputs that stay as they are."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from typing import Any

from heygem_cli.content import content_digest
from heygem_cli.errors import HeygemError, InputError, NotCapableError, StoppedError, from_system
from heygem_cli.job import Progress, RenderJob, RenderResult, Report
from heygem_cli.pipeline import Pipeline


@dataclass(frozen=True)
class Task:
    """What a job needs where it is done; it travels to a child process.

    Attributes:
        timeout: seconds of wall-clock time.
    """

    job: RenderJob
    audio_digest: str
    face_digest: str
    timeout: float


Facts = dict[str, Any]
"""What is kept of a success: ``duration`` and ``fps`` of the output, its ``bytes``, its frames, seconds per stage."""


@dataclass(frozen=True)
class Failure:
    """Why a job failed; it travels back.

    Attributes:
        can_pass: whether the same job may succeed when it is tried again.
        died: whether the process that did it is dead.
        trace: for ``--debug``.
    """

    code: str
    message: str
    hint: str = ""
    can_pass: bool = False
    died: bool = False
    trace: str = ""

    def as_object(self) -> dict[str, str]:
        """What journal and reports keep of it."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


def perform(pipeline: Pipeline, task: Task, report: Report) -> Facts | Failure:
    """Do a job.

    Args:
        pipeline: loaded.
        task: the job.
        report: is told how far it is.

    Returns:
        What is kept of it, or why it failed, whatever went wrong.

    Raises:
        StoppedError: a signal ended it.
    """
    try:
        return facts(pipeline.render(task.job, _watched(task, report)))
    except StoppedError:
        raise
    # One job must never end the others, so this is the one place that takes every error; nothing is hidden: it becomes
    # the job's failure, and --debug shows where it happened.
    except Exception as error:  # noqa: BLE001
        return failure_of(error)


def facts(result: RenderResult) -> Facts:
    """Pick what journal and reports keep of a result."""
    return {
        "duration": result.duration,
        "fps": str(result.fps),
        "bytes": result.output.stat().st_size,
        "frames": result.frames,
        "frames_without_face": result.frames_without_face,
        "frames_turned_away": result.frames_turned_away,
        "track_cached": result.track_cached,
        "provider": result.provider,
        "stages": {stage: round(seconds, 3) for stage, seconds in result.seconds.items()},
    }


def failure_of(error: Exception) -> Failure:
    """Word an error as the failure of a job."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, OSError):
        error = from_system(error)
    if isinstance(error, HeygemError):
        lasting = isinstance(error, InputError | NotCapableError | TimeoutExceededError)
        return Failure(error.code, error.message, error.hint, can_pass=not lasting, trace=trace)
    if isinstance(error, MemoryError):
        hint = "Close other programs, or render fewer at once"
        return Failure("out-of-memory", "there is not enough memory", hint, can_pass=True, trace=trace)
    message = f"{type(error).__name__}: {error}"
    return Failure("internal-error", message, "This is a bug of heygem: report it with --debug", trace=trace)


class TimeoutExceededError(HeygemError):
    """A job outlived its ``--timeout``."""

    def __init__(self, seconds: float) -> None:
        hint = "Give it more with --timeout, and look at what this machine was busy with"
        super().__init__("timeout", f"it took longer than {seconds:.0f} s", hint=hint)


def _watched(task: Task, report: Report) -> Report:
    """Cancel a job between two frames when its time is up, and before its output gets a name if an input changed."""
    end = time.monotonic() + task.timeout
    _unchanged(task)

    def watched(progress: Progress) -> None:
        if time.monotonic() > end:
            raise TimeoutExceededError(task.timeout)
        if progress.stage == "render" and progress.done == progress.total:
            _unchanged(task)
        report(progress)

    return watched


def _unchanged(task: Task) -> None:
    for path, digest in ((task.job.audio, task.audio_digest), (task.job.face, task.face_digest)):
        try:
            now = content_digest(path)
        except FileNotFoundError as error:
            raise InputError(
                "input-gone", "it was there when the batch began", hint="Bring it back", path=path
            ) from error
        if now != digest:
            hint = "Run the same command again to check and render what is there now"
            raise InputError("input-changed", "it has changed since the batch began", hint=hint, path=path)
