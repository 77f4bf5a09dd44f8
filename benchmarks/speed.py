"""How fast it renders: plain ffmpeg decode + encode, render cold, render with the track cached, in one run on one file.

Run ``python -m benchmarks.speed``; see README.md for what the figures mean.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from benchmarks.clips import AUDIO, FACE, FPS, SIZES, make_inputs, transcode
from benchmarks.report import Goal, figure, print_goals, print_table, write_json
from heygem_cli.cli.output import report_errors
from heygem_cli.errors import HeygemError
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings

if TYPE_CHECKING:
    from heygem_cli.job import RenderJob, RenderResult
    from heygem_cli.pipeline import Pipeline


@dataclass(frozen=True)
class Run:
    """One timed run.

    Attributes:
        wall: seconds.
        cpu: seconds of processor time, children included.
        others: share of the machine's processors that other programs took meanwhile.
        stages: seconds of each stage of a render.
    """

    wall: float
    cpu: float
    others: float
    stages: dict[str, float]


@dataclass(frozen=True)
class Round:
    """The same work done in each way, one after the other, so that all see the same load of the machine."""

    ffmpeg: Run
    cold: Run
    cached: Run
    program: Run


def timed(work: Callable[[], RenderResult | None]) -> Run:
    """Time some work."""
    start, cpu_before, busy_before = time.perf_counter(), processor_time(), busy_time()
    result = work()
    wall, cpu = time.perf_counter() - start, processor_time() - cpu_before
    others = (busy_time() - busy_before - cpu) / (wall * (os.cpu_count() or 1))
    return Run(wall, cpu, max(0.0, others), result.seconds if result else {})


def processor_time() -> float:
    """Seconds of processor time of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def busy_time() -> float:
    """Seconds that all processors of the machine together were not idle, or that the host took from them."""
    user, nice, system, _idle, _waiting, *rest = map(
        int, Path("/proc/stat").read_text("ascii").split("\n")[0].split()[1:9]
    )
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def measure(face: Path, audio: Path, repeat: int, folder: Path) -> list[Round]:
    """Do the work ``repeat`` times in each way, after one render that loads and warms up everything.

    Args:
        face: the video.
        audio: as long as the video.
        repeat: rounds.
        folder: for outputs and caches.
    """
    settings = read_settings(os.environ)
    apply_settings(settings, os.environ)
    hide_native_output()
    from heygem_cli.job import RenderJob  # noqa: PLC0415
    from heygem_cli.options import EngineOptions, RenderOptions  # noqa: PLC0415 - after the settings
    from heygem_cli.pipeline import Pipeline, check_job  # noqa: PLC0415

    pipeline = Pipeline(EngineOptions(), settings)
    job = RenderJob(audio, face, folder / "rendered.mp4", RenderOptions(overwrite=True))
    pipeline.render(replace(job, options=RenderOptions(overwrite=True, no_cache=True)), check_job(job))
    return [one_round(pipeline, job, folder / f"cache-{number}") for number in range(repeat)]


def one_round(pipeline: Pipeline, job: RenderJob, cache: Path) -> Round:
    """Do the work once in each way.

    Args:
        pipeline: loaded.
        job: what to render.
        cache: a folder that does not exist.
    """
    from heygem_cli.pipeline import check_job  # noqa: PLC0415 - after the settings

    os.environ["HEYGEM_CACHE_DIR"] = str(cache)
    plain = timed(partial(transcode, job.face, job.audio, job.output))
    cold, cached = (timed(lambda: pipeline.render(job, check_job(job))) for _ in range(2))
    os.environ["HEYGEM_CACHE_DIR"] = f"{cache}-of-program"
    program = partial(run_program, "render", job.audio, job.face, "-o", job.output, "--overwrite", "--quiet")
    return Round(plain, cold, cached, timed(program))


def run_program(*arguments: str | Path) -> None:
    """Run the whole program in a process of its own.

    Raises:
        HeygemError: it failed.
    """
    command = [sys.executable, "-m", "heygem_cli", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise HeygemError("program-failed", f"heygem {arguments[0]} failed: {done.stderr.strip()}")


def time_help() -> float:
    """Seconds that ``heygem --help`` takes, the best of five."""
    return min(timed(partial(run_program, "--help")).wall for _ in range(5))


WAYS = {
    "ffmpeg": "ffmpeg, decode + encode",
    "cached": "render, track cached",
    "cold": "render, cold",
    "program": "whole program, cold",
}


def ratio(rounds: Sequence[Round], way: str, clock: str) -> float:
    """Time over that of ffmpeg in the same round, the median of the rounds."""
    return float(median(getattr(getattr(each, way), clock) / getattr(each.ffmpeg, clock) for each in rounds))


def show(rounds: Sequence[Round], frames: int) -> None:
    """Print a row for each way."""
    rows = []
    for way, label in WAYS.items():
        runs: list[Run] = [getattr(each, way) for each in rounds]
        wall, cpu = median(run.wall for run in runs), median(run.cpu for run in runs)
        figures = (wall, min(run.wall for run in runs), ratio(rounds, way, "wall"), cpu, ratio(rounds, way, "cpu"))
        others = f"{median(run.others for run in runs):.0%}"
        stages = " · ".join(f"{stage} {median(run.stages[stage] for run in runs):.2f}" for stage in runs[0].stages)
        rows.append([label, figure(frames / wall, 1), *map(figure, figures), others, stages])
    columns = ("", "frames/s", "seconds", "best", "over ffmpeg", "CPU s", "over ffmpeg", "others", "seconds by stage")
    print_table(f"Speed: {frames} frames, median of {len(rounds)} rounds", columns, rows)


def main(
    *,
    face: Annotated[Path, typer.Option(help="A video of a face; it is scaled to fit, and looped.")] = FACE,
    audio: Annotated[Path, typer.Option(help="Speech; it is looped.")] = AUDIO,
    size: Annotated[Literal["720p", "1080p"], typer.Option(help="Of the picture.")] = "720p",
    seconds: Annotated[float, typer.Option(min=1, help="Length of the video.")] = 20,
    repeat: Annotated[int, typer.Option(min=1, help="Rounds.")] = 3,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Measure speed."""
    with report_errors(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as temporary:
        folder = Path(temporary)
        clip, voice = make_inputs(face, audio, folder, size=SIZES[size], seconds=seconds)
        rounds = measure(clip, voice, repeat, folder)
    show(rounds, round(seconds * FPS))
    goals = [
        Goal("track cached, time over ffmpeg", ratio(rounds, "cached", "wall"), 1.8),
        Goal("cold, time over ffmpeg", ratio(rounds, "cold", "wall"), 2.4),
        Goal("heygem --help", time_help(), 0.3, " s"),
    ]
    print_goals(goals)
    cores = len(os.sched_getaffinity(0))
    typer.echo(f"{face.name} at {size}, {cores} cores; of which other programs took the share under 'others'")
    if json:
        write_json(json, {"size": size, "seconds": seconds, "rounds": [asdict(each) for each in rounds]}, goals)


if __name__ == "__main__":
    typer.run(main)
