"""A batch that is killed at random moments, and one in which rows go bad after the first check."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.batch_folder import BatchFolder, make_face, make_voice
from benchmarks.clips import ffmpeg
from benchmarks.report import Goal, figure, print_table
from heygem_cli.batch.journal import JobState, apply_event
from heygem_cli.errors import HeygemError

ROUNDS = 50
ISOLATED_EVERY = 5
"""One round in so many works in a child process."""


def measure_kills(folder: Path) -> list[Goal]:
    """Runs killed by SIGKILL at random moments, each resumed to the end."""
    inputs = folder / "inputs"
    inputs.mkdir()
    for n in range(2):
        make_face(inputs / f"face{n}.mp4", n)
    for n in range(6):
        make_voice(inputs / f"{n}.wav", n, 0.6 + n / 5)
    wanted, whole, working = _uninterrupted(folder, inputs)
    chance = random.Random(1)  # noqa: S311
    faults: Counter[str] = Counter()
    moments: Counter[str] = Counter()
    for number in range(ROUNDS):
        isolate = ("--isolate",) if number % ISOLATED_EVERY == 0 else ()
        batch = _fresh(folder / f"round{number}", inputs)
        process = batch.start(*isolate)
        # Every other one at any moment; the rest not before the first job, for most of a short batch is its start.
        at_once = number % 2 == 0
        while not at_once and process.poll() is None and not batch.events("started"):
            time.sleep(0.005)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, whole if at_once else working))
        process.kill()
        process.communicate()
        moments[_moment(batch)] += 1
        status, _ = batch.run(*isolate)
        faults.update({"exit status": status != 0, **_faults(batch, inputs, wanted)})
        shutil.rmtree(batch.folder.parent)
    print_table(
        f"{ROUNDS} runs killed within {figure(whole, 1)} s, each resumed to the end",
        ("killed", "runs"),
        [(moment, str(count)) for moment, count in sorted(moments.items())],
    )
    return [Goal(f"{what}, in {ROUNDS} runs", count, 0) for what, count in faults.items()]


def _fresh(place: Path, inputs: Path) -> BatchFolder:
    shutil.copytree(inputs, place / "list")
    batch = BatchFolder(place / "list", place / "cache")
    batch.write_manifest({"audio": f"{n}.wav", "face": f"face{n % 2}.mp4", "id": f"job{n}"} for n in range(6))
    return batch


def _uninterrupted(folder: Path, inputs: Path) -> tuple[dict[str, str], float, float]:
    """The digests of the outputs, the seconds that it took, and those from the first job on."""
    batch = _fresh(folder / "reference", inputs)
    start = time.perf_counter()
    status, _ = batch.run()
    if status:
        raise HeygemError("batch-failed", f"the batch that nobody kills ended with status {status}")
    whole = time.perf_counter() - start
    return _digests(batch), whole, time.time() - batch.events("started")[0]["time"]


def _digests(batch: BatchFolder) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in batch.folder.glob("job*.mp4")}


def _moment(batch: BatchFolder) -> str:
    states: dict[str, JobState] = {}
    for event in batch.events():
        apply_event(states, event)
    in_flight = [state for state in states.values() if state.status == "started"]
    if not states:
        return "before the first job"
    return "during a job" if in_flight else "between jobs, or after the last"


def _faults(batch: BatchFolder, inputs: Path, wanted: dict[str, str]) -> dict[str, int]:
    """What a resumed batch has got wrong, by kind."""
    events = [event for event in batch.events() if "id" in event]
    done = Counter(event["id"] for event in events if event["event"] == "done")
    late = sum(any(e["event"] == "done" and e["id"] == b["id"] for e in events[:n]) for n, b in enumerate(events))
    kept = {path.name for path in inputs.iterdir()} | {"m.csv", "m.csv.journal.jsonl", "m.csv.journal.lock"}
    litter = {path.name for path in batch.folder.iterdir()} - kept - set(wanted)
    cache = [path for path in batch.cache.glob("tracks/*") if path.suffix not in (".track", ".lock")]
    return {
        "outputs that are missing or not those of a run that was not killed": len(
            dict(wanted.items() ^ _digests(batch).items())
        ),
        "jobs rendered again after they were journalled": late + sum(count > 1 for count in done.values()),
        "files left behind": len(litter) + len(cache),
    }


ROWS, BAD = 200, 20
KINDS = ("changed", "gone", "no-face", "read-only", "disk-full", "child-killed")


def measure_failures(folder: Path) -> list[Goal]:
    """A manifest of which rows go bad after the first check. Read-only and full disks need root: they are mounted."""
    kinds = [kind for kind in KINDS if os.geteuid() == 0 or kind not in ("read-only", "disk-full")]
    bad = {f"bad{n}": kinds[n % len(kinds)] for n in range(BAD)}
    batch = BatchFolder(folder, folder / "cache")
    _make_inputs(batch, bad)
    mounts = contextlib.ExitStack()
    with mounts:
        for kind in {"read-only", "disk-full"} & set(kinds):
            mounts.enter_context(_mounted(folder / kind))
        process = batch.start("--json", "--failed-manifest", "failed.jsonl")
        _make_trouble(batch, process, bad)
        out, _ = process.communicate()
    report = json.loads(out)
    explained = [job for job in report["jobs"] if job["status"] == "failed" and job["id"] in bad and job["error"]]
    codes = Counter((bad[job["id"]], job["error"]["code"], job["attempts"]) for job in explained)
    rows = [(kind, code, str(tries), str(count)) for (kind, code, tries), count in sorted(codes.items())]
    print_table(f"{ROWS} rows, {BAD} of them go bad", ("what happened", "error", "attempts", "rows"), rows)
    outputs = len([path for path in folder.glob("good*.mp4") if path.stat().st_size])
    failed_rows = len((folder / "failed.jsonl").read_text("utf-8").splitlines())
    return [
        Goal("outputs", outputs, ROWS - BAD, least=True),
        Goal("explained failures", len(explained), BAD, least=True),
        Goal("rows in the manifest of failed rows", failed_rows, BAD, least=True),
        Goal("exit status, 3 wanted", abs(process.returncode - 3), 0),
    ]


def _make_inputs(batch: BatchFolder, bad: dict[str, str]) -> None:
    folder = batch.folder
    for n in range(4):
        make_face(folder / f"face{n}.mp4", n)
        make_voice(folder / f"{n}.wav", n, 0.4 + n / 10)
    ffmpeg("-f", "lavfi", "-i", "smptebars=s=256x256:r=25:d=1", folder / "nobody.mp4")
    rows = [{"audio": f"{n % 4}.wav", "face": f"face{n % 4}.mp4", "id": f"good{n}"} for n in range(ROWS - BAD)]
    for n, (name, kind) in enumerate(bad.items()):
        shutil.copy(folder / "0.wav", folder / f"{name}.wav")
        face = "nobody.mp4" if kind == "no-face" else f"face{n % 4}.mp4"
        output = f"{kind}/{name}.mp4" if kind in ("read-only", "disk-full") else f"{name}.mp4"
        rows.insert(n * 9, {"audio": f"{name}.wav", "face": face, "id": name, "output": output})
    batch.write_manifest(rows)


@contextmanager
def _mounted(place: Path) -> Iterator[None]:
    """A small file system in memory."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _make_trouble(batch: BatchFolder, process: subprocess.Popen[str], bad: dict[str, str]) -> None:
    """Spoil the bad rows as soon as the first check is over, and kill their encoders while they last."""
    while not batch.events("started"):
        if process.poll() is not None:
            raise HeygemError("batch-failed", f"the batch ended with status {process.returncode} before its first job")
        time.sleep(0.01)
    for name, kind in bad.items():
        if kind == "changed":
            shutil.copy(batch.folder / "1.wav", batch.folder / f"{name}.wav")
        elif kind == "gone":
            (batch.folder / f"{name}.wav").unlink()
    if "read-only" in bad.values():
        subprocess.run(["mount", "-o", "remount,ro", str(batch.folder / "read-only")], check=True)
    if "disk-full" in bad.values():
        with contextlib.suppress(OSError), (batch.folder / "disk-full" / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
    victims = tuple(f":.{name}.".encode() for name, kind in bad.items() if kind == "child-killed") + tuple(
        f"/.{name}.".encode() for name, kind in bad.items() if kind == "child-killed"
    )
    while process.poll() is None:
        _kill_writers(victims)
        time.sleep(0.005)


def _kill_writers(victims: tuple[bytes, ...]) -> None:
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (path / "cmdline").read_bytes()
            if command.startswith(sys.executable.encode()) or b"ffmpeg" not in command:
                continue
            if any(victim in command for victim in victims):
                os.kill(int(path.name), signal.SIGKILL)
