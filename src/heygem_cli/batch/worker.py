"""Workers, which run jobs: in this process, or in a child process that may die without ending the batch."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, Pipe
from typing import Any, Protocol

from heygem_cli.batch.remote_output import prepare_remote, upload_output
from heygem_cli.batch.watchdog import GRACE_SECONDS, STOP_SECONDS
from heygem_cli.errors import HeygemError, InputError, NotCapableError, StoppedError, from_exception
from heygem_cli.files import delete_parts_of, file_digest
from heygem_cli.job import Inputs, Progress, ProgressCallback, RenderJob
from heygem_cli.options import EngineOptions
from heygem_cli.pipeline import Pipeline, check_current_folder, check_outputs
from heygem_cli.processes import (
    become_subreaper,
    children,
    die_with_parent,
    exit_on_sigterm,
    isolated_python,
    kill_children,
    reap_orphans,
)
from heygem_cli.runtime import Settings

MAX_STARTS = 3
OUT_OF_MEMORY_HINT = "Try `heygem render --debug`, and search the kernel log for the out-of-memory killer"
PROGRESS_INTERVAL = 0.2
"""Seconds between two progress messages from the child process."""


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
        self._pipeline = _load_pipeline(options, settings, engines)

    def prepare(self) -> None:
        """Do nothing: it is always ready."""

    def run(self, item: WorkItem, on_progress: ProgressCallback) -> Result | Failure:
        """Run a job."""
        return run_job(self._pipeline, item, on_progress)

    def close(self) -> None:
        """Close the engines."""
        self._pipeline.close()


def _load_pipeline(options: EngineOptions, settings: Settings, engines: Sequence[str]) -> Pipeline:
    pipeline = Pipeline(options, settings)
    for name in engines:
        pipeline.engine(name)
    return pipeline


class ChildProcessWorker:
    """Runs jobs in a child process, which is started once, and again only after it died.

    Args:
        options: What engines are loaded with.
        settings: Thread settings of the child.
        engines: Names of the engines to load.
        adopts_orphans: Whether to wait for what a dead child leaves; not in a process that has other children.
        load_seconds: After how long a child that has not loaded is killed.

    Attributes:
        starts: How often a child was started.

    Raises:
        NotCapableError: An engine does not work on this machine; ``worker-died``: the child exited while it loaded.
        HeygemError: Any other error of an engine.
    """

    # The child enforces the limit first, then this process kills it; the batch itself never has to restart.
    grace_seconds = 4 * GRACE_SECONDS

    def __init__(
        self,
        options: EngineOptions,
        settings: Settings,
        engines: Sequence[str],
        *,
        adopts_orphans: bool = True,
        load_seconds: float | None = None,
    ) -> None:
        self._args = (options, settings, engines)
        self._load_failure: Failure | None = None
        self.starts = 0
        self._is_loaded = False
        self._adopts_orphans, self._load_seconds = adopts_orphans, load_seconds
        if adopts_orphans:
            become_subreaper()
        self._load()

    def _load(self) -> None:
        """Start a child, and again if it is killed while it loads; after the third time the next job fails."""
        for _ in range(MAX_STARTS):
            self._start()
            reason = self._wait_until_loaded()
            if reason is None:
                self._is_loaded = True
                return
        message = f"the worker process {reason} while it loaded, three times in a row"
        self._load_failure = Failure("worker-died", message, OUT_OF_MEMORY_HINT)

    def _start(self) -> None:
        self._is_loaded = False
        self.starts += 1
        self._connection, connection = Pipe()
        self._other_children = children(os.getpid())
        # The child inherits the mask, and unblocks the signals once it ignores them.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
        try:
            command = isolated_python(_CHILD, str(connection.fileno()), str(os.getpid()))
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[connection.fileno()])
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            connection.close()

    def _wait_until_loaded(self) -> str | None:
        """Wait until the child can run jobs; return how it was killed, if it was."""
        try:
            self._connection.send(self._args)
            if not self._connection.poll(self._load_seconds):
                self.interrupt(0)
            error = self._connection.recv()
        except (EOFError, OSError) as died:
            reason = self._exit_reason()
            if self._process.returncode <= 0:  # 0 after SIGTERM
                return reason
            message = f"the worker process {reason} while it loaded"
            hint = "Run `heygem doctor`; --debug shows what it printed"
            raise NotCapableError("worker-died", message, hint=hint) from died
        if error is not None:
            error_class, code, message, hint = error
            raise error_class(code, message, hint=hint)
        return None

    def prepare(self) -> None:
        """Start another child if the last one died."""
        if self._load_failure is None and self._process.poll() is not None:
            self._load()

    @property
    def is_ready(self) -> bool:
        """Whether there is a child that has loaded its engines; any thread may ask."""
        return self._is_loaded and self._process.poll() is None

    def take_load_failure(self) -> Failure | None:
        """Return why no child could be loaded, instead of failing the next job; the one after that starts another."""
        failure, self._load_failure = self._load_failure, None
        return failure

    def run(self, item: WorkItem, on_progress: ProgressCallback) -> Result | Failure:
        """Run a job in the child; if the child dies or cannot be started, the job fails."""
        if (failure := self.take_load_failure()) is not None:
            return failure
        deadline = time.monotonic() + item.timeout + GRACE_SECONDS
        try:
            self._connection.send(item)
            while self._connection.poll(max(0.0, deadline - time.monotonic())):
                message = self._connection.recv()
                if not isinstance(message, Progress):
                    return message  # type: ignore[no-any-return]
                on_progress(message)
        except (EOFError, OSError):
            text = f"the worker process {self._exit_reason()} during this job"
            return Failure("process-died", text, OUT_OF_MEMORY_HINT, worker_died=True)
        kill_children(self._process.pid)
        self._kill()
        return to_failure(JobTimeoutError(item.timeout))

    def interrupt(self, seconds: float = STOP_SECONDS) -> None:
        """End the child, from another thread; it gets ``seconds`` to clean up."""
        process = self._process
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        kill_children(process.pid)
        delete_parts_of([process.pid])
        process.kill()

    def close(self) -> None:
        """Terminate the child, with time to remove its temporary files."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self._kill()

    def _kill(self) -> None:
        delete_parts_of([self._process.pid])
        self._process.kill()
        self._reap()

    def _exit_reason(self) -> str:
        self._reap()
        code = self._process.returncode
        if code >= 0:
            return f"exited with status {code}"
        known = -code in set(signal.Signals)  # not all real-time signals are
        return f"was killed by {signal.Signals(-code).name if known else f'signal {-code}'}"

    def _reap(self) -> None:
        self._process.wait()
        self._connection.close()
        if self._adopts_orphans:
            reap_orphans(self._other_children)


