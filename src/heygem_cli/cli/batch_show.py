"""What ``heygem batch`` shows: progress on stderr, plans and reports as tables on stdout."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from heygem_cli.cli.output import console
from heygem_cli.errors import printable

if TYPE_CHECKING:
    from heygem_cli.batch.journal import JobState
    from heygem_cli.batch.plan import PlannedJob
    from heygem_cli.batch.report import BatchReport, JobReport
    from heygem_cli.batch.worker import Failure
    from heygem_cli.job import Progress

WIDE = 100
"""Columns of a terminal in which a table of all that is known of a job can be read."""
ALL_ROWS = 40
"""Jobs that the table lists one by one; of more, only those that are not done."""
SHARE = {"speech": (0.0, 0.1), "track": (0.1, 0.3), "prepare": (0.4, 0.0), "start": (0.4, 0.0), "render": (0.4, 0.6)}
"""Where a stage begins in a job, and how much of the job it is; a rough guess is enough for a bar."""
COLORS = {"done": "green", "failed": "red", "interrupted": "yellow", "waiting": "yellow", "changed": "cyan"}


@dataclass(frozen=True)
class Display:
    """Where progress is shown.

    Attributes:
        bar: on a terminal; elsewhere a line a job.
        quiet: only failures are shown.
        debug: with where they happened.
    """

    screen: Console
    bar: Bar | None
    quiet: bool
    debug: bool


@contextmanager
def open_display(*, quiet: bool, debug: bool) -> Iterator[Display]:
    """Hold the place where progress is shown."""
    screen = console(stderr=True)
    if quiet or not screen.is_terminal:
        yield Display(screen, None, quiet, debug)
        return
    # A name is no markup, however many brackets it has.
    name = TextColumn("{task.fields[jobs]} {task.description}", markup=False)
    columns = (name, BarColumn(), TimeElapsedColumn())
    with Bar(*columns, TimeRemainingColumn(), console=screen, transient=True, speed_estimate_period=3600) as bar:
        yield Display(screen, bar, quiet, debug)


class BatchProgress:
    """Shows jobs, the current job, and the time left by seconds of audio.

    Args:
        jobs: the plan.
        display: where to show it.
    """

    def __init__(self, jobs: Sequence[PlannedJob], display: Display) -> None:
        wanted = [job for job in jobs if job.needs_rendering]
        self._display = display
        self._bar = display.bar
        self._count = len(wanted)
        self._total = sum(job.audio_seconds for job in wanted)
        self._ended = 0
        self._done = 0.0
        self._began = time.monotonic()
        if self._bar is not None:
            self._task = self._bar.add_task("loading", total=self._total, jobs=f"0/{self._count}")

    def job_started(self, job: PlannedJob) -> None:
        """A job begins."""
        if self._bar is not None:
            name = Text(printable(job.row.id))
            name.truncate(max(8, self._display.screen.width // 4), overflow="ellipsis")  # time left has its place too
            self._bar.update(self._task, description=name.plain, jobs=f"{self._ended + 1}/{self._count}")

    def job_progressed(self, job: PlannedJob, progress: Progress) -> None:
        """A job goes on."""
        if self._bar is not None and progress.total:
            begin, share = SHARE[progress.stage]
            part = begin + share * min(1.0, progress.done / progress.total)
            self._bar.update(self._task, completed=self._done + part * job.audio_seconds)

    def job_finished(self, job: PlannedJob, state: JobState, failure: Failure | None) -> None:
        """A job has ended, for now or for good."""
        if state.status in ("done", "failed"):
            self._ended += 1
            self._done += job.audio_seconds
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)
        if failure is not None:
            self._print(job, f"{state.status}: {failure.message}")
            if self._display.debug and failure.trace:
                self._display.screen.print(Text(failure.trace))
        elif self._bar is None and not self._display.quiet:
            self._print(job, f"done in {state.seconds:.1f} s{self._time_left()}")

    def _print(self, job: PlannedJob, what: str) -> None:
        self._display.screen.print(Text(f"[{self._ended}/{self._count}] {printable(job.row.id)}: {printable(what)}"))

    def _time_left(self) -> str:
        left = self._total - self._done
        if not self._done or left <= 0:
            return ""
        return f" · {_duration((time.monotonic() - self._began) / self._done * left)} left"


def plan_table(jobs: Sequence[PlannedJob]) -> Table:
    """The table of ``--dry-run``."""
    table = Table(box=None, pad_edge=False)
    for name in ("row", "id", "action", "why", "seconds", "output"):
        table.add_column(name, justify="right" if name in ("row", "seconds") else "left")
    for job in jobs:
        table.add_row(
            str(job.row.raw.number),
            Text(printable(job.row.id)),
            Text(job.action, style=COLORS.get(job.action, "")),
            Text(printable(job.reason)),
            f"{job.audio_seconds:.1f}",
            Text(printable(job.row.job.output)),
        )
    return table


def plan_summary(jobs: Sequence[PlannedJob]) -> str:
    """One line: how many jobs of each kind, and the audio that is left."""
    counts = {action: sum(job.action == action for job in jobs) for action in ("do", "changed", "done", "failed")}
    left = sum(job.audio_seconds for job in jobs if job.needs_rendering)
    listed = ", ".join(f"{count} {action}" for action, count in counts.items() if count)
    return f"{len(jobs)} jobs: {listed or 'none'}; {left:.1f} s of audio to render ({_duration(left)})"


def plan_object(jobs: Sequence[PlannedJob]) -> dict[str, object]:
    """What ``--dry-run --json`` prints."""
    listed = [
        {
            "id": job.row.id,
            "row": job.row.raw.number,
            "action": job.action,
            "why": job.reason,
            "seconds": round(job.audio_seconds, 3),
            "output": str(job.row.job.output),
        }
        for job in jobs
    ]
    return {"seconds": round(sum(job.audio_seconds for job in jobs if job.needs_rendering), 3), "jobs": listed}


def print_report(report: BatchReport) -> None:
    """Print the table at the end; on a narrow terminal what went wrong follows it, a paragraph a job."""
    wide = console().width >= WIDE
    print_table(report_table(report, wide=wide), "" if wide else report_errors(report), report_summary(report))


def report_table(report: BatchReport, *, wide: bool) -> Table:
    """The table at the end; with fewer columns if it is not wide."""
    table = Table(box=None, pad_edge=False)
    names = ("row", "id", "status", "tries", "seconds", "real-time factor", "no face", "turned", "error")
    shown_names = names if wide else names[:5]
    for name in shown_names:
        table.add_column(name, justify="left" if name in ("id", "status", "error") else "right")
    for job in report.jobs:
        if len(report.jobs) <= ALL_ROWS or job.status != "done":
            cells = (
                str(job.row),
                Text(printable(job.id)),
                Text(job.status, style=COLORS[job.status]),
                str(job.attempts),
                f"{job.seconds:.1f}",
                "" if job.real_time_factor is None else f"{job.real_time_factor:.2f}",
                "" if job.frames_without_face is None else str(job.frames_without_face),
                "" if job.frames_turned_away is None else str(job.frames_turned_away),
                Text(_error(job)),
            )
            table.add_row(*cells[: len(shown_names)])
    return table


def report_errors(report: BatchReport) -> str:
    """What went wrong, a paragraph a job."""
    return "\n".join(f"row {job.row}: {_error(job)}" for job in report.jobs if job.error)


def _error(job: JobReport) -> str:
    error = f"{job.error['code']}: {job.error['message']}. {job.error['hint']}" if job.error else ""
    return printable(error.rstrip(". "))


def report_summary(report: BatchReport) -> str:
    """One line: how the jobs ended."""
    counts = ", ".join(f"{count} {ending}" for ending, count in report.counts.items() if count)
    return f"{len(report.jobs)} jobs: {counts or 'none'}, in {_duration(report.seconds)}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def print_table(table: Table, *below: str) -> None:
    """Print a table, if it has rows, and what belongs below it on stdout."""
    screen = console()
    if table.row_count:
        screen.print(table)
    for text in filter(None, below):
        screen.print(Text(text))
