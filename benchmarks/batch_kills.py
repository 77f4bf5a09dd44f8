"""Kill a batch at random moments and resume it."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

from benchmarks.batch_folder import BatchFolder, make_face, make_voice
from benchmarks.report import Target, number, print_table
from heygem_cli.batch.journal import JobState, apply_event
from heygem_cli.errors import HeygemError
from heygem_cli.files import file_digest

ROUNDS = 50
ISOLATED_EVERY = 5
"""One round in this many runs with ``--isolate``."""


def measure_kills(folder: Path) -> list[Target]:
    """Kill runs with SIGKILL at random moments and resume each to the end."""
    inputs = folder / "inputs"
    inputs.mkdir()
    for n in range(2):
        make_face(inputs / f"face{n}.mp4", n)
    for n in range(6):
        make_voice(inputs / f"{n}.wav", n, 0.6 + n / 5)
    expected, total_seconds, job_seconds = _run_uninterrupted(folder, inputs)
    chance = random.Random(1)  # noqa: S311
    faults: Counter[str] = Counter()
    moments: Counter[str] = Counter()
    for index in range(ROUNDS):
        isolate = ("--isolate",) if index % ISOLATED_EVERY == 0 else ()
        batch = _make_batch(folder / f"round{index}", inputs)
        # Half of the kills may hit the start-up, which takes most of a short batch; the others come after it.
        after_start = index % 2 == 1
        seconds = chance.uniform(0, job_seconds if after_start else total_seconds)
        _start_and_kill(batch, isolate, seconds, after_start=after_start)
        moments[_moment_of_kill(batch)] += 1
        status, _ = batch.run(*isolate)
        faults.update({"exit status": status != 0, **_count_faults(batch, inputs, expected)})
        shutil.rmtree(batch.folder.parent)
    print_table(
        f"{ROUNDS} runs killed within {number(total_seconds, 1)} s, each resumed to the end",
        ("killed", "runs"),
        [(moment, str(count)) for moment, count in sorted(moments.items())],
    )
    return [Target(f"{fault}, in {ROUNDS} runs", count, 0) for fault, count in faults.items()]


def _start_and_kill(batch: BatchFolder, arguments: tuple[str, ...], seconds: float, *, after_start: bool) -> None:
    process = batch.start(*arguments)
    while after_start and process.poll() is None and not batch.events("started"):
        time.sleep(0.005)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.communicate()


def _make_batch(folder: Path, inputs: Path) -> BatchFolder:
    shutil.copytree(inputs, folder / "list")
    batch = BatchFolder(folder / "list", folder / "cache")
    batch.write_manifest({"audio": f"{n}.wav", "face": f"face{n % 2}.mp4", "id": f"job{n}"} for n in range(6))
    return batch


def _run_uninterrupted(folder: Path, inputs: Path) -> tuple[dict[str, str], float, float]:
    """Return the digests of the outputs, the duration in seconds, and the duration from the first job on."""
    batch = _make_batch(folder / "reference", inputs)
    start = time.perf_counter()
    status, _ = batch.run()
    if status:
        raise HeygemError("batch-failed", f"the uninterrupted batch exited with status {status}")
    seconds = time.perf_counter() - start
    return _output_digests(batch), seconds, time.time() - batch.events("started")[0]["time"]


def _output_digests(batch: BatchFolder) -> dict[str, str]:
    return {path.name: file_digest(path) for path in batch.folder.glob("job*.mp4")}


def _moment_of_kill(batch: BatchFolder) -> str:
    states: dict[str, JobState] = {}
    for event in batch.events():
        apply_event(states, event)
    if not states:
        return "before the first job"
    running = any(state.status == "started" for state in states.values())
    return "during a job" if running else "between jobs, or after the last"


def _count_faults(batch: BatchFolder, inputs: Path, expected: dict[str, str]) -> dict[str, int]:
    """Count the faults of a resumed batch by kind."""
    events = [event for event in batch.events() if "id" in event]
    done = Counter(event["id"] for event in events if event["event"] == "done")
    late = sum(any(e["event"] == "done" and e["id"] == b["id"] for e in events[:n]) for n, b in enumerate(events))
    known = {path.name for path in inputs.iterdir()} | {"m.csv", "m.csv.journal.jsonl", "m.csv.journal.lock"}
    stray = {path.name for path in batch.folder.iterdir()} - known - set(expected)
    stray_cache = [path for path in batch.cache.glob("tracks/*") if path.suffix not in (".track", ".lock")]
    return {
        "outputs missing or different from the uninterrupted run": len(
            dict(expected.items() ^ _output_digests(batch).items())
        ),
        "jobs rendered again after they were journalled": late + sum(count > 1 for count in done.values()),
        "files left behind": len(stray) + len(stray_cache),
    }
