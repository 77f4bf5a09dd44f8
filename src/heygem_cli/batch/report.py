"""The report of a batch: the status and the figures of every job, and the exit code."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from heygem_cli.batch.journal import JobState
from heygem_cli.batch.plan import PlannedJob
from heygem_cli.batch.shard import NUMBER, Shard
from heygem_cli.batch.text_file import read_text_file
from heygem_cli.batch.validate import all_match
from heygem_cli.batch.worker import Failure
from heygem_cli.errors import InputError
from heygem_cli.processes import SIGNALS

FinalStatus = Literal["done", "failed", "interrupted", "waiting"]
"""``waiting``: the run ended before the job started."""
UNUSABLE = "unusable"
"""The code of a row that could not be started: it or its files are bad."""
SHARD = re.compile(f"{NUMBER}/{NUMBER}")


@dataclass(frozen=True)
class JobReport:
    """The report of one job.

    Attributes:
        output: The video; empty for a row from which it cannot be told.
        attempts: Number of attempts with these inputs and options, over all runs.
        seconds: Duration of the last attempt.
        audio_seconds: Duration of the audio.
        real_time_factor: Seconds of work per second of video; None if there is no video.
        error: Code, message and hint of a failure.
        frames_turned_away: Number of frames left as they are because the head is turned too far to the side.
        frames_covered: Likewise, see :class:`heygem_cli.job.RenderResult`.
        frames_outside: Likewise.
        frames_other_person: Likewise.
        shots: Likewise.
        people: Likewise.
        warnings: See :class:`heygem_cli.job.RenderResult`.
        already_done: Whether it was done before this run, which had nothing to render.
    """

    id: str
    row: int
    output: str
    status: FinalStatus
    attempts: int
    seconds: float
    audio_seconds: float
    real_time_factor: float | None
    frames: int | None
    frames_without_face: int | None
    error: Mapping[str, str] | None
    frames_turned_away: int | None = None
    warnings: Sequence[str] = ()
    already_done: bool = False
    frames_covered: int | None = None
    frames_outside: int | None = None
    frames_other_person: int | None = None
    shots: int | None = None
    people: int | None = None


FIGURES = ("frames_covered", "frames_outside", "frames_other_person", "shots", "people")
"""Fields that are those of the result, and that reports of older versions do not have."""


@dataclass(frozen=True)
class BatchReport:
    """The report of one run, or of several merged.

    Attributes:
        began: Start time in seconds since the epoch.
        seconds: Duration of the run.
        shard: Shard of the run as ``I/N``.
        missing: Shards without a report among those merged.
        stopped: Number of the signal that stopped the run.
    """

    manifest: str
    run: str
    began: float
    seconds: float
    jobs: Sequence[JobReport]
    shard: str | None = None
    missing: Sequence[str] = ()
    stopped: int | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Number of jobs by status."""
        counter = Counter(job.status for job in self.jobs)
        return {status: counter[status] for status in get_args(FinalStatus)}

    @property
    def already_done(self) -> int:
        """Number of jobs that are done and were not rendered by this run."""
        return sum(job.already_done for job in self.jobs)

    @property
    def exit_code(self) -> int:
        """0 if all jobs are done, 1 if all failed, 3 if some did; 128 plus the signal after one."""
        if self.stopped is not None:
            return 128 + self.stopped
        counts = self.counts
        if counts["done"] == len(self.jobs) and not self.missing:
            return 0
        return 1 if counts["failed"] and not counts["done"] else 3

    def to_dict(self) -> dict[str, object]:
        """Return the content of ``--json`` and ``--report``."""
        return {"counts": {**self.counts, "already_done": self.already_done}, **asdict(self)}


