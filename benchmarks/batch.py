"""Whether a batch keeps its promises, at the size at which they matter.

Run ``python -m benchmarks.batch`` for all of it (half an hour), or name what to measure, as in
``python -m benchmarks.batch planning memory``. All clips are short and made from the example.
"""

from __future__ import annotations

import json as json_format
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.batch_disasters import measure_failures, measure_kills
from benchmarks.batch_figures import measure_memory, measure_overhead, measure_planning, measure_shared
from benchmarks.report import Goal, print_goals, write_json
from heygem_cli.cli.output import report_errors

MEASURES: Mapping[str, Callable[[Path], list[Goal]]] = {
    "kills": measure_kills,
    "failures": measure_failures,
    "shared": measure_shared,
    "memory": measure_memory,
    "planning": measure_planning,
    "overhead": measure_overhead,
}


def main(
    what: Annotated[list[str] | None, typer.Argument(help=f"Any of {', '.join(MEASURES)}; all without.")] = None,
    *,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Measure heygem batch."""
    goals: list[Goal] = []
    for name in what or MEASURES:
        if name not in MEASURES:
            raise typer.BadParameter(f"{name} is not one of {', '.join(MEASURES)}")
        with report_errors(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as folder:
            goals += MEASURES[name](Path(folder))
    print_goals(goals)
    load = Path("/proc/loadavg").read_text("ascii").split()[:3]
    typer.echo(f"load average of the machine in the last 1, 5 and 15 minutes: {' '.join(load)}")
    if json:
        write_json(json, {"load": json_format.dumps(load)}, goals)


if __name__ == "__main__":
    typer.run(main)
