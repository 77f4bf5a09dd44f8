"""Performance of a batch: shared work, memory, planning and overhead per job."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.batch_folder import BatchFolder, make_face, make_voice
from benchmarks.memory import status_bytes
from benchmarks.report import Target, number, print_table


def seconds_of(work: Callable[[], object]) -> float:
    """Return the wall-clock time of some work."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_shared(folder: Path) -> list[Target]:
    """Compare a batch of ten audios with one face video with ten single renders."""
    make_face(folder / "face.mp4", 1, seconds=3, size=720)
    voices = [make_voice(folder / f"{n}.wav", n, 2 + n / 10).name for n in range(10)]
    cached, uncached, batch = (BatchFolder(folder, folder / f"cache{n}") for n in range(3))
    batch.write_manifest({"audio": voice, "face": "face.mp4"} for voice in voices)

    def render_each(runner: BatchFolder, *args: str) -> None:
        for voice in voices:
            runner.run(voice, "face.mp4", "-o", "single.mp4", "--overwrite", *args, command="render")

    seconds = {
        "ten renders, no cache": seconds_of(lambda: render_each(uncached, "--no-cache")),
        "ten renders, track cached by the first": seconds_of(lambda: render_each(cached)),
        "one batch": seconds_of(batch.run),
    }
    rows = [(label, number(value, 1), number(seconds["one batch"] / value)) for label, value in seconds.items()]
    print_table("Ten audios of 2 to 3 s with one 720p face video", ("", "seconds", "ratio of the batch"), rows)
    tracked = sum(not event["result"]["track_cached"] for event in batch.events("done"))
    return [Target("times the face is tracked in a batch of ten", tracked, 1)]


def measure_memory(folder: Path) -> list[Target]:
    """Compare the memory of a process after 200 jobs with that after 10."""
    for n in range(5):
        make_face(folder / f"face{n}.mp4", n)
        make_voice(folder / f"{n}.wav", n, 0.5 + n / 5)
    batch = BatchFolder(folder, folder / "cache")
    batch.write_manifest({"audio": f"{n % 5}.wav", "face": f"face{n // 41}.mp4", "id": f"job{n}"} for n in range(205))
    process = batch.start()
    sizes: dict[int, int] = {}
    while process.poll() is None:
        done = len(batch.events("done"))
        if done and done not in sizes:
            sizes[done] = status_bytes(process.pid, "VmRSS")
        time.sleep(0.02)

    def around(job: int) -> float:
        return float(median(size for done, size in sizes.items() if abs(done - job) <= 3))

    early, late = around(10), around(200)
    rows = [(f"after {job} jobs", number(size / 1e6, 0)) for job, size in ((10, early), (200, late))]
    print_table("Memory of the process (median over seven jobs)", ("", "MB resident"), rows)
    return [Target("memory after 200 jobs over that after 10", late / early, 1.1)]


def measure_planning(folder: Path) -> list[Target]:
    """Plan ten thousand rows with fifty files."""
    for n in range(25):
        make_face(folder / f"face{n}.mp4", n)
        make_voice(folder / f"{n}.wav", n, 1 + n / 10)
    batch = BatchFolder(folder, folder / "cache")
    batch.write_manifest(
        {"audio": f"{n % 25}.wav", "face": f"face{n // 25 % 25}.mp4", "id": f"job{n}", "crf": str(n % 51)}
        for n in range(10_000)
    )
    times = [seconds_of(lambda: batch.run("--dry-run", "--json")) for _ in range(3)]
    rows = [("heygem batch --dry-run, whole program", number(median(times)), number(min(times)))]
    print_table("Planning 10,000 rows with 50 files", ("", "seconds, median of 3", "best"), rows)
    return [Target("planning 10,000 rows with 50 files", float(median(times)), 10, " s")]


def measure_overhead(folder: Path) -> list[Target]:
    """Fit time over frames with a line, whose intercept is the overhead of a job."""
    make_face(folder / "face.mp4", 1)
    lengths = [0.5 + n / 4 for n in range(24)]
    for n, seconds in enumerate(lengths):
        make_voice(folder / f"{n}.wav", n, seconds)
    batch = BatchFolder(folder, folder / "cache")
    batch.write_manifest({"audio": f"{n}.wav", "face": "face.mp4", "id": f"job{n}"} for n in range(len(lengths)))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    batch.run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    events = batch.events()
    # The first job warms up libraries and tracks the face.
    jobs = [(event["result"], took) for event, took in zip(events, _job_seconds(events), strict=True) if took][1:]
    frames = np.array([result["frames"] for result, _ in jobs])
    slope, intercept = np.polyfit(frames, np.array([took for _, took in jobs]), 1)
    outside_stages = median(took - sum(result["stages"].values()) for result, took in jobs)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows = [
        ("intercept: a job without frames", number(intercept, 3)),
        ("of which outside the stages: journal, checks, probing", number(outside_stages, 3)),
        ("per frame", number(slope, 4)),
        ("CPU time of the whole program, per job", number(cpu / len(lengths), 3)),
    ]
    print_table("Overhead per job (from one start to the next, 256×256)", ("", "seconds"), rows)
    return [Target("overhead per job", float(intercept), 0.3, " s")]


def _job_seconds(events: Sequence[dict[str, float]]) -> list[float]:
    """Return, for each event that ends a job, the seconds from its start to the next event; 0 for other events."""
    times = [event["time"] for event in events] + [events[-1]["time"]]
    done = [n for n, event in enumerate(events) if event["event"] == "done"]  # type: ignore[comparison-overlap]
    return [times[n + 1] - times[n - 1] if n in done else 0.0 for n in range(len(events))]
