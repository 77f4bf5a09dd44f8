"""One job after another, each with its beginning and its end in the journal."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from heygem_cli.batch.journal import JobState, Journal
from heygem_cli.batch.plan import PlannedJob
from heygem_cli.batch.watchdog import Watchdog
from heygem_cli.batch.worker import Facts, Failure, TimeoutExceededError, Worker, WorkItem, to_failure
from heygem_cli.errors import HeygemError, StoppedError
from heygem_cli.job import Progress
from heygem_cli.processes import kill_and_reap_children

DIED = Failure(
    "process-died",
    "the process died twice during this job",
    "Try it with `heygem render --debug`; --retry-failed tries it again, best with --isolate",
)

LONGEST = 2_000_000.0
"""Seconds, 23 days: the system waits for no more than 2^31 milliseconds."""


@dataclass(frozen=True)
class Policy:
    """How a run treats its jobs.

    Attributes:
        run: its name.
        retries: how often a job that failed is tried again if its error can pass.
        max_failures: after so many failed jobs the run stops; None: never.
        timeout: seconds for each job; None: 300 and ten times its audio.
    """

    run_id: str
    retries: int = 1
    max_failures: int | None = None
    timeout: float | None = None

    def seconds_for(self, job: PlannedJob) -> float:
        """The time that a job may take."""
        return min(LONGEST, 300 + 10 * job.audio_seconds if self.timeout is None else self.timeout)


class Observer(Protocol):
    """Is told what happens."""

    def job_started(self, job: PlannedJob) -> None:
        """A job begins."""
        ...

    def job_progressed(self, job: PlannedJob, progress: Progress) -> None:
        """A job goes on."""
        ...

    def job_finished(self, job: PlannedJob, state: JobState, failure: Failure | None) -> None:
        """A job has ended, for now or for good."""
        ...


class Run:
    """One run over a plan.

    Args:
        jobs: the plan, in order.
        journal: open, under its lock.
        policy: see :class:`Policy`.
        observer: is told what happens.
        restart: starts the same command anew in place; called when a job is stuck in native code.
        give_up: is called with the signal when the process must end at once, to write the reports.
    """

    def __init__(
        self,
        jobs: Sequence[PlannedJob],
        journal: Journal,
        policy: Policy,
        observer: Observer,
        *,
        restart: Callable[[], object],
        give_up: Callable[[int], object],
    ) -> None:
        self._jobs = jobs
        self._journal = journal
        self._policy = policy
        self._observer = observer
        self._restart = restart
        self._give_up = give_up
        self._current: PlannedJob | None = None
        self._began = 0.0

    def do(self, executor: Callable[[], Worker]) -> int | None:
        """Do all jobs that are wanted.

        Args:
            executor: makes what does them; called if there is anything to do.

        Returns:
            The signal that stopped the run, if one did.

        Raises:
            HeygemError: the journal cannot be written, or the models cannot be loaded.
        """
        self._bury()
        queue = deque((job, self._policy.retries) for job in self._jobs if job.needs_rendering)
        if not queue or self._enough_failures():
            return None
        with contextlib.closing(executor()) as made, Watchdog(self._note, self._stuck, self._stop) as guard:
            while queue and guard.stopped is None and not self._enough_failures():
                job, retries = queue.popleft()
                again = self._attempt(job, retries, made, guard)
                if again is not None:
                    # At the end of the queue: what was wrong has time to pass.
                    queue.append((job, again))
            return guard.stopped

    def _bury(self) -> None:
        """Record the jobs that are not tried again, since the process died twice during them."""
        for job in self._jobs:
            state = self._journal.states.get(job.row.id)
            # A row whose input has gone since is left out too, whatever became of it before.
            if job.action == "failed" and state is not None and state.crashed_too_often:
                self._write("failed", job, state.seconds, error=DIED.to_dict())

    def _enough_failures(self) -> bool:
        most = self._policy.max_failures
        if most is None:
            return False
        states = (self._journal.states.get(job.row.id) for job in self._jobs)
        return sum(s is not None and s.status == "failed" and s.run == self._policy.run_id for s in states) >= most

    def _attempt(self, job: PlannedJob, retries: int, executor: Worker, guard: Watchdog) -> int | None:
        """Do a job once.

        Returns:
            How many retries it has left if it is to be tried again.
        """
        executor.prepare()
        self._journal.write("started", run=self._policy.run_id, id=job.row.id, key=job.key, output=job.row.output)
        self._observer.job_started(job)
        # An earlier attempt whose process died may have made it.
        made = self._journal.states[job.row.id].made
        render = replace(job.row.job, overwrite=job.row.job.overwrite or made)
        task = WorkItem(render, job.audio_digest, job.face_digest, self._policy.seconds_for(job))
        self._began = time.monotonic()
        self._current = job
        outcome: Facts | Failure | None
        try:
            with guard.job(task.timeout + executor.grace_seconds):
                outcome = executor.render(task, lambda progress: self._observer.job_progressed(job, progress))
        except StoppedError:
            outcome = None
        # What the job fails with after a signal is the signal, whatever a library made of it.
        if outcome is None or (guard.stopped is not None and isinstance(outcome, Failure)):
            self._interrupt()
            return None
        self._current = None
        return self._record(job, outcome, time.monotonic() - self._began, retries)

    def _record(self, job: PlannedJob, outcome: Facts | Failure, seconds: float, retries: int) -> int | None:
        again = None
        if not isinstance(outcome, Failure):
            self._write("done", job, seconds, result=outcome)
        elif outcome.died:
            self._write("died", job, seconds, error=outcome.to_dict())
            again = retries
            if self._journal.states[job.row.id].crashed_too_often:
                self._write("failed", job, seconds, error=outcome.to_dict())
                again = None
        else:
            again = retries - 1 if outcome.can_pass and retries > 0 else None
            self._write("failed" if again is None else "retrying", job, seconds, error=outcome.to_dict())
        failure = outcome if isinstance(outcome, Failure) else None
        self._observer.job_finished(job, self._journal.states[job.row.id], failure)
        return again

    def _write(self, event: str, job: PlannedJob, seconds: float, **facts: object) -> None:
        self._journal.write(event, run=self._policy.run_id, id=job.row.id, seconds=round(seconds, 3), **facts)

    def _note(self) -> None:
        """Record at the first signal that the job is interrupted: the second ends all; called by the watchdog."""
        with contextlib.suppress(HeygemError):  # the main thread comes to it too
            self._interrupt()

    def _interrupt(self) -> None:
        if self._current is not None and self._journal.states[self._current.row.id].status == "started":
            self._write("interrupted", self._current, time.monotonic() - self._began)

    def _stuck(self) -> None:
        """End a job that native code does not give back; called by the watchdog."""
        if self._current is not None:
            limit = self._policy.seconds_for(self._current)
            with contextlib.suppress(HeygemError):  # a full disk is no reason to stay stuck
                error = to_failure(TimeoutExceededError(limit)).to_dict()
                self._write("failed", self._current, limit, error=error)
        self._restart()

    def _stop(self, signum: int) -> None:
        """End the process in which native code does not let a signal through; called by the watchdog."""
        self._note()
        kill_and_reap_children()
        try:
            self._give_up(signum)
        finally:
            os._exit(128 + signum)
