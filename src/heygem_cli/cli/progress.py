"""Progress on stderr: a bar on a terminal, otherwise a line every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

from heygem_cli.cli.output import console

if TYPE_CHECKING:
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
        unit = "s/s" if task.fields.get("stage") in SECONDS else "fps"
        return Text(f"{task.speed:.0f} {unit}" if task.speed else "", style="dim")


@contextmanager
def show_progress(*, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Show the progress of a render while the block runs; yields the callback."""
    screen = console(stderr=True)
    if quiet:
        yield lambda _: None
    elif screen.is_terminal:
        columns = (TextColumn("{task.description:<10}"), BarColumn(), TaskProgressColumn(), _Rate())
        with Bar(*columns, TimeRemainingColumn(), console=screen, transient=True) as bar:
            yield _bar_report(bar)
    else:
        yield _plain_report(screen.print)


def _bar_report(bar: Bar) -> Callable[[Progress], None]:
    tasks: dict[str, object] = {}

    def report(progress: Progress) -> None:
        if progress.stage not in tasks:
            for task in bar.task_ids:
                bar.remove_task(task)
            tasks[progress.stage] = bar.add_task(LABELS[progress.stage], total=progress.total, stage=progress.stage)
        bar.update(bar.task_ids[-1], completed=progress.done, total=progress.total)

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
        write(f"{LABELS[progress.stage]}: {progress.done:.0f}{total} {unit}")

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
