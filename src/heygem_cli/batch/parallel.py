"""The parallel runner, which runs jobs with the workers of a pool, and journals the start and the end of each."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from heygem_cli.batch.attempts import Attempt, Attempts
from heygem_cli.batch.runner import exit_after_signal
from heygem_cli.batch.watchdog import GRACE_SECONDS, Watchdog
from heygem_cli.batch.worker import Failure, JobTimeoutError, Result, WorkItem, to_failure
from heygem_cli.errors import HeygemError
from heygem_cli.job import Progress
from heygem_cli.options import EncodeOptions, EngineOptions
from heygem_cli.runtime import Settings

TICK = 0.2
"""Seconds within which a signal or a time-out is noticed."""
KILL_AFTER = 4 * GRACE_SECONDS
"""Seconds beyond its limit after which the worker of a job is killed, if it has not canceled the job itself."""


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker is loaded with.

    Attributes:
        options: What the engines are loaded with.
        settings: The thread settings of a worker.
        identities: The engines that the jobs use, with the identity of each, which must be the same everywhere.
        encodings: How outputs are encoded: the encoders must work everywhere.
        folder: The folder in which relative paths start.
    """

    options: EngineOptions
    settings: Settings
    identities: Mapping[str, str] = field(default_factory=dict)
    encodings: Collection[EncodeOptions] = ()
    folder: Path = Path()


@dataclass(frozen=True)
class Publishing:
    """A worker has a complete video of this SHA-256, and gives it its name once :meth:`WorkerPool.permit` is called."""

    digest: str


@dataclass(frozen=True)
class PoolWorker:
    """A worker of a pool, and the node on which it runs."""

    name: str
    node: str


Event = tuple[PoolWorker, Progress | Publishing | Result | Failure]
"""What a worker reports of its job; a :class:`Failure` with ``worker_died`` or ``node_lost`` ends the worker, too."""


class WorkerPool(Protocol):
    """Workers that load the engines once, and run one job each at a time; there may be more or fewer of them later."""

    def idle(self) -> Sequence[PoolWorker]:
        """Return the workers that are loaded and have no job."""

    def run(self, worker: PoolWorker, item: WorkItem) -> None:
        """Let an idle worker run a job."""

    def permit(self, worker: PoolWorker) -> None:
        """Let a worker publish what it has announced."""

    def wait(self, seconds: float, jobs_left: int) -> Sequence[Event]:
        """Return what has happened, after ``seconds`` if nothing does, and start or end workers as jobs are left.

        Raises:
            HeygemError: There is no worker, and none can be started.
        """

    def warnings(self) -> Sequence[str]:
        """Return what the user should know about workers that could not be started, each once."""

    def kill(self, worker: PoolWorker) -> None:
        """End a worker at once."""


class ParallelRunner:
    """Runs the jobs of a plan with a pool of workers.

    Args:
        attempts: The attempts of the run.
        write_reports: Called with the signal when the process must exit without returning to the caller.
    """

    def __init__(self, attempts: Attempts, *, write_reports: Callable[[int], object]) -> None:
        self._attempts = attempts
        self._write_reports = write_reports
        self._running: dict[PoolWorker, Attempt] = {}

    def run(self, open_pool: Callable[[], AbstractContextManager[WorkerPool]]) -> int | None:
        """Run all jobs that need rendering, with a pool that is opened only if there are any.

        After too many failures no further job is started, and those that run are finished.

        Returns:
            The signal that stopped the run, if any.

        Raises:
            HeygemError: The journal cannot be written, or there are no workers.
        """
        if not self._wanted():
            return None
        with (
            open_pool() as pool,
            Watchdog(self._interrupt, self._interrupt, self._on_unresponsive) as watchdog,
        ):
            try:
                while (self._wanted() or self._running) and watchdog.stopped is None:
                    self._step(pool)
            finally:
                self._interrupt()
            return watchdog.stopped

    def _step(self, pool: WorkerPool) -> None:
        self._assign(pool)
        for worker, event in pool.wait(TICK, self._wanted()):
            self._handle(worker, event, pool)
        self._kill_overdue(pool)
        for text in pool.warnings():
            self._attempts.observer.warned(text)

    def _wanted(self) -> int:
        """Return the number of jobs that still are to be started."""
        return 0 if self._attempts.too_many_failures else len(self._attempts.queue)

    def _assign(self, pool: WorkerPool) -> None:
        for worker in pool.idle():
            if not self._wanted():
                return
            job, retries = self._attempts.queue.take(worker.name, worker.node)
            attempt = self._attempts.start(job, retries, worker.name)
            self._running[worker] = attempt
            pool.run(worker, attempt.item)

    def _handle(self, worker: PoolWorker, event: Progress | Publishing | Result | Failure, pool: WorkerPool) -> None:
        attempt = self._running.get(worker)
        if attempt is None:  # its time was up
            return
        if isinstance(event, Progress):
            self._attempts.observer.job_progressed(attempt.job, event)
        elif isinstance(event, Publishing):
            self._attempts.publish(attempt, event.digest)
            pool.permit(worker)
        else:
            del self._running[worker]
            self._attempts.finish(attempt, event)

    def _kill_overdue(self, pool: WorkerPool) -> None:
        now = time.monotonic()
        for worker, attempt in list(self._running.items()):
            timeout = attempt.item.timeout
            if now > attempt.started_at + timeout + KILL_AFTER:
                pool.kill(worker)
                del self._running[worker]
                self._attempts.finish(attempt, to_failure(JobTimeoutError(timeout)))

    def _interrupt(self) -> None:
        """Record that the running jobs are interrupted, at once, since a second signal ends the process."""
        for attempt in list(self._running.values()):
            with contextlib.suppress(HeygemError):  # the journal's disk is full: the next run sees that they started
                self._attempts.interrupt(attempt)

    def _on_unresponsive(self, signum: int) -> None:
        self._interrupt()
        exit_after_signal(signum, self._write_reports)
