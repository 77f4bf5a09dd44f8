"""A worker in a child process, which may die without ending the batch."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, Pipe

from heygem_cli.batch.watchdog import GRACE_SECONDS, STOP_SECONDS
from heygem_cli.batch.worker import (
    MAX_STARTS,
    OUT_OF_MEMORY_HINT,
    Failure,
    JobTimeoutError,
    Result,
    WorkItem,
    load_pipeline,
    run_job,
    to_failure,
)
from heygem_cli.errors import HeygemError, NotCapableError, from_exception
from heygem_cli.files import delete_parts_of
from heygem_cli.job import Progress, ProgressCallback
from heygem_cli.options import EngineOptions
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

PROGRESS_INTERVAL = 0.2
"""Seconds between two progress messages from the child process."""


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


_CHILD = "from heygem_cli.batch.worker_process import serve; serve(int(sys.argv[1]), int(sys.argv[2]))"


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
        pipeline = load_pipeline(options, settings, engines)
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