def report_job(job: PlannedJob, state: JobState | None, run_id: str) -> JobReport:
    """Build the report of a job from its state in the journal at the end of a run."""
    # The state of an older run counts only for a job that this run did not have to render.
    if state is None or not (state.run == run_id or (state.key == job.key and not job.needs_rendering)):
        state = JobState("retrying", job.key, job.row.output, run_id)
    status: FinalStatus = "failed" if job.action == "failed" else "waiting"
    if job.error is None and state.status in ("done", "failed", "interrupted"):
        status = state.status
    unusable = Failure(UNUSABLE, job.reason, job.hint).to_dict() if status == "failed" else None
    result = state.result or {}
    return JobReport(
        id=job.row.id,
        row=job.row.number,
        output=job.row.common.remote.output or job.row.path,
        status=status,
        attempts=state.attempts,
        seconds=state.seconds,
        audio_seconds=round(job.audio_seconds, 3),
        real_time_factor=round(state.seconds / result["duration"], 3) if result.get("duration") else None,
        frames=result.get("frames"),
        frames_without_face=result.get("frames_without_face"),
        error=_complete_error(job.error or state.error or unusable),
        frames_turned_away=result.get("frames_turned_away"),
        warnings=tuple(result.get("warnings", ())),
        already_done=status == "done" and state.run != run_id,
        **{name: result.get(name) for name in FIGURES},
    )


def merge_reports(reports: Sequence[BatchReport]) -> BatchReport:
    """Merge the reports of shards, or of consecutive runs; of several reports of a job the latest counts.

    Raises:
        InputError: The reports are of different manifests.
    """
    names = {Path(report.manifest).name for report in reports}
    if len(names) > 1:
        message = f"the reports are of different manifests: {', '.join(sorted(names))}"
        raise InputError("different-manifests", message, hint="Merge only reports of the same manifest")
    reports = sorted(reports, key=lambda report: report.began)
    jobs = {job.id: job for report in reports for job in report.jobs}
    signals = [report.stopped for report in reports if report.stopped is not None]
    unfinished = any(job.status in ("interrupted", "waiting") for job in jobs.values())
    return BatchReport(
        manifest=reports[-1].manifest,
        run="+".join(report.run for report in reports),
        began=reports[0].began,
        seconds=round(max(report.began + report.seconds for report in reports) - reports[0].began, 3),
        jobs=sorted(jobs.values(), key=lambda job: job.row),
        missing=_missing_shards(report.shard for report in reports),
        stopped=signals[-1] if signals and unfinished else None,
    )


def _missing_shards(shards: Iterable[str | None]) -> list[str]:
    present = {shard for shard in shards if shard}
    counts = {int(shard.partition("/")[2]) for shard in present}
    expected = {str(Shard(index, count)) for count in counts for index in range(1, count + 1)}
    return sorted(expected - present)


def read_report(path: Path) -> BatchReport:
    """Read a file that ``--report`` wrote.

    Raises:
        InputError: The file cannot be read, or is not a report.
    """
    data = read_text_file(path)
    try:
        return _parse_report(json.loads(data))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        hint = "Pass files written by `heygem batch --report`"
        raise InputError("not-a-report", "this is not a report of a batch", hint=hint, path=path) from error


def _parse_report(content: dict[str, Any]) -> BatchReport:
    hints = get_type_hints(BatchReport)
    fields = {name: content[name] for name in hints if name != "jobs"}
    report = BatchReport(jobs=[_parse_job(job) for job in content["jobs"]], **fields)
    if not all_match(fields, {name: hints[name] for name in fields}) or not SHARD.fullmatch(report.shard or "1/1"):
        raise ValueError("not a report")
    if report.stopped is not None and report.stopped not in SIGNALS:
        raise ValueError("not a signal that stops a batch")
    return report


def _parse_job(content: dict[str, Any]) -> JobReport:
    content = {"warnings": [], "already_done": False, **dict.fromkeys(FIGURES), **content}
    if not all_match(content, get_type_hints(JobReport)):
        raise ValueError("not a job")
    error, warnings = _complete_error(content["error"]), tuple(content["warnings"])
    return JobReport(**{**content, "error": error, "warnings": warnings})


def _complete_error(error: Mapping[str, str] | None) -> Mapping[str, str] | None:
    return None if error is None else {"code": "", "message": "", "hint": "", **error}
