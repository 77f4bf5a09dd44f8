"""Measure batches on several processes and nodes, and whether the one process that plans them keeps up.

::

    python -m benchmarks.scale driver --rows 1000000      # rows planned a second, and memory a row
    python -m benchmarks.scale files --rows 10000         # likewise, where each row has files of its own
    python -m benchmarks.scale simulation --rows 20000    # 1,000 nodes, of which 1 % fail in an hour
    python -m benchmarks.scale workers                    # jobs an hour with 1, 2 and 4 processes
    python -m benchmarks.scale ray                        # what Ray costs for each job
    python -m benchmarks.scale nodes                      # two nodes of a Ray cluster, one killed every 20 s

The simulation runs the real queue, rules and journal; only the workers are simulated, and wait on a clock of their own.
"""

from __future__ import annotations

import heapq
import itertools
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks.batch_folder import make_face, make_voice
from benchmarks.report import Target, print_targets
from benchmarks.scale_workers import measure_nodes, measure_ray, measure_workers
from heygem_cli.batch.attempts import Attempt, Attempts
from heygem_cli.batch.journal import JobState, open_journal
from heygem_cli.batch.plan import PlannedJob
from heygem_cli.batch.request import BatchRequest
from heygem_cli.batch.session import check_batch
from heygem_cli.batch.worker import Failure
from heygem_cli.job import Progress
from heygem_cli.options import BatchOptions

EXAMPLES = Path(__file__).parents[1] / "examples"
NODES = 1000
FAILURES_AN_HOUR = 0.01
JOB_SECONDS = (20.0, 120.0)
LOST = Failure("node-lost", "the node was lost", worker_died=True, node_lost=True)


class _Silent:
    def job_started(self, job: PlannedJob) -> None:
        """Ignore it."""

    def job_progressed(self, job: PlannedJob, progress: Progress) -> None:
        """Ignore it."""

    def job_finished(self, job: PlannedJob, state: JobState, failure: Failure | None) -> None:
        """Ignore it."""

    def warned(self, text: str) -> None:
        """Ignore it."""


def plan(folder: Path, rows: int, *, own_files: bool = False) -> list[PlannedJob]:
    """Check and plan a manifest of short rows, and print how fast that was and how much memory it took.

    Args:
        folder: Where the manifest and its files go.
        rows: Number of rows.
        own_files: Whether each row has an audio and a face video of its own, all short and small, instead of one for
            all rows.
    """
    files = (
        _copy_files(folder, rows) if own_files else itertools.repeat((EXAMPLES / "audio.wav", EXAMPLES / "face.mp4"))
    )
    manifest = folder / "list.csv"
    with manifest.open("w") as file:
        file.write("audio,face,output\n")
        file.writelines(
            f"{audio},{face},{number}.mp4\n" for number, (audio, face) in zip(range(rows), files, strict=False)
        )
    times: list[float] = []
    memory, start = _peak_memory(), time.process_time()
    jobs = check_batch(BatchRequest(manifest), lambda *_: times.append(time.process_time())).plan({})
    probing = times[-1] - times[0]
    seconds = time.process_time() - start - probing
    print(
        f"{rows} rows: {rows / seconds:.0f} planned a second of CPU time, besides {probing:.1f} s to probe their files"
    )
    peak = _peak_memory()
    print(f"{(peak - memory) / rows:.0f} bytes each at the most; {peak / 1e6:.0f} MB with the program itself")
    return jobs


def _copy_files(folder: Path, count: int) -> Iterator[tuple[Path, Path]]:
    """Make pairs of short audio files and small face videos; those of one kind have the same content."""
    voice, face = make_voice(folder / "voice.wav", 0, 0.2), make_face(folder / "face.mp4", 0, size=64)
    for number in range(count):
        yield (
            Path(shutil.copyfile(voice, folder / f"voice{number}.wav")),
            Path(shutil.copyfile(face, folder / f"face{number}.mp4")),
        )


def _peak_memory() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def simulate(folder: Path, jobs: list[PlannedJob]) -> None:
    """Run the jobs on simulated nodes, and print how busy the real driver was and what became of the jobs."""
    chance = random.Random(1)  # noqa: S311 - repeatable
    now, lost, started = 0.0, 0, time.perf_counter()
    running: list[tuple[float, int, Attempt, bool]] = []
    with open_journal(folder / "list.jsonl") as journal:
        attempts = Attempts(jobs, journal, "simulation", BatchOptions(), _Silent())
        free = list(range(NODES))
        while attempts.queue or running:
            while free and attempts.queue:
                node = free.pop()
                attempt = attempts.start(*attempts.queue.take(str(node), str(node)), f"node {node}")
                seconds = chance.uniform(*JOB_SECONDS)
                dies = chance.random() < FAILURES_AN_HOUR * seconds / 3600
                heapq.heappush(running, (now + seconds, node, attempt, dies))
            now, node, attempt, dies = heapq.heappop(running)
            attempts.finish(attempt, LOST if dies else {"duration": 1.0})
            lost += dies
            free.append(node)
        done = sum(state.status == "done" for state in journal.states.values())
    spent = time.perf_counter() - started
    print(f"{done} of {len(jobs)} jobs done on {NODES} nodes in {now:.0f} s of their time; {lost} nodes were lost")
    print(f"the driver took {spent:.0f} s for it: {len(jobs) / spent:.0f} jobs a second")


MEASUREMENTS: Mapping[str, Callable[[Path], list[Target]]] = {
    "workers": measure_workers,
    "ray": measure_ray,
    "nodes": measure_nodes,
}


def main(
    part: Literal["driver", "files", "simulation", "workers", "ray", "nodes"],
    rows: Annotated[int, typer.Option(min=1, help="Of driver, files and simulation.")] = 20_000,
) -> None:
    """Run the program."""
    with tempfile.TemporaryDirectory(prefix="heygem-bench-") as name:
        folder = Path(name)
        if part in MEASUREMENTS:
            if targets := MEASUREMENTS[part](folder):
                print_targets(targets)
        else:
            jobs = plan(folder, rows, own_files=part == "files")
            if part == "simulation":
                simulate(folder, jobs)
    load = Path("/proc/loadavg").read_text("ascii").split()[:3]
    print(f"load average of the machine over 1, 5 and 15 minutes: {' '.join(load)}")


if __name__ == "__main__":
    typer.run(main)
