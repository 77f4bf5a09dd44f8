"""``heygem batch`` as a process in its own folder, its child processes, and inputs of jobs."""

import contextlib
import json
import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

from heygem_cli.batch.journal import parse_events
from heygem_cli.batch.packed_inputs import PackedFiles, PackedInputs, pack
from heygem_cli.batch.rows import Common, Row
from heygem_cli.job import Inputs, RenderJob
from heygem_cli.media.names import split_path
from heygem_cli.media.probe_output import probe_output
from heygem_cli.media.types import AudioInfo, ColorTags, VideoInfo
from heygem_cli.processes import children

FAST = ("--preset", "ultrafast", "--crf", "30")


class Batch:
    """A folder with a manifest, and the command that renders it; ``encoding`` is for the mesh engine only."""

    def __init__(self, folder: Path, cache: Path, encoding: tuple[str, ...] = FAST) -> None:
        self.folder = folder
        self.encoding = encoding
        self.environment = os.environ | {"HEYGEM_CACHE_DIR": str(cache)}
        self.manifest = folder / "m.csv"
        self.before: set[str] = set()

    def rows(self, text: str) -> None:
        self.manifest.write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n")
        self.before = set(self.files())

    def start(self, *args, manifest="m.csv", python=("-m", "heygem_cli"), **options) -> subprocess.Popen:
        command = [sys.executable, *python, "batch", manifest, *self.encoding, *map(str, args)]
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

    def new_files(self) -> list[str]:
        """Return the new files, without the journal and its lock."""
        journal = {"m.csv.journal.jsonl", "m.csv.journal.lock"}
        return [name for name in self.files() if name not in self.before | journal]

    def wait_for_event(self, process: subprocess.Popen, kind: str, job: str, **options) -> None:
        while not any(event.get("id") == job for event in self.events(kind, **options)):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)

    def signal_encoder(self, process: subprocess.Popen, job: str, signum: int) -> int:
        """Send a signal to the ffmpeg that writes the output of a job, and return its process id."""
        while not (pids := self._encoders(job)):
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        os.kill(pids[0], signum)
        return pids[0]

    def wait_for_encoder_exit(self, job: str) -> None:
        """Wait until the ffmpeg of a killed process has exited too."""
        deadline = time.monotonic() + 60
        while self._encoders(job):
            assert time.monotonic() < deadline, f"an ffmpeg still writes the output of {job}"
            time.sleep(0.01)

    def _encoders(self, job: str) -> list[int]:
        """Return the ffmpeg processes that write the output of a job in this folder."""
        name = str(self.folder.resolve() / f".{job}.")
        pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
        encoders = [pid for pid in pids if b"file:/proc/self/fd/" in command_of(pid)]
        return [pid for pid in encoders if any(path.startswith(name) for path in open_files_of(pid))]


def is_complete(path: Path, seconds: float) -> bool:
    output = probe_output(path)
    return abs(output.video_seconds - seconds) < 0.05 and abs(output.audio_seconds - seconds) < 0.15


def make_inputs(seconds: float) -> Inputs:
    audio = AudioInfo(Path("a.wav"), seconds, "pcm_s16le", 16000, 1)
    return Inputs(audio, VideoInfo(Path("f.mp4"), 64, 64, Fraction(25), 1, False, "h264", "yuv420p", ColorTags()))


def make_packed_inputs(seconds: float) -> PackedInputs:
    inputs = make_inputs(seconds)
    return PackedInputs(seconds, 64, 64, PackedFiles(pack(inputs.audio), pack(inputs.video)))


def make_row(job: RenderJob, row_id: str, number: int = 1, output: str | None = None) -> Row:
    """Make a row of a job; ``output`` is the output as the manifest writes it."""
    output = f"{row_id}.mp4" if output is None else output
    common = Common(str(job.audio), str(job.face), job.options, job.remote)
    return Row(number, None, row_id, output, *split_path(job.output), common, own=job.own)


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def open_files_of(pid: int) -> list[str]:
    files = []
    with contextlib.suppress(OSError):  # it has ended
        for link in Path(f"/proc/{pid}/fd").iterdir():
            files.append(str(link.readlink()))
    return files


def worker_of(process: subprocess.Popen) -> int:
    """Return the child process that renders."""
    (pid,) = [pid for pid in children(process.pid) if b"heygem_cli.batch.worker" in command_of(pid)]
    return pid