_CHILD = "from heygem_cli.batch.worker import serve; serve(int(sys.argv[1]), int(sys.argv[2]))"


def serve(descriptor: int, parent: int) -> None:
    """Run jobs in the child process until the parent, given by its process id, closes the connection."""
    die_with_parent(parent)
    for signum in (signal.SIGINT, signal.SIGHUP):  # the terminal sends them to both; the parent decides
        signal.signal(signum, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGHUP})
    with exit_on_sigterm() as stopped:
        _run_jobs(Connection(descriptor), stopped)


def _run_jobs(connection: Connection, stopped: Sequence[int]) -> None:
    options, settings, engines = connection.recv()
    try:
        pipeline = _load_pipeline(options, settings, engines)
    except Exception as caught:
        error = caught if isinstance(caught, HeygemError) else from_exception(caught)
        if error is None or stopped:
            raise
        connection.send((type(error), error.code, error.message, error.hint))
        return
    connection.send(None)
    with contextlib.closing(pipeline):
        while True:
            try:
                item = connection.recv()
            except EOFError:
                return
            connection.send(run_job(pipeline, item, _throttle(connection.send)))


def _throttle(send: Callable[[Progress], None]) -> ProgressCallback:
    last = 0.0

    def on_progress(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_INTERVAL:
            last = time.monotonic()
            send(progress)

    return on_progress
