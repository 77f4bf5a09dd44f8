"""The attempts of a run: what the journal says about each, and what follows from its outcome."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from heygem_cli.batch.job_queue import JobQueue
from heygem_cli.batch.journal import JobState, Journal
from heygem_cli.batch.plan import PlannedJob
from heygem_cli.batch.worker import Failure, JobTimeoutError, Result, WorkItem, to_failure
from heygem_cli.engines import find_engine
from heygem_cli.files import OwnOutputs
from heygem_cli.job import Progress
from heygem_cli.options import BatchOptions

CRASHED_TOO_OFTEN = Failure(
    "process-died",
    "the process died twice during this job",
    "Try `heygem render --debug`; --retry-failed tries it again, best with --isolate",
)
MAX_LOST_NODES = 5
"""Nodes that may be lost while they render a job, before it is held to be the cause."""
MAX_TIMEOUT = 2_000_000.0
"""Seconds, 23 days: the operating system waits for at most 2^31 milliseconds."""


def job_timeout(options: BatchOptions, job: PlannedJob) -> float:
    """Return the time limit of a job in seconds."""
    return time_limit(options.timeout, job.row.options.engine, job.audio_seconds)


def time_limit(timeout: float | None, engine: str, audio_seconds: float) -> float:
    """Return the time limit of a job in seconds: what was asked for, or 300 s and what the engine may need."""
    return min(MAX_TIMEOUT, timeout if timeout is not None else 300 + find_engine(engine).pace * audio_seconds)


class Observer(Protocol):
    """Receives the progress of a run."""

    def job_started(self, job: PlannedJob) -> None:
        """Handle the start of an attempt."""

    def job_progressed(self, job: PlannedJob, progress: Progress) -> None:
        """Handle the progress of an attempt."""

    def job_finished(self, job: PlannedJob, state: JobState, failure: Failure | None) -> None:
        """Handle the end of an attempt."""

    def warned(self, text: str) -> None:
        """Handle a problem that costs no job, such as a node on which nothing can be rendered."""


@dataclass
class Attempt:
    """One attempt to render a job.

    Attributes:
        retries: How often the job may be retried after this attempt.
        item: What a worker gets.
        started_at: On the monotonic clock.
        digest: SHA-256 of the video that the worker gives its name.
    """

    job: PlannedJob
    retries: int
    item: WorkItem
    digest: str | None = None
    started_at: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.started_at


class Attempts:
    """Starts and ends attempts by the rules of a batch, whoever runs them.

    Args:
        jobs: The plan, in order.
        journal: The open journal, under its lock.
        run_id: Name of the run in the journal.
        options: The options of the batch.
        observer: Receives the progress.
    """

    def __init__(
        self, jobs: Sequence[PlannedJob], journal: Journal, run_id: str, options: BatchOptions, observer: Observer
    ) -> None:
        self.queue = JobQueue((job for job in jobs if job.needs_rendering), options.retries)
        self.observer = observer
        self._journal = journal
        self._run_id = run_id
        self._options = options
        self._lost_nodes: dict[str, int] = {}
        self._failures = 0
        self._record_crashed_jobs(jobs)
        states = (journal.states.get(job.row.id) for job in jobs)
        self._failures = sum(s is not None and s.status == "failed" and s.run == run_id for s in states)

    def _record_crashed_jobs(self, jobs: Sequence[PlannedJob]) -> None:
        for job in jobs:
            state = self._journal.states.get(job.row.id)
            # The action is also "failed" for a row whose input is gone; what the journal says about it stays.
            if job.action == "failed" and job.error is None and state is not None and state.crashed_too_often:
                self._write("failed", job, state.seconds, error=CRASHED_TOO_OFTEN.to_dict())

    @property
    def too_many_failures(self) -> bool:
        """Whether no further job is to be started."""
        limit = 1 if self._options.fail_fast else self._options.max_failures
        return limit is not None and self._failures >= limit

    def start(self, job: PlannedJob, retries: int, worker: str = "") -> Attempt:
        """Record the start of an attempt.

        Args:
            job: The job.
            retries: How often it may be retried afterwards.
            worker: The node whose worker runs it, and announces what it publishes, see :meth:`publish`; empty if this
                batch runs it, with a receipt.

        Raises:
            HeygemError: The journal cannot be written.
        """
        named = {"sources": job.row.sources, "worker": worker}
        fields = {"key": job.key, "output": job.row.output, **{name: value for name, value in named.items() if value}}
        self._journal.write("started", run=self._run_id, id=job.row.id, **fields)
        self.observer.job_started(job)
        # An earlier attempt may have made the output before its process died.
        made = job.row.own.digests | self._journal.states[job.row.id].made
        receipt = None if worker else self._journal.receipt
        render_job = replace(job.row.job, own=OwnOutputs(made, receipt))
        assert job.inputs is not None  # noqa: S101 - a job without inputs is not rendered
        item = WorkItem(render_job, job.inputs.files.unpack(render_job), job.digests, job_timeout(self._options, job))
        return Attempt(job, retries, item)

    def publish(self, attempt: Attempt, digest: str) -> None:
        """Record the SHA-256 of a video before it gets its name.

        Raises:
            HeygemError: The journal cannot be written.
        """
        self._write("publishing", attempt.job, attempt.seconds, sha256=digest)
        attempt.digest = digest

    def finish(self, attempt: Attempt, outcome: Result | Failure) -> None:
        """Record the outcome of an attempt; a job that is to be tried again goes back into the queue.

        Raises:
            HeygemError: The journal cannot be written.
        """
        job, seconds = attempt.job, attempt.seconds
        if not isinstance(outcome, Failure):
            made = {"sha256": attempt.digest} if attempt.digest else {}
            self._write("done", job, seconds, result=outcome, **made)
        elif outcome.node_lost and self._count_lost_node(job) < MAX_LOST_NODES:
            self._write("interrupted", job, seconds)
            self.queue.put_back(job, attempt.retries)
        elif outcome.worker_died:
            self._write("died", job, seconds, error=outcome.to_dict())
            if self._journal.states[job.row.id].crashed_too_often:
                self._write("failed", job, seconds, error=outcome.to_dict())
            else:
                self.queue.put_back(job, attempt.retries)
        elif outcome.retryable and attempt.retries > 0:
            self._write("retrying", job, seconds, error=outcome.to_dict())
            self.queue.put_back(job, attempt.retries - 1)
        else:
            self._write("failed", job, seconds, error=outcome.to_dict())
        failure = outcome if isinstance(outcome, Failure) else None
        self.observer.job_finished(job, self._journal.states[job.row.id], failure)

    def interrupt(self, attempt: Attempt) -> None:
        """Record that a signal ended an attempt, unless its outcome is recorded.

        Raises:
            HeygemError: The journal cannot be written.
        """
        if self._journal.states[attempt.job.row.id].status == "started":
            self._write("interrupted", attempt.job, attempt.seconds)

    def time_out(self, attempt: Attempt) -> None:
        """Record that an attempt exceeded its limit, from a thread: the observer may be in use.

        Raises:
            HeygemError: The journal cannot be written.
        """
        timeout = attempt.item.timeout
        self._write("failed", attempt.job, timeout, error=to_failure(JobTimeoutError(timeout)).to_dict())

    def _count_lost_node(self, job: PlannedJob) -> int:
        """Count a node that was lost with a job: it is rarely the job's fault, as the death of a process is."""
        self._lost_nodes[job.row.id] = self._lost_nodes.get(job.row.id, 0) + 1
        return self._lost_nodes[job.row.id]

    def _write(self, event: str, job: PlannedJob, seconds: float, **fields: object) -> None:
        self._journal.write(event, run=self._run_id, id=job.row.id, seconds=round(seconds, 3), **fields)
        self._failures += event == "failed"
