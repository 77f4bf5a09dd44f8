"""One job, and where it runs: in this process, or in a child process that may die without the batch."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any, Protocol

from heygem_cli.batch.watchdog import GRACE, STOP_WITHIN
from heygem_cli.errors import HeygemError, InputError, NotCapableError, StoppedError, from_os_error
from heygem_cli.files import file_digest
from heygem_cli.job import Progress, ProgressCallback, RenderJob, RenderResult
from heygem_cli.options import EngineSettings
from heygem_cli.pipeline import Pipeline
from heygem_cli.processes import become_subreaper, children, die_with_parent, kill_children, reap_orphans


@dataclass(frozen=True)
class WorkItem:
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

    def to_dict(self) -> dict[str, str]:
        """What journal and reports keep of it."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


def run_job(pipeline: Pipeline, task: WorkItem, on_progress: ProgressCallback) -> Facts | Failure:
    """Do a job.

    Args:
        pipeline: loaded.
        task: the job.
        on_progress: is told how far it is.

    Returns:
        What is kept of it, or why it failed, whatever went wrong.

    Raises:
        StoppedError: a signal ended it.
    """
    try:
        return facts(pipeline.render(task.job, _watched(task, on_progress)))
    except StoppedError:
        raise
    # One job must never end the others, so this is the one place that takes every error; nothing is hidden: it becomes
    # the job's failure, and --debug shows where it happened.
    except Exception as error:  # noqa: BLE001
        return to_failure(error)


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


def to_failure(error: Exception) -> Failure:
    """Word an error as the failure of a job."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, OSError):
        error = from_os_error(error)
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


def _watched(task: WorkItem, on_progress: ProgressCallback) -> ProgressCallback:
    """Cancel a job between two frames when its time is up, and before its output gets a name if an input changed."""
    end = time.monotonic() + task.timeout
    _unchanged(task)

    def watched(progress: Progress) -> None:
        if time.monotonic() > end:
            raise TimeoutExceededError(task.timeout)
        if progress.stage == "render" and progress.done == progress.total:
            _unchanged(task)
        on_progress(progress)

    return watched


def _unchanged(task: WorkItem) -> None:
    for path, digest in ((task.job.audio, task.audio_digest), (task.job.face, task.face_digest)):
        try:
            now = file_digest(path)
        except FileNotFoundError as error:
            raise InputError(
                "input-gone", "it was there when the batch began", hint="Bring it back", path=path
            ) from error
        if now != digest:
            hint = "Run the same command again to check and render what is there now"
            raise InputError("input-changed", "it has changed since the batch began", hint=hint, path=path)


TOLD_EVERY = 0.2
"""Seconds between two messages of progress from the child."""


class Worker(Protocol):
    """Does one job after another with models that are loaded once."""

    grace_seconds: float
    """Seconds that a job may take beyond its time before the batch is started anew."""

    def prepare(self) -> None:
        """Make ready for the next job.

        Raises:
            HeygemError: it cannot be made ready for any job.
        """
        ...

    def render(self, task: WorkItem, on_progress: ProgressCallback) -> Facts | Failure:
        """Do a job, see :func:`heygem_cli.batch.worker.run_job`."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class InProcessWorker:
    """Does jobs in this process.

    Raises:
        InputError: what an engine was told cannot be used.
        NotCapableError: an engine does not work here.
    """

    grace_seconds = GRACE

    def __init__(self, settings: EngineSettings, engines: Sequence[str]) -> None:
        self._pipeline = loaded(settings, engines)

    def prepare(self) -> None:
        """It is always ready."""

    def render(self, task: WorkItem, on_progress: ProgressCallback) -> Facts | Failure:
        """Do a job."""
        return run_job(self._pipeline, task, on_progress)

    def close(self) -> None:
        """Close the engines."""
        self._pipeline.close()


def loaded(settings: EngineSettings, engines: Sequence[str]) -> Pipeline:
    """Make a pipeline with engines that are loaded before the first job begins."""
    pipeline = Pipeline(settings)
    for name in engines:
        pipeline.engine(name)
    return pipeline


class ChildProcessWorker:
    """Does jobs in one spawned child process, loaded once and started anew only after a death.

    Raises:
        NotCapableError: an engine does not work here.
        HeygemError: as the engine raised it, or ``worker-died`` while it loaded.
    """

    # The child's own limit comes first, then this process kills it; the batch itself never has to start anew.
    grace_seconds = 4 * GRACE

    def __init__(self, settings: EngineSettings, engines: Sequence[str]) -> None:
        self._args = (settings, engines)
        become_subreaper()
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._child = context.Process(target=_serve, args=(theirs, *self._args), name="heygem-worker", daemon=True)
        resource_tracker.ensure_running()  # which would lift the mask
        self._known = children(os.getpid())
        signals = {signal.SIGINT, signal.SIGHUP}
        # They wait until the child, which inherits the mask, has learnt to ignore them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            self._child.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        try:
            error = self._ours.recv()
        except EOFError as died:
            hint = "Run `heygem doctor`; --debug shows what it printed"
            raise HeygemError("worker-died", f"the child process {self._death()} while it loaded", hint=hint) from died
        if error is not None:
            kind, code, text, hint = error
            raise kind(code, text, hint=hint)

    def prepare(self) -> None:
        """Start the child anew if it is dead."""
        if not self._child.is_alive():
            self._start()

    def render(self, task: WorkItem, on_progress: ProgressCallback) -> Facts | Failure:
        """Do a job in the child; its death is a failure of the job."""
        end = time.monotonic() + task.timeout + GRACE
        try:
            self._ours.send(task)
            while self._ours.poll(max(0.0, end - time.monotonic())):
                message = self._ours.recv()
                if not isinstance(message, Progress):
                    return message  # type: ignore[no-any-return]
                on_progress(message)
        except (EOFError, OSError):
            hint = "Try it with `heygem render --debug`; look into the kernel's log for the out-of-memory killer"
            return Failure("process-died", f"the process {self._death()} during this job", hint, died=True)
        kill_children(self._child.pid or 0)
        self._child.kill()
        self._bury()
        return to_failure(TimeoutExceededError(task.timeout))

    def close(self) -> None:
        """End the child; it is given time to remove what it was writing."""
        self._child.terminate()
        self._child.join(STOP_WITHIN)
        self._child.kill()
        self._bury()

    def _death(self) -> str:
        self._bury()
        code = self._child.exitcode or 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def _bury(self) -> None:
        self._child.join()
        reap_orphans(self._known)


def _serve(connection: Connection, settings: EngineSettings, engines: Sequence[str]) -> None:
    """The child: load, then do what is asked until nobody asks any more."""
    parent = multiprocessing.parent_process()
    die_with_parent(parent.pid if parent and parent.pid else 0)
    for number in (signal.SIGINT, signal.SIGHUP):  # they reach both; the parent decides
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGHUP})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        pipeline = loaded(settings, engines)
    except HeygemError as error:
        connection.send((type(error), error.code, error.message, error.hint))
        return
    connection.send(None)
    with contextlib.closing(pipeline):
        while True:
            try:
                task = connection.recv()
            except EOFError:
                return
            connection.send(run_job(pipeline, task, _throttled(connection.send)))


def _throttled(send: Callable[[Progress], None]) -> ProgressCallback:
    told = 0.0

    def on_progress(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= TOLD_EVERY:
            told = time.monotonic()
            send(progress)

    return on_progress
