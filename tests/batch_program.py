"""``heygem batch`` as a process in a folder of its own, and a look at its children."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from heygem_cli.batch.journal import parse_events
from heygem_cli.media.probe import probe_output

FAST = ("--preset", "ultrafast", "--crf", "30")


class Batch:
    """A folder with a manifest, and the command that renders it."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"HEYGEM_CACHE_DIR": str(cache)}
        self.manifest = folder / "m.csv"
        self.before: set[str] = set()

    def rows(self, text: str) -> None:
        self.manifest.write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n")
        self.before = set(self.files())

    def start(self, *args, manifest="m.csv", **options) -> subprocess.Popen:
        command = [sys.executable, "-m", "heygem_cli", "batch", manifest, *FAST, *map(str, args)]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, **options)

    def run(self, *args, stdin=None, **options) -> subprocess.CompletedProcess:
        process = self.start(*args, stdin=subprocess.PIPE if stdin else None, **options)
        out, err = process.communicate(stdin, timeout=120)
        assert "Traceback" not in err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def json(self, *args, **options) -> dict:
        return json.loads(self.run(*args, "--json", **options).stdout)

    def statuses(self, *args, **options) -> dict[str, str]:
        return {job["id"]: job["status"] for job in self.json(*args, **options)["jobs"]}

    def events(self, kind=None, journal="m.csv.journal.jsonl") -> list[dict]:
        path = self.folder / journal
        events = parse_events(path.read_bytes()) if path.exists() else []
        return [event for event in events if kind in (None, event["event"])]

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def made(self) -> list[str]:
        """Files that were not there before, without the journal and its lock."""
        kept = {"m.csv.journal.jsonl", "m.csv.journal.lock"}
        return [name for name in self.files() if name not in self.before | kept]

    def until(self, process: subprocess.Popen, kind: str, name: str, **where) -> None:
        """Wait for an event of a job."""
        while not any(event.get("id") == name for event in self.events(kind, **where)):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)


def whole(path: Path, seconds: float) -> bool:
    made = probe_output(path)
    return abs(made.video_seconds - seconds) < 0.05 and abs(made.audio_seconds - seconds) < 0.15


def children(pid: int) -> list[int]:
    pids: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has ended
            pids += map(int, path.read_text().split())
    return pids


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def ffmpegs(name: str) -> list[int]:
    """Processes that write the output of this job."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if f":.{name}.".encode() in command_of(pid)]


def signal_encoder(process: subprocess.Popen, name: str, signum: int) -> None:
    """Send a signal to the ffmpeg that writes the output of a job."""
    while not (pids := ffmpegs(name)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    os.kill(pids[0], signum)


def no_more(name: str) -> None:
    """Wait until the ffmpeg of a dead process has ended too."""
    end = time.monotonic() + 60
    while ffmpegs(name):
        assert time.monotonic() < end, f"an ffmpeg still writes {name}"
        time.sleep(0.01)


def worker_of(process: subprocess.Popen) -> int:
    """The child that renders; multiprocessing has another one, which tracks resources."""
    (pid,) = [pid for pid in children(process.pid) if b"spawn_main" in command_of(pid)]
    return pid
