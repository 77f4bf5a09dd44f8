"""Progress on stderr: a bar on a terminal, otherwise a line every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

from heygem_cli.cli.output import console, format_duration
from heygem_cli.errors import plural, printable
from heygem_cli.time_left import JobTimeLeft, TimeLeft, part_done

if TYPE_CHECKING:
    from heygem_cli.batch.journal import JobState
    from heygem_cli.batch.plan import PlannedJob
    from heygem_cli.batch.worker import Failure
    from heygem_cli.job import Progress

LABELS = {
    "speech": "listening",
    "track": "tracking",
    "prepare": "preparing",
    "start": "starting",
    "render": "rendering",
}
SECONDS = ("speech", "start")
"""Stages that are measured in seconds instead of frames."""
LINE_INTERVAL = 10.0
"""Seconds between two lines."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        in_seconds = task.fields.get("stage") in SECONDS
        speed = "" if not task.speed else f"×{task.speed:.0f}" if in_seconds else f"{task.speed:.0f} fps"
        return Text(speed, style="dim")


class _Left(ProgressColumn):
    """Shows the time left of the whole job or batch, which all tasks share."""

    max_refresh = 0.5

    def __init__(self, left: JobTimeLeft | TimeLeft | None = None) -> None:
        super().__init__()
        self.left = left

    def render(self, task: Task) -> Text:  # noqa: ARG002
        seconds = None if self.left is None else self.left.seconds(time.monotonic())
        shown = "-:--:--" if seconds is None else str(timedelta(seconds=round(seconds)))
        return Text(shown, style="progress.remaining")


