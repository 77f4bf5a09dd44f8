"""Measure ``heygem serve``: its start, what it adds to a render, lost jobs, memory, and the time to cancel.

Run ``python -m benchmarks.serve``; README.md explains the measurements.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import typer

from benchmarks.clips import AUDIO, FACE
from benchmarks.report import Target, number, print_table, print_targets, write_json
from heygem_cli.cli.output import report_errors
from heygem_cli.errors import HeygemError
from heygem_cli.processes import children

Value = TypeVar("Value")
SHORT = {"quality": "draft", "duration": "1"}
MB = 10**6
EARLY = 5
"""The job after which memory is compared with that at the end."""


@dataclass
class Figures:
    """What was measured; times are in seconds, memory is in bytes.

    Attributes:
        page: From the start of the program until the page answers.
        ready: From there until a job can be rendered.
        render: ``heygem render`` of the example, as a program.
        job: The same through the API, from the submission until it is done.
        overhead: What of this is not the render itself.
        cancels: From the request until the job has ended.
        done: Jobs that are done.
        lost: Jobs that are not.
        kills: Workers that were killed.
        early: Memory of the server and its worker after job :data:`EARLY`.
        late: Memory after the last one.
    """

    page: float = 0.0
    ready: float = 0.0
    render: float = 0.0
    job: float = 0.0
    overhead: float = 0.0
    cancels: list[float] = field(default_factory=list)
    done: int = 0
    lost: int = 0
    kills: int = 0
    early: int = 0
    late: int = 0


class Server:
    """A server of its own folder and cache, with a client.

    Raises:
        HeygemError: It did not start.
    """

    def __init__(self, folder: Path) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = str(listener.getsockname()[1])
        command = [sys.executable, "-m", "heygem_cli", "serve", "--api", "--port", port, "--folder", str(folder)]
        self.environment = os.environ | {"HEYGEM_CACHE_DIR": str(folder / "cache")}
        self.began = time.perf_counter()
        self.process = subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)

    def answers(self, path: str) -> bool:
        """Return whether a page answers.

        Raises:
            HeygemError: The server has ended.
        """
        if self.process.poll() is not None:
            raise HeygemError("server-ended", f"heygem serve ended with {self.process.returncode}")
        with contextlib.suppress(httpx.TransportError):
            return self.client.get(path).status_code == 200
        return False

    def submit(self, **options: str) -> str:
        """Submit the example as soon as there is a place, and return the id of the job."""
        while True:
            with AUDIO.open("rb") as audio, FACE.open("rb") as face:
                answer = self.client.post("/api/v1/jobs", files={"audio": audio, "face": face}, data=options)
            if answer.status_code != 429:
                return str(answer.raise_for_status().json()["id"])
            time.sleep(0.2)

    def job(self, id: str) -> dict[str, Any]:
        """Return a job."""
        content: dict[str, Any] = self.client.get(f"/api/v1/jobs/{id}").raise_for_status().json()
        return content

    def wait(self, id: str, condition: Callable[[dict[str, Any]], Value]) -> Value:
        """Wait until something is true of a job, and return that."""
        return wait_for(lambda: condition(self.job(id)))

    def worker(self) -> int | None:
        """Return the process id of the worker, if it lives."""
        for pid in children(self.process.pid):
            with contextlib.suppress(OSError):
                if b"heygem_cli.batch.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return None

    def memory(self) -> int:
        """Return the resident bytes of the server and its worker."""
        total = 0
        for pid in (self.process.pid, self.worker()):
            with contextlib.suppress(OSError):
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return total

    def close(self) -> None:
        """Stop it."""
        self.client.close()
        self.process.terminate()
        self.process.wait()


def wait_for(condition: Callable[[], Value], seconds: float = 600) -> Value:
    """Wait until a condition is true, and return its value.

    Raises:
        HeygemError: It did not become true.
    """
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise HeygemError("timeout", f"nothing happened within {seconds:.0f} s")
        time.sleep(0.02)
    return value


def measure(jobs: int, kills: int, seed: int) -> Figures:
    """Measure everything with one server.

    Args:
        jobs: How many jobs are rendered one after another.
        kills: How many workers are killed meanwhile.
        seed: Determines which jobs lose their worker.
    """
    figures = Figures()
    with tempfile.TemporaryDirectory() as name, contextlib.closing(Server(Path(name))) as server:
        wait_for(lambda: server.answers("/"))
        figures.page = time.perf_counter() - server.began
        wait_for(lambda: server.answers("/readyz"))
        figures.ready = time.perf_counter() - server.began - figures.page
        _measure_job(server, figures, Path(name))
        for _ in range(5):
            figures.cancels.append(_measure_cancel(server))
        _measure_series(server, figures, jobs, kills, random.Random(seed))  # noqa: S311 - repeatable
    return figures


def _measure_job(server: Server, figures: Figures, folder: Path) -> None:
    server.wait(server.submit(), _has_ended)  # the track is in the cache from now on
    began = time.perf_counter()
    command = [sys.executable, "-m", "heygem_cli", "render", str(AUDIO), str(FACE), "-q", "-o", str(folder / "out.mp4")]
    subprocess.run(command, env=server.environment, check=True)
    figures.render = time.perf_counter() - began
    began = time.perf_counter()
    id = server.submit()
    server.wait(id, _has_ended)
    figures.job = time.perf_counter() - began
    figures.overhead = figures.job - sum(server.job(id)["result"]["seconds"].values())


def _measure_cancel(server: Server) -> float:
    id = server.submit(quality="best")
    server.wait(id, lambda job: (job["progress"] or {}).get("stage") == "render")
    began = time.perf_counter()
    server.client.post(f"/api/v1/jobs/{id}/cancel").raise_for_status()
    server.wait(id, lambda job: job["finished"])
    return time.perf_counter() - began


def _measure_series(server: Server, figures: Figures, jobs: int, kills: int, chance: random.Random) -> None:
    victims = set(chance.sample(range(EARLY, jobs - 1), kills))
    for index in range(jobs):
        id = server.submit(**SHORT)
        if index in victims:
            server.wait(id, lambda job: job["phase"] == "running")
            time.sleep(chance.uniform(0, 1))
            if (pid := server.worker()) is not None:
                os.kill(pid, signal.SIGKILL)
                figures.kills += 1
        ended = server.wait(id, lambda job: job if _has_ended(job) else None)
        assert ended is not None  # noqa: S101
        figures.done += ended["phase"] == "done"
        figures.lost += ended["phase"] != "done"
        if index + 1 == EARLY:
            figures.early = server.memory()
    figures.late = server.memory()


def _has_ended(job: dict[str, Any]) -> bool:
    return job["phase"] in ("done", "failed", "canceled")


def _rows(figures: Figures) -> Iterator[tuple[str, str]]:
    yield "page usable after the start", f"{number(figures.page)} s"
    yield "… and ready to render", f"{number(figures.ready)} s later"
    yield "heygem render of the example", f"{number(figures.render)} s"
    yield "the same through the API", f"{number(figures.job)} s"
    yield "… of which not the render itself", f"{number(figures.overhead)} s"
    yield (
        "time to cancel, median and longest",
        (f"{number(statistics.median(figures.cancels))} s, {number(max(figures.cancels))} s"),
    )
    yield "jobs done, lost, workers killed", f"{figures.done}, {figures.lost}, {figures.kills}"
    yield f"memory after job {EARLY} and the last", f"{figures.early / MB:.0f} MB, {figures.late / MB:.0f} MB"


def main(
    *,
    jobs: Annotated[int, typer.Option(min=10, help="Jobs in a row.")] = 100,
    kills: Annotated[int, typer.Option(help="Workers that are killed meanwhile.")] = 5,
    seed: Annotated[int, typer.Option(help="Determines which jobs lose their worker.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Measure ``heygem serve``."""
    with report_errors():
        figures = measure(jobs, kills, seed)
        print_table("heygem serve", ("", "measured"), _rows(figures))
        targets = [
            Target("lost jobs", figures.lost, 0),
            Target("longest time to cancel", max(figures.cancels), 5, " s"),
            Target("memory at the end, of that after job 5", figures.late / figures.early, 1.1),
        ]
        print_targets(targets)
        if json is not None:
            write_json(json, asdict(figures), targets)
        if not all(target.reached for target in targets):
            raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
