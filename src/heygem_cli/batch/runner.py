"""The runner, which runs one job after another and journals the start and the end of each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from heygem_cli.batch.attempts import Attempt, Attempts
from heygem_cli.batch.plan import PlannedJob
from heygem_cli.batch.watchdog import Watchdog
from heygem_cli.batch.worker import Failure, Result, Worker
from heygem_cli.errors import HeygemError, StoppedError
from heygem_cli.files import delete_parts_of
from heygem_cli.processes import children, kill_and_reap_children, write_stopped


class BatchRunner:
    """Runs the jobs of a plan, one after another.

    Args:
        attempts: The attempts of the run.
        restart: Restarts the command in place; called when a job does not return from native code.
        write_reports: Called with the signal when the process must exit without returning to the caller.
    """

    def __init__(
        self, attempts: Attempts, *, restart: Callable[[], object], write_reports: Callable[[int], object]
    ) -> None:
        self._attempts = attempts
        self._restart = restart
        self._write_reports = write_reports
        self._current: Attempt | None = None

    def run(self, make_worker: Callable[[], Worker]) -> int | None:
        """Run all jobs that need rendering, with a worker that is made only if there are any.

        Returns:
            The signal that stopped the run, if any.

        Raises:
            HeygemError: The journal cannot be written, or the worker cannot run any job.
        """
        attempts = self._attempts
        if not attempts.queue or attempts.too_many_failures:
            return None
        with (
            contextlib.closing(make_worker()) as worker,
            Watchdog(self._on_signal, self._on_timeout, self._on_unresponsive) as watchdog,
        ):
            while attempts.queue and watchdog.stopped is None and not attempts.too_many_failures:
                worker.prepare()
                self._run_job(*attempts.queue.take(), worker, watchdog)
            return watchdog.stopped

    def _run_job(self, job: PlannedJob, retries: int, worker: Worker, watchdog: Watchdog) -> None:
        """Run a job once."""
        attempt = self._attempts.start(job, retries)
        observer, item = self._attempts.observer, attempt.item
        self._current = attempt
        outcome: Result | Failure | None
        try:
            with watchdog.job(item.timeout + worker.grace_seconds):
                outcome = worker.run(item, lambda progress: observer.job_progressed(job, progress))
        except StoppedError:
            outcome = None
        # A library may convert the exception of a signal to an error of its own.
        if outcome is None or (watchdog.stopped is not None and isinstance(outcome, Failure)):
            self._attempts.interrupt(attempt)
            return
        self._current = None
        self._attempts.finish(attempt, outcome)

    def _on_signal(self) -> None:
        """Record the interruption at once, since a second signal ends the process."""
        if self._current is not None:
            with contextlib.suppress(HeygemError):  # the main thread reports it
                self._attempts.interrupt(self._current)

    def _on_timeout(self) -> None:
        """Record the time-out and restart the command."""
        if self._current is not None:
            with contextlib.suppress(HeygemError):  # a full disk must not prevent the restart
                self._attempts.time_out(self._current)
        self._restart()

    def _on_unresponsive(self, signum: int) -> None:
        """Write the reports and exit, since native code does not return to the main thread."""
        self._on_signal()
        exit_after_signal(signum, self._write_reports)


def exit_after_signal(signum: int, write_reports: Callable[[int], object]) -> None:
    """End the process and its children after a signal, with the reports."""
    delete_parts_of([os.getpid(), *children(os.getpid())])
    kill_and_reap_children()
    try:
        write_reports(signum)
    finally:
        write_stopped(signum)
        os._exit(128 + signum)
