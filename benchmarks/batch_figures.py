"""What a batch saves and what it costs: shared work, memory, planning, overhead."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.batch_folder import BatchFolder, make_face, make_voice
from benchmarks.report import Goal, figure, print_table


def seconds_of(work: Callable[[], object]) -> float:
    """Wall-clock time of some work."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_shared(folder: Path) -> list[Goal]:
    """Ten audios on one face video, against ten single renders."""
    make_face(folder / "face.mp4", 1, seconds=3, size=720)
    voices = [make_voice(folder / f"{n}.wav", n, 2 + n / 10).name for n in range(10)]
    single, alone, together = (BatchFolder(folder, folder / f"cache{n}") for n in range(3))
    together.write_manifest({"audio": voice, "face": "face.mp4"} for voice in voices)

    def render_each(where: BatchFolder, *args: str) -> None:
        for voice in voices:
            where.run(voice, "face.mp4", "-o", "single.mp4", "--overwrite", *args, command="render")

    ways = {
        "ten renders, no cache": seconds_of(lambda: render_each(alone, "--no-cache")),
        "ten renders, track cached by the first": seconds_of(lambda: render_each(single)),
        "one batch": seconds_of(together.run),
    }
    batch = ways["one batch"]
    rows = [(way, figure(seconds, 1), figure(batch / seconds)) for way, seconds in ways.items()]
    print_table("Ten audios of 2 to 3 s on one 720p face video", ("", "seconds", "batch over it"), rows)
    tracked = sum(not event["result"]["track_cached"] for event in together.events("done"))
    return [Goal("times that the face was tracked in a batch of ten", tracked, 1)]


def resident(pid: int) -> int:
    """Resident bytes of a process."""
    text = Path(f"/proc/{pid}/status").read_text("utf-8")
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmRSS:"))


def measure_memory(folder: Path) -> list[Goal]:
    """Memory of a process after 200 jobs, against after 10."""
    for n in range(5):
        make_face(folder / f"face{n}.mp4", n)
        make_voice(folder / f"{n}.wav", n, 0.5 + n / 5)
    batch = BatchFolder(folder, folder / "cache")
    batch.write_manifest({"audio": f"{n % 5}.wav", "face": f"face{n // 41}.mp4", "id": f"job{n}"} for n in range(205))
    process = batch.start()
    seen: dict[int, int] = {}
    while process.poll() is None:
        done = len(batch.events("done"))
        if done and done not in seen:
            seen[done] = resident(process.pid)
        time.sleep(0.02)

    def around(job: int) -> float:
        return float(median(size for done, size in seen.items() if abs(done - job) <= 3))

    early, late = around(10), around(200)
    rows = [(f"after {job} jobs", figure(size / 1e6, 0)) for job, size in ((10, early), (200, late))]
    print_table("Memory of the process (median of seven jobs)", ("", "MB resident"), rows)
    return [Goal("memory after 200 jobs over that after 10", late / early, 1.1)]


def measure_planning(folder: Path) -> list[Goal]:
    """Ten thousand rows over fifty files."""
    for n in range(25):
        make_face(folder / f"face{n}.mp4", n)
        make_voice(folder / f"{n}.wav", n, 1 + n / 10)
    batch = BatchFolder(folder, folder / "cache")
    batch.write_manifest(
        {"audio": f"{n % 25}.wav", "face": f"face{n // 25 % 25}.mp4", "id": f"job{n}", "crf": str(n % 51)}
        for n in range(10_000)
    )
    times = [seconds_of(lambda: batch.run("--dry-run", "--json")) for _ in range(3)]
    rows = [("heygem batch --dry-run, whole program", figure(median(times)), figure(min(times)))]
    print_table("Planning 10,000 rows over 50 files", ("", "seconds, median of 3", "best"), rows)
    return [Goal("planning 10,000 rows over 50 files", float(median(times)), 10, " s")]


def measure_overhead(folder: Path) -> list[Goal]:
    """What a job costs beyond its frames: time over frames is a line, and its start is the overhead."""
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
    jobs = [(event["result"], took) for event, took in zip(events, _lasted(events), strict=True) if took][1:]
    frames = np.array([result["frames"] for result, _ in jobs])
    slope, start = np.polyfit(frames, np.array([took for _, took in jobs]), 1)
    beyond = median(took - sum(result["stages"].values()) for result, took in jobs)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows = [
        ("start of the line: a job without frames", figure(start, 3)),
        ("of which outside the stages: journal, checks, probing", figure(beyond, 3)),
        ("a frame", figure(slope, 4)),
        ("processor time of the whole program, a job", figure(processor / len(lengths), 3)),
    ]
    print_table("Overhead of a job (from one start to the next, 256×256)", ("", "seconds"), rows)
    return [Goal("overhead of a job beyond its frames", float(start), 0.3, " s")]


def _lasted(events: Sequence[dict[str, float]]) -> list[float]:
    """Seconds from the start of the job to the next event after its end, for events that end a job; else 0."""
    times = [event["time"] for event in events] + [events[-1]["time"]]
    done = [n for n, event in enumerate(events) if event["event"] == "done"]  # type: ignore[comparison-overlap]
    return [times[n + 1] - times[n - 1] if n in done else 0.0 for n in range(len(events))]