@contextmanager
def show_progress(*, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Show the progress of a render while the block runs; yields the callback."""
    screen = console(stderr=True)
    if quiet:
        yield lambda _: None
    elif screen.is_terminal:
        columns = (TextColumn("{task.description:<10}"), BarColumn(), TaskProgressColumn(), _Rate())
        left = JobTimeLeft()
        with Bar(*columns, _Left(left), console=screen, transient=True) as bar:
            yield _bar_report(bar, left)
    else:
        yield _plain_report(screen.print)


def describe(progress: Progress) -> str:
    """Return what is being done."""
    return f"{LABELS[progress.stage]} ({progress.detail})" if progress.detail else LABELS[progress.stage]


def _bar_report(bar: Bar, left: JobTimeLeft) -> Callable[[Progress], None]:
    tasks: dict[str, object] = {}

    def report(progress: Progress) -> None:
        if progress.stage not in tasks:
            for task in bar.task_ids:
                bar.remove_task(task)
            tasks[progress.stage] = bar.add_task(LABELS[progress.stage], total=progress.total, stage=progress.stage)
        left.update(progress, time.monotonic())
        bar.update(bar.task_ids[-1], completed=progress.done, total=progress.total, description=describe(progress))

    return report


def _plain_report(write: Callable[[str], None]) -> Callable[[Progress], None]:
    last = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last < LINE_INTERVAL:
            return
        last = time.monotonic()
        unit = "s" if progress.stage in SECONDS else "frames"
        total = f" of {progress.total:.0f}" if progress.total else ""
        write(f"{describe(progress)}: {progress.done:.0f}{total} {unit}")

    return report


@contextmanager
def show_checking(*, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how many input files are checked; yields the callback, which takes done and total."""
    screen = console(stderr=True)
    if quiet or not screen.is_terminal:
        yield lambda *_: None
        return
    with Bar(TextColumn("checking files"), BarColumn(), MofNCompleteColumn(), console=screen, transient=True) as bar:
        task = bar.add_task("checking", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def show_batch_progress(*, quiet: bool, debug: bool) -> Iterator[Callable[[Sequence[PlannedJob]], BatchProgress]]:
    """Show the progress of a batch while the block runs: a bar on a terminal, a line for each job elsewhere.

    Yields:
        A function that makes the observer of the batch from its plan.
    """
    screen = console(stderr=True)
    if quiet or not screen.is_terminal:
        yield partial(BatchProgress, screen=screen, bar=None, quiet=quiet, debug=debug)
        return
    name = TextColumn("{task.fields[jobs]} {task.description}", markup=False)  # a name may contain brackets
    with Bar(name, BarColumn(), TimeElapsedColumn(), _Left(), console=screen, transient=True) as bar:
        yield partial(BatchProgress, screen=screen, bar=bar, quiet=quiet, debug=debug)


class BatchProgress:
    """Shows the number of jobs, the current one, and the time left, which is estimated from seconds of audio.

    Args:
        jobs: The plan.
        screen: Where to write.
        bar: The bar on a terminal; None to write a line for each job.
        quiet: Whether to write only about failures.
        debug: Whether to write tracebacks.
    """

    def __init__(
        self, jobs: Sequence[PlannedJob], *, screen: Console, bar: Bar | None, quiet: bool, debug: bool
    ) -> None:
        audio_seconds = [job.audio_seconds for job in jobs if job.needs_rendering]
        self._screen = screen
        self._bar = bar
        self._quiet = quiet
        self._debug = debug
        self._count = len(audio_seconds)
        self._total_seconds = sum(audio_seconds)
        self._ended = 0
        self._ended_seconds = 0.0
        self._left = TimeLeft(self._total_seconds, time.monotonic())
        self._running: dict[int, float] = {}
        self._running_seconds = 0.0
        if bar is not None:
            for column in bar.columns:
                if isinstance(column, _Left):
                    column.left = self._left
            self._task = bar.add_task("loading", total=self._total_seconds, jobs=f"0/{self._count}")

    def job_started(self, job: PlannedJob) -> None:
        """Show the name of the job, or how many run at the same time."""
        self._running[job.row.number] = 0.0
        if self._bar is not None:
            several = len(self._running) > 1
            name = Text(plural(len(self._running), "job") if several else printable(job.row.id))
            name.truncate(max(8, self._screen.width // 4), overflow="ellipsis")  # leaves space for the time left
            number = self._ended + len(self._running)
            self._bar.update(self._task, description=name.plain, jobs=f"{number}/{self._count}")

    def job_progressed(self, job: PlannedJob, progress: Progress) -> None:
        """Move the bar."""
        if progress.total:
            self._note_part(job, part_done(progress) * job.audio_seconds)
            self._show_done()

    def job_finished(self, job: PlannedJob, state: JobState, failure: Failure | None) -> None:
        """Show how the attempt ended."""
        self._note_part(job, 0.0)
        del self._running[job.row.number]
        if state.status in ("done", "failed"):
            self._ended += 1
            self._ended_seconds += job.audio_seconds
        self._show_done()
        if failure is not None:
            self._print(job, f"{state.status}: {failure.message}")
            if self._debug and failure.trace:
                self._screen.print(Text(failure.trace))
        elif self._bar is None and not self._quiet:
            self._print(job, f"done in {state.seconds:.1f} s{self._time_left()}")
        if state.status == "done" and not self._quiet:
            for text in (state.result or {}).get("warnings", []):
                self._print(job, f"warning: {text}")

    def warned(self, text: str) -> None:
        """Show a problem that costs no job."""
        self._screen.print(Text(f"warning: {printable(text)}"))

    def _note_part(self, job: PlannedJob, seconds: float) -> None:
        """Note how much of the audio of a running job is done."""
        self._running_seconds += seconds - self._running[job.row.number]
        self._running[job.row.number] = seconds

    def _show_done(self) -> None:
        seconds = self._ended_seconds + self._running_seconds
        self._left.update(seconds, time.monotonic())
        if self._bar is not None:
            self._bar.update(self._task, completed=seconds)

    def _print(self, job: PlannedJob, message: str) -> None:
        self._screen.print(Text(f"[{self._ended}/{self._count}] {printable(job.row.id)}: {printable(message)}"))

    def _time_left(self) -> str:
        left = self._left.seconds(time.monotonic())
        return f" · {format_duration(left)} left" if left is not None and self._ended < self._count else ""
