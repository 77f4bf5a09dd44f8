"""Measure the robustness and performance of batches.

Run ``python -m benchmarks.batch`` for all measurements (half an hour) or choose some, as in
``python -m benchmarks.batch planning memory``. All clips are short and made from the example.
"""

from __future__ import annotations

import json as json_format
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.batch_failures import measure_failures
from benchmarks.batch_kills import measure_kills
from benchmarks.batch_performance import measure_memory, measure_overhead, measure_planning, measure_shared
from benchmarks.report import Target, print_targets, write_json
from heygem_cli.cli.output import report_errors

MEASUREMENTS: Mapping[str, Callable[[Path], list[Target]]] = {
    "kills": measure_kills,
    "failures": measure_failures,
    "shared": measure_shared,
    "memory": measure_memory,
    "planning": measure_planning,
    "overhead": measure_overhead,
}


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Any of {', '.join(MEASUREMENTS)}; default: all.")] = None,
    *,
    json: Annotated[Path | None, typer.Option(help="Write all measurements to this file.")] = None,
) -> None:
    """Measure heygem batch."""
    targets: list[Target] = []
    for name in names or MEASUREMENTS:
        if name not in MEASUREMENTS:
            raise typer.BadParameter(f"{name} is not one of {', '.join(MEASUREMENTS)}")
        with report_errors(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as folder:
            targets += MEASUREMENTS[name](Path(folder))
    print_targets(targets)
    load = Path("/proc/loadavg").read_text("ascii").split()[:3]
    typer.echo(f"load average of the machine over 1, 5 and 15 minutes: {' '.join(load)}")
    if json:
        write_json(json, {"load": json_format.dumps(load)}, targets)


if __name__ == "__main__":
    typer.run(main)
