"""Output of the benchmarks: plain tables, and targets with a pass or fail mark."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH = 172


@dataclass(frozen=True)
class Target:
    """A target for a measured value: at most ``limit``, or at least if ``at_least``."""

    name: str
    value: float
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether the value reaches the target; NaN does not."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table to stdout; the first column is text, the others are numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=bool(index))
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, width=WIDTH).print(table)


def print_targets(targets: Sequence[Target]) -> None:
    """Print a table of the targets."""
    rows = [
        (
            target.name,
            f"{number(target.value)}{target.unit}",
            f"{'≥' if target.at_least else '≤'} {target.limit:g}{target.unit}",
            "pass" if target.reached else "FAIL",
        )
        for target in targets
    ]
    print_table("Targets", ("", "measured", "target", ""), rows)


def number(value: float, digits: int = 2) -> str:
    """Format a number; NaN as a dash."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def write_json(path: Path, content: dict[str, object], targets: Sequence[Target]) -> None:
    """Write all measurements and targets."""
    rows = [{**asdict(target), "reached": target.reached} for target in targets]
    path.write_text(json.dumps({**content, "targets": rows}, indent=2, ensure_ascii=False) + "\n", "utf-8")
