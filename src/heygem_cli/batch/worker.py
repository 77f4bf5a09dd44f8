"""Workers, which run jobs, and how a job is run in this process."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from heygem_cli.batch.remote_output import prepare_remote, upload_output
from heygem_cli.batch.watchdog import GRACE_SECONDS
from heygem_cli.errors import HeygemError, InputError, NotCapableError, StoppedError, from_exception
from heygem_cli.files import file_digest
from heygem_cli.job import Inputs, Progress, ProgressCallback, RenderJob
from heygem_cli.options import EngineOptions
from heygem_cli.pipeline import Pipeline, check_current_folder, check_outputs
from heygem_cli.runtime import Settings

MAX_STARTS = 3
OUT_OF_MEMORY_HINT = "Try `heygem render --debug`, and search the kernel log for the out-of-memory killer"


@dataclass(frozen=True)
class WorkItem:
    """A job with everything that a worker needs; it can be pickled.

    Attributes:
        digests: SHA-256 of each input.
        timeout: Limit of wall-clock time in seconds.
    """

    job: RenderJob
    inputs: Inputs
    digests: tuple[str, ...]
    timeout: float


Result = dict[str, Any]
"""What :meth:`heygem_cli.job.RenderResult.to_dict` returned."""


@dataclass(frozen=True)
class Failure:
    """The reason why a job failed; it can be pickled.

    Attributes:
        retryable: Whether another attempt may succeed.
        worker_died: Whether the worker's process died.
        node_lost: Whether its whole machine was lost.
        trace: The traceback, for ``--debug``.
    """

    code: str
    message: str
    hint: str = ""
    retryable: bool = False
    worker_died: bool = False
    node_lost: bool = False
    trace: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return what the journal and the reports contain."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class JobTimeoutError(HeygemError):
    """A job exceeded its ``--timeout``."""

    def __init__(self, seconds: float) -> None:
        hint = "Raise the limit with --timeout, or check what else keeps this machine busy"
        super().__init__("timeout", f"it took longer than {seconds:.0f} s", hint=hint)


def run_job(pipeline: Pipeline, item: WorkItem, on_progress: ProgressCallback) -> Result | Failure:
    """Run a job; any error becomes its failure.

    Raises:
        StoppedError: A signal stopped it.
    """
    try:
        on_progress = _enforce_limits(item, on_progress)
        check_current_folder()
        prepare_remote(item.job)
        _check_unchanged(item)
        check_outputs(item.job)
        return upload_output(item.job, pipeline.render(item.job, item.inputs, on_progress).to_dict())
    except StoppedError:
        raise
    # An unexpected error of one job must not end the batch; --debug shows where it happened.
    except Exception as error:  # noqa: BLE001
        failure, with_urls = to_failure(error), item.job.remote.with_urls
        return replace(failure, message=with_urls(failure.message), hint=with_urls(failure.hint))


def to_failure(error: BaseException) -> Failure:
    """Convert an exception to the failure of a job."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, MemoryError):
        hint = "Close other programs, or run fewer renders at the same time"
        return Failure("out-of-memory", "there is not enough memory", hint, retryable=True, trace=trace)
    known = error if isinstance(error, HeygemError) else from_exception(error)
    if known is not None:
        retryable = not isinstance(known, InputError | NotCapableError | JobTimeoutError)
        return Failure(known.code, known.message, known.hint, retryable=retryable, trace=trace)
    message = f"{type(error).__name__}: {error}"
    return Failure("internal-error", message, "This is a bug in heygem: report it with --debug", trace=trace)


def _enforce_limits(item: WorkItem, on_progress: ProgressCallback) -> ProgressCallback:
    """Cancel a job between two frames when its time is up, or before it publishes an output of changed inputs."""
    deadline = time.monotonic() + item.timeout

    def check_and_report(progress: Progress) -> None:
        if time.monotonic() > deadline:
            raise JobTimeoutError(item.timeout)
        if progress.stage == "render" and progress.done == progress.total:
            _check_unchanged(item)
        on_progress(progress)

    return check_and_report


def _check_unchanged(item: WorkItem) -> None:
    for path, expected in zip(item.job.inputs, item.digests, strict=True):
        try:
            digest = file_digest(path)
        except FileNotFoundError as error:
            message = "it has been deleted since the batch started"
            raise InputError("input-gone", message, hint="Restore it", path=path) from error
        if digest != expected:
            hint = "Run the same command again to check and render the new version"
            raise InputError("input-changed", "it has changed since the batch started", hint=hint, path=path)


class Worker(Protocol):
    """Runs one job after another with models that are loaded once."""

    grace_seconds: float
    """Time that a job may take beyond its limit before the batch is restarted."""

    def prepare(self) -> None:
        """Get ready for the next job.

        Raises:
            HeygemError: The worker cannot run any job.
        """

    def run(self, item: WorkItem, on_progress: ProgressCallback) -> Result | Failure:
        """Run a job, see :func:`run_job`."""

    def close(self) -> None:
        """Release all resources."""


class InProcessWorker:
    """Runs jobs in this process.

    Raises:
        InputError: An option of an engine cannot be used.
        NotCapableError: An engine does not work on this machine.
    """

    grace_seconds = GRACE_SECONDS

    def __init__(self, options: EngineOptions, settings: Settings, engines: Sequence[str]) -> None:
        self._pipeline = load_pipeline(options, settings, engines)

    def prepare(self) -> None:
        """Do nothing: it is always ready."""

    def run(self, item: WorkItem, on_progress: ProgressCallback) -> Result | Failure:
        """Run a job."""
        return run_job(self._pipeline, item, on_progress)

    def close(self) -> None:
        """Close the engines."""
        self._pipeline.close()


def load_pipeline(options: EngineOptions, settings: Settings, engines: Sequence[str]) -> Pipeline:
    """Return a pipeline that has loaded these engines."""
    pipeline = Pipeline(options, settings)
    for name in engines:
        pipeline.engine(name)
    return pipeline
