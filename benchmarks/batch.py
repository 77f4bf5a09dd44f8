"""Measure the robustness and performance of batches.

Run ``python -m benchmarks.batch`` for all measurements (half an hour) or choose some, as in
``python -m benchmarks.batch planning memory`` or ``python -m benchmarks.batch kills --count 1000``, which also kills
``heygem render``. All clips are short and made from the example.
"""

from __future__ import annotations

import json as json_format
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.batch_failures import measure_failures
from benchmarks.batch_kills import KillPlan, KillRecord, measure_kills
from benchmarks.batch_performance import measure_memory, measure_overhead, measure_planning, measure_shared
from benchmarks.report import Target, print_targets, write_json
from heygem_cli.cli.output import report_errors

MEASUREMENTS: Mapping[str, Callable[[Path], list[Target]]] = {
    "failures": measure_failures,
    "shared": measure_shared,
    "memory": measure_memory,
    "planning": measure_planning,
    "overhead": measure_overhead,
}
NAMES = ("kills", *MEASUREMENTS)


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Any of {', '.join(NAMES)}; default: all.")] = None,
    *,
    count: Annotated[int, typer.Option(min=1, help="Number of kills.")] = 100,
    first: Annotated[int, typer.Option(min=0, help="Number of the first kill: `--count 1` repeats it.")] = 0,
    seed: Annotated[int, typer.Option(help="The kinds and moments of the kills follow from it.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Kills at a time.")] = 2,
    json: Annotated[Path | None, typer.Option(help="Write all measurements, and each kill, to this file.")] = None,
) -> None:
    """Measure heygem batch; the exit status is 1 if a kill did harm."""
    targets: list[Target] = []
    records: list[KillRecord] = []
    kills = partial(_kills, plan=KillPlan(count, first, seed, jobs), records=records)
    for name in names or NAMES:
        if name not in NAMES:
            raise typer.BadParameter(f"{name} is not one of {', '.join(NAMES)}")
        with report_errors(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as folder:
            targets += kills(Path(folder)) if name == "kills" else MEASUREMENTS[name](Path(folder))
    print_targets(targets)
    load = Path("/proc/loadavg").read_text("ascii").split()[:3]
    typer.echo(f"load average of the machine over 1, 5 and 15 minutes: {' '.join(load)}")
    if json:
        write_json(json, {"load": json_format.dumps(load), "kills": [asdict(record) for record in records]}, targets)
    raise typer.Exit(any(record.faults for record in records))


def _kills(folder: Path, *, plan: KillPlan, records: list[KillRecord]) -> list[Target]:
    targets, records[:] = measure_kills(folder, plan)
    return targets


if __name__ == "__main__":
    typer.run(main)
