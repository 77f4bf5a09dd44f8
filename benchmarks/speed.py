"""Measure the speed of a render, without and with a cached track, against plain ffmpeg decode + encode.

Run ``python -m benchmarks.speed``; README.md explains the measurements.
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
from benchmarks.report import Target, number, print_table, print_targets, write_json
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
        wall: Wall-clock seconds.
        cpu: CPU seconds, including children.
        others: Share of the machine's CPU time that other programs used meanwhile.
        stages: Seconds of each stage of a render.
    """

    wall: float
    cpu: float
    others: float
    stages: dict[str, float]


@dataclass(frozen=True)
class Round:
    """One run of each variant in immediate succession, so that all see a similar load of the machine.

    Attributes:
        track_check: Seconds that it takes to read the cached track with its checksum and all its values.
    """

    ffmpeg: Run
    cold: Run
    cached: Run
    track_check: float
    program: Run


def timed(work: Callable[[], RenderResult | None]) -> Run:
    """Measure one run."""
    start, cpu_before, busy_before = time.perf_counter(), cpu_time(), busy_time()
    result = work()
    wall, cpu = time.perf_counter() - start, cpu_time() - cpu_before
    others = (busy_time() - busy_before - cpu) / (wall * (os.cpu_count() or 1))
    return Run(wall, cpu, max(0.0, others), result.seconds if result else {})


def cpu_time() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def busy_time() -> float:
    """Return the seconds that the machine's CPUs were busy or stolen by the host, summed over all CPUs."""
    user, nice, system, _idle, _waiting, *rest = map(
        int, Path("/proc/stat").read_text("ascii").split("\n")[0].split()[1:9]
    )
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def measure(face: Path, audio: Path, repeat: int, folder: Path) -> list[Round]:
    """Measure ``repeat`` rounds after a warm-up render.

    Args:
        face: The face video.
        audio: Speech of the same length.
        repeat: Number of rounds.
        folder: Folder for outputs and caches.
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
    return [run_round(pipeline, job, folder / f"cache-{number}") for number in range(repeat)]


def run_round(pipeline: Pipeline, job: RenderJob, cache: Path) -> Round:
    """Run each variant once.

    Args:
        pipeline: A loaded pipeline.
        job: The job to render.
        cache: A folder that does not exist yet.
    """
    from heygem_cli.pipeline import check_job  # noqa: PLC0415 - after the settings

    os.environ["HEYGEM_CACHE_DIR"] = str(cache)
    plain = timed(partial(transcode, job.face, job.audio, job.output))
    cold, cached = (timed(lambda: pipeline.render(job, check_job(job))) for _ in range(2))
    track_check = time_track_check(cache)
    os.environ["HEYGEM_CACHE_DIR"] = f"{cache}-of-program"
    program = partial(run_program, "render", job.audio, job.face, "-o", job.output, "--overwrite", "--quiet")
    return Round(plain, cold, cached, track_check, timed(program))


def time_track_check(cache: Path) -> float:
    """Return the seconds that it takes to check the only track of a cache, as a render does."""
    from heygem_cli.face.video_track import read_track  # noqa: PLC0415 - after the settings

    (path,) = (cache / "tracks").glob("*.track")
    start = time.perf_counter()
    read_track(path, key=path.stem).close()
    return time.perf_counter() - start


def run_program(*arguments: str | Path) -> None:
    """Run the program in a new process.

    Raises:
        HeygemError: The program failed.
    """
    command = [sys.executable, "-m", "heygem_cli", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise HeygemError("program-failed", f"heygem {arguments[0]} failed: {done.stderr.strip()}")


def time_help() -> float:
    """Return the seconds that ``heygem --help`` takes, the best of five."""
    return min(timed(partial(run_program, "--help")).wall for _ in range(5))


VARIANTS = {
    "ffmpeg": "ffmpeg, decode + encode",
    "cached": "render, track cached",
    "cold": "render, cold",
    "program": "whole program, cold",
}


def ratio(rounds: Sequence[Round], variant: str, clock: str) -> float:
    """Return the median over the rounds of the time relative to ffmpeg."""
    return float(median(getattr(getattr(each, variant), clock) / getattr(each.ffmpeg, clock) for each in rounds))


def print_rounds(rounds: Sequence[Round], frames: int) -> None:
    """Print a row for each variant."""
    rows = []
    for variant, label in VARIANTS.items():
        runs: list[Run] = [getattr(each, variant) for each in rounds]
        wall, cpu = median(run.wall for run in runs), median(run.cpu for run in runs)
        wall_ratio, cpu_ratio = (ratio(rounds, variant, clock) for clock in ("wall", "cpu"))
        values = (wall, min(run.wall for run in runs), wall_ratio, cpu, cpu_ratio)
        others = f"{median(run.others for run in runs):.0%}"
        stages = " · ".join(f"{stage} {median(run.stages[stage] for run in runs):.2f}" for stage in runs[0].stages)
        rows.append([label, number(frames / wall, 1), *map(number, values), others, stages])
    columns = ("", "frames/s", "seconds", "best", "over ffmpeg", "CPU s", "over ffmpeg", "others", "seconds by stage")
    print_table(f"Speed: {frames} frames, median of {len(rounds)} rounds", columns, rows)


def main(
    *,
    face: Annotated[Path, typer.Option(help="Face video; scaled to fit, and looped.")] = FACE,
    audio: Annotated[Path, typer.Option(help="Speech; looped.")] = AUDIO,
    size: Annotated[Literal["720p", "1080p"], typer.Option(help="Frame size.")] = "720p",
    seconds: Annotated[float, typer.Option(min=1, help="Length of the video.")] = 20,
    repeat: Annotated[int, typer.Option(min=1, help="Number of rounds.")] = 3,
    json: Annotated[Path | None, typer.Option(help="Write all measurements to this file.")] = None,
) -> None:
    """Measure speed."""
    with report_errors(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as temporary:
        folder = Path(temporary)
        clip, voice = make_inputs(face, audio, folder, size=SIZES[size], seconds=seconds)
        rounds = measure(clip, voice, repeat, folder)
    print_rounds(rounds, round(seconds * FPS))
    targets = [
        Target("track cached, time over ffmpeg", ratio(rounds, "cached", "wall"), 1.8),
        Target("cold, time over ffmpeg", ratio(rounds, "cold", "wall"), 2.4),
        Target(
            "check of the cached track, share of the render",
            100 * median(each.track_check / each.cached.wall for each in rounds),
            2.0,
            " %",
        ),
        Target("heygem --help", time_help(), 0.3, " s"),
    ]
    print_targets(targets)
    cores = len(os.sched_getaffinity(0))
    typer.echo(f"{face.name} at {size}, {cores} cores; 'others' is the share of CPU time that other programs used")
    if json:
        write_json(json, {"size": size, "seconds": seconds, "rounds": [asdict(each) for each in rounds]}, targets)


if __name__ == "__main__":
    typer.run(main)
