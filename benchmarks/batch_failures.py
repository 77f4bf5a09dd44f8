"""Run a batch in which some rows fail after the check of the manifest."""

from __future__ import annotations

import contextlib
import json
import os
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
from benchmarks.report import Target, print_table
from heygem_cli.errors import HeygemError

ROWS, BAD = 200, 20
FAULTS = ("changed", "gone", "no-face", "read-only", "disk-full", "child-killed")


def measure_failures(folder: Path) -> list[Target]:
    """Inject faults into some rows. Read-only and full file systems are mounted, which requires root."""
    faults = [fault for fault in FAULTS if os.geteuid() == 0 or fault not in ("read-only", "disk-full")]
    bad = {f"bad{n}": faults[n % len(faults)] for n in range(BAD)}
    batch = BatchFolder(folder, folder / "cache")
    _make_inputs(batch, bad)
    with contextlib.ExitStack() as mounts:
        for fault in {"read-only", "disk-full"} & set(faults):
            mounts.enter_context(_mounted(folder / fault))
        process = batch.start("--json", "--failed-manifest", "failed.jsonl")
        _inject_faults(batch, process, bad)
        out, _ = process.communicate()
    report = json.loads(out)
    explained = [job for job in report["jobs"] if job["status"] == "failed" and job["id"] in bad and job["error"]]
    codes = Counter((bad[job["id"]], job["error"]["code"], job["attempts"]) for job in explained)
    rows = [(fault, code, str(attempts), str(count)) for (fault, code, attempts), count in sorted(codes.items())]
    print_table(f"{ROWS} rows, {BAD} of them with a fault", ("fault", "error", "attempts", "rows"), rows)
    outputs = len([path for path in folder.glob("good*.mp4") if path.stat().st_size])
    failed_rows = len((folder / "failed.jsonl").read_text("utf-8").splitlines())
    return [
        Target("outputs", outputs, ROWS - BAD, at_least=True),
        Target("explained failures", len(explained), BAD, at_least=True),
        Target("rows in the manifest of failed rows", failed_rows, BAD, at_least=True),
        Target("difference of the exit status from 3", abs(process.returncode - 3), 0),
    ]


def _make_inputs(batch: BatchFolder, bad: dict[str, str]) -> None:
    folder = batch.folder
    for n in range(4):
        make_face(folder / f"face{n}.mp4", n)
        make_voice(folder / f"{n}.wav", n, 0.4 + n / 10)
    ffmpeg("-f", "lavfi", "-i", "smptebars=s=256x256:r=25:d=1", folder / "nobody.mp4")
    rows = [{"audio": f"{n % 4}.wav", "face": f"face{n % 4}.mp4", "id": f"good{n}"} for n in range(ROWS - BAD)]
    for n, (name, fault) in enumerate(bad.items()):
        shutil.copy(folder / "0.wav", folder / f"{name}.wav")
        face = "nobody.mp4" if fault == "no-face" else f"face{n % 4}.mp4"
        output = f"{fault}/{name}.mp4" if fault in ("read-only", "disk-full") else f"{name}.mp4"
        rows.insert(n * 9, {"audio": f"{name}.wav", "face": face, "id": name, "output": output})
    batch.write_manifest(rows)


@contextmanager
def _mounted(folder: Path) -> Iterator[None]:
    """Mount a small in-memory file system."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _inject_faults(batch: BatchFolder, process: subprocess.Popen[str], bad: dict[str, str]) -> None:
    """Break the bad rows once the manifest is checked, and kill encoders until the batch ends."""
    while not batch.events("started"):
        if process.poll() is not None:
            raise HeygemError("batch-failed", f"the batch exited with status {process.returncode} before its first job")
        time.sleep(0.01)
    for name, fault in bad.items():
        if fault == "changed":
            shutil.copy(batch.folder / "1.wav", batch.folder / f"{name}.wav")
        elif fault == "gone":
            (batch.folder / f"{name}.wav").unlink()
    if "read-only" in bad.values():
        subprocess.run(["mount", "-o", "remount,ro", str(batch.folder / "read-only")], check=True)
    if "disk-full" in bad.values():
        with contextlib.suppress(OSError), (batch.folder / "disk-full" / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
    victims = [f"/.{name}." for name, fault in bad.items() if fault == "child-killed"]
    while process.poll() is None:
        _kill_encoders(victims)
        time.sleep(0.005)


def _kill_encoders(victims: list[str]) -> None:
    """Kill the ffmpeg processes that have a file open whose path contains one of the names."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            command = (process / "cmdline").read_bytes()
            if command.startswith(sys.executable.encode()) or b"ffmpeg" not in command:
                continue
            files = [str(link.readlink()) for link in (process / "fd").iterdir()]
            if any(victim in file for victim in victims for file in files):
                os.kill(int(process.name), signal.SIGKILL)
