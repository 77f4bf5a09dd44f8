"""``heygem serve`` as a process, with a client."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from heygem_cli.processes import children


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(condition: Callable[[], object], seconds: float = 60) -> object:
    """Wait until a condition is true, and return its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return value


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


class Server:
    """A running server.

    Args:
        folder: The folder for its files.
        arguments: More arguments.
        quality: Of jobs that do not give one; None for the default.
        setup: Python code that its process runs first.
        environment: More variables.
    """

    def __init__(
        self, folder: Path, *arguments: str, quality: str | None = "draft", setup: str = "", **environment: str
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        program = ["-c", f"{setup}\nfrom heygem_cli.__main__ import main\nmain()"] if setup else ["-m", "heygem_cli"]
        command = [sys.executable, *program, "serve", "--port", str(self.port), "--folder", str(folder)]
        self.process = subprocess.Popen(
            [*command, *(["--quality", quality] if quality else []), *arguments],
            env=os.environ | {"HEYGEM_CACHE_DIR": str(folder.parent / "cache")} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def wait_until_ready(self) -> Server:
        """Wait until it can render."""
        wait_for(self._is_ready, 120)
        return self

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.process.communicate()[0]
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def submit(self, audio: Path, face: Path, **options: str) -> httpx.Response:
        """Submit a job."""
        with audio.open("rb") as one, face.open("rb") as other:
            return self.client.post("/api/v1/jobs", files={"audio": one, "face": other}, data=options)

    def easy_submit(self, task: dict) -> httpx.Response:
        """Submit a task as a client of HeyGem's service does."""
        return self.client.post("/easy/submit", json=task)

    def easy_query(self, code: str) -> dict:
        """Return the state of such a task."""
        return self.client.get("/easy/query", params={"code": code}).json()["data"]

    def job(self, id: str) -> dict:
        """Return a job."""
        return self.client.get(f"/api/v1/jobs/{id}").raise_for_status().json()

    def wait_for_phase(self, id: str, *phases: str, seconds: float = 60) -> dict:
        """Wait until a job has one of these phases."""
        return wait_for(lambda: job if (job := self.job(id))["phase"] in phases else None, seconds)

    def wait_for_stage(self, id: str, stage: str) -> None:
        """Wait until a job is in a stage."""
        wait_for(lambda: ((job := self.job(id))["progress"] or {}).get("stage") == stage or job["phase"] == "done")
        assert self.job(id)["phase"] == "running", "it was too fast for this test"

    def cancel(self, id: str) -> None:
        """Cancel a job."""
        self.client.post(f"/api/v1/jobs/{id}/cancel").raise_for_status()

    def worker(self) -> int:
        """Return the process id of the worker."""
        (pid,) = self.workers()
        return pid

    def workers(self) -> list[int]:
        """Return the process ids of the workers: none while there is none."""
        return [pid for pid in children(self.process.pid) if b"heygem_cli.batch.worker" in _command_line(pid)]

    def metrics(self) -> dict[str, float]:
        """Return the values of the metrics without labels."""
        lines = self.client.get("/metrics").text.splitlines()
        return {name: float(value) for name, value in (line.split() for line in lines if not line.startswith("#"))}

    def log(self) -> str:
        """Return the log."""
        return (self.folder / "log/serve.log").read_text()

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Stop it, and return its exit status."""
        self.process.send_signal(signum)
        self.output, _ = self.process.communicate(timeout=30)
        self.client.close()
        return self.process.returncode
