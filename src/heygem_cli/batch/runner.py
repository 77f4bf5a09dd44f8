"""The runner, which runs one job after another and journals the start and the end of each."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from heygem_cli.batch.journal import JobState, Journal
from heygem_cli.batch.plan import PlannedJob
from heygem_cli.batch.watchdog import Watchdog
from heygem_cli.batch.worker import Failure, JobTimeoutError, Result, Worker, WorkItem, to_failure
from heygem_cli.engines import find_engine
from heygem_cli.errors import HeygemError, StoppedError
from heygem_cli.files import OwnOutputs, delete_parts_of
from heygem_cli.job import Progress
from heygem_cli.options import BatchOptions
from heygem_cli.processes import children, kill_and_reap_children, write_stopped

CRASHED_TOO_OFTEN = Failure(
    "process-died",
    "the process died twice during this job",
    "Try `heygem render --debug`; --retry-failed tries it again, best with --isolate",
)
MAX_TIMEOUT = 2_000_000.0
"""Seconds, 23 days: the operating system waits for at most 2^31 milliseconds."""


def job_timeout(options: BatchOptions, job: PlannedJob) -> float:
    """Return the time limit of a job in seconds."""
    if options.timeout is not None:
        return min(MAX_TIMEOUT, options.timeout)
    return min(MAX_TIMEOUT, 300 + find_engine(job.row.job.options.engine).pace * job.audio_seconds)


class Observer(Protocol):
    """Receives the progress of a run."""

    def job_started(self, job: PlannedJob) -> None:
        """Handle the start of an attempt."""

    def job_progressed(self, job: PlannedJob, progress: Progress) -> None:
        """Handle the progress of an attempt."""

    def job_finished(self, job: PlannedJob, state: JobState, failure: Failure | None) -> None:
        """Handle the end of an attempt."""


class BatchRunner:
    """Runs the jobs of a plan.

    Args:
        jobs: The plan, in order.
        journal: The open journal, under its lock.
        run_id: Name of the run in the journal.
        options: The options of the batch.
        observer: Receives the progress.
        restart: Restarts the command in place; called when a job does not return from native code.
        write_reports: Called with the signal when the process must exit without returning to the caller.
    """

    def __init__(
        self,
        jobs: Sequence[PlannedJob],
        journal: Journal,
        run_id: str,
        options: BatchOptions,
        observer: Observer,
        *,
        restart: Callable[[], object],
        write_reports: Callable[[int], object],
    ) -> None:
        self._jobs = jobs
        self._journal = journal
        self._run_id = run_id
        self._options = options
        self._observer = observer
        self._restart = restart
        self._write_reports = write_reports
        self._current: PlannedJob | None = None
        self._started_at = 0.0

    def run(self, make_worker: Callable[[], Worker]) -> int | None:
        """Run all jobs that need rendering, with a worker that is made only if there are any.

        Returns:
            The signal that stopped the run, if any.

        Raises:
            HeygemError: The journal cannot be written, or the worker cannot run any job.
        """
        self._record_crashed_jobs()
        queue = deque((job, self._options.retries) for job in self._jobs if job.needs_rendering)
        if not queue or self._has_too_many_failures():
            return None
        with (
            contextlib.closing(make_worker()) as worker,
            Watchdog(self._on_signal, self._on_timeout, self._on_unresponsive) as watchdog,
        ):
            while queue and watchdog.stopped is None and not self._has_too_many_failures():
                job, retries = queue.popleft()
                retries_left = self._run_job(job, retries, worker, watchdog)
                if retries_left is not None:
                    # After all other jobs, which gives a temporary problem time to pass.
                    queue.append((job, retries_left))
            return watchdog.stopped

    def _record_crashed_jobs(self) -> None:
        for job in self._jobs:
            state = self._journal.states.get(job.row.id)
            # The action is also "failed" for a row whose input is gone; what the journal says about it stays.
            if job.action == "failed" and job.error is None and state is not None and state.crashed_too_often:
                self._write("failed", job, state.seconds, error=CRASHED_TOO_OFTEN.to_dict())

    def _has_too_many_failures(self) -> bool:
        limit = 1 if self._options.fail_fast else self._options.max_failures
        if limit is None:
            return False
        states = (self._journal.states.get(job.row.id) for job in self._jobs)
        failures = sum(s is not None and s.status == "failed" and s.run == self._run_id for s in states)
        return failures >= limit

    def _run_job(self, job: PlannedJob, retries: int, worker: Worker, watchdog: Watchdog) -> int | None:
        """Run a job once.

        Returns:
            The number of retries that are left if the job must be tried again.
        """
        worker.prepare()
        sources = {"sources": job.row.sources} if job.row.sources else {}
        self._journal.write("started", run=self._run_id, id=job.row.id, key=job.key, output=job.row.output, **sources)
        self._observer.job_started(job)
        # An earlier attempt may have made the output before its process died.
        made = job.row.job.own.digests | self._journal.states[job.row.id].made
        render_job = replace(job.row.job, own=OwnOutputs(made, self._journal.receipt))
        assert job.inputs is not None  # noqa: S101 - a job without inputs is not rendered
        item = WorkItem(render_job, job.inputs, job.digests, job_timeout(self._options, job))
        self._started_at = time.monotonic()
        self._current = job
        outcome: Result | Failure | None
        try:
            with watchdog.job(item.timeout + worker.grace_seconds):
                outcome = worker.run(item, lambda progress: self._observer.job_progressed(job, progress))
        except StoppedError:
            outcome = None
        # A library may convert the exception of a signal to an error of its own.
        if outcome is None or (watchdog.stopped is not None and isinstance(outcome, Failure)):
            self._record_interruption()
            return None
        self._current = None
        return self._record_outcome(job, outcome, time.monotonic() - self._started_at, retries)

    def _record_outcome(self, job: PlannedJob, outcome: Result | Failure, seconds: float, retries: int) -> int | None:
        retries_left = None
        if not isinstance(outcome, Failure):
            self._write("done", job, seconds, result=outcome)
        elif outcome.worker_died:
            self._write("died", job, seconds, error=outcome.to_dict())
            retries_left = retries
            if self._journal.states[job.row.id].crashed_too_often:
                self._write("failed", job, seconds, error=outcome.to_dict())
                retries_left = None
        else:
            retries_left = retries - 1 if outcome.retryable and retries > 0 else None
            self._write("failed" if retries_left is None else "retrying", job, seconds, error=outcome.to_dict())
        failure = outcome if isinstance(outcome, Failure) else None
        self._observer.job_finished(job, self._journal.states[job.row.id], failure)
        return retries_left

    def _write(self, event: str, job: PlannedJob, seconds: float, **fields: object) -> None:
        self._journal.write(event, run=self._run_id, id=job.row.id, seconds=round(seconds, 3), **fields)

    def _record_interruption(self) -> None:
        if self._current is not None and self._journal.states[self._current.row.id].status == "started":
            self._write("interrupted", self._current, time.monotonic() - self._started_at)

    def _on_signal(self) -> None:
        """Record the interruption at once, since a second signal ends the process."""
        with contextlib.suppress(HeygemError):  # the main thread reports it
            self._record_interruption()

    def _on_timeout(self) -> None:
        """Record the time-out and restart the command."""
        if self._current is not None:
            timeout = job_timeout(self._options, self._current)
            with contextlib.suppress(HeygemError):  # a full disk must not prevent the restart
                error = to_failure(JobTimeoutError(timeout)).to_dict()
                self._write("failed", self._current, timeout, error=error)
        self._restart()

    def _on_unresponsive(self, signum: int) -> None:
        """Write the reports and exit, since native code does not return to the main thread."""
        self._on_signal()
        delete_parts_of([os.getpid(), *children(os.getpid())])
        kill_and_reap_children()
        try:
            self._write_reports(signum)
        finally:
            write_stopped(signum)
            os._exit(128 + signum)
