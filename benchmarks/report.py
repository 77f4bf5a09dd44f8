"""How benchmarks print: plain tables, and the figures to reach with a mark."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH = 160


@dataclass(frozen=True)
class Goal:
    """A figure to reach: ``value`` is at most ``bound``, or at least if ``least``."""

    what: str
    value: float
    bound: float
    unit: str = ""
    least: bool = False

    @property
    def reached(self) -> bool:
        """Whether it is; a figure that could not be measured is not."""
        return self.value >= self.bound if self.least else self.value <= self.bound


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print one table on stdout; the first column is text, the others are figures."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=bool(number))
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, width=WIDTH).print(table)


def print_goals(goals: Sequence[Goal]) -> None:
    """Print the figures to reach."""
    rows = [
        (
            goal.what,
            f"{figure(goal.value)}{goal.unit}",
            f"{'≥' if goal.least else '≤'} {goal.bound:g}{goal.unit}",
            "pass" if goal.reached else "FAIL",
        )
        for goal in goals
    ]
    print_table("Figures to reach", ("what", "measured", "wanted", ""), rows)


def figure(value: float, digits: int = 2) -> str:
    """Write a figure; a dash where it could not be measured."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def write_json(path: Path, content: dict[str, object], goals: Sequence[Goal]) -> None:
    """Write everything that was measured."""
    judged = [{**asdict(goal), "reached": goal.reached} for goal in goals]
    path.write_text(json.dumps({**content, "goals": judged}, indent=2, ensure_ascii=False) + "\n", "utf-8")
