"""Render short jobs with several processes, with Ray, and on a Ray cluster whose nodes are killed."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.batch_folder import BatchFolder, make_face, make_voice
from benchmarks.report import Target, number, print_table
from heygem_cli.batch.journal import read_events

NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 << 20}
KILL_INTERVAL = 20.0
"""Seconds between two nodes that are killed."""


def _make_batch(folder: Path, jobs: int, *, seconds: float, size: int = 256) -> BatchFolder:
    """Make a folder with jobs for two face videos."""
    folder.mkdir()
    faces = [make_face(folder / f"face{n}.mp4", n, size=size).name for n in range(2)]
    voices = [make_voice(folder / f"{n}.wav", n, seconds).name for n in range(10)]
    batch = BatchFolder(folder, folder / "cache")
    rows = ({"audio": voices[n % 10], "face": faces[2 * n // jobs], "id": f"job{n}"} for n in range(jobs))
    batch.write_manifest(rows)
    return batch


def _events(batch: BatchFolder, kind: str) -> list[dict[str, Any]]:
    """Return the events of one kind in the journals of all shards, in chronological order."""
    return [event for event in read_events(batch.folder.glob("*.journal.jsonl")) if event["event"] == kind]


def _wait(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.communicate()
        if process.returncode:
            raise SystemExit(f"heygem batch ended with exit status {process.returncode}")


def measure_workers(folder: Path) -> list[Target]:
    """Render the same jobs with 1, 2 and 4 processes of one thread each."""
    rows, rates = [], []
    for count in (1, 2, 4):
        batch = _make_batch(folder / f"{count}", 24, seconds=2, size=720)
        _wait(*(batch.start("--threads", "1", "--shard", f"{n}/{count}") for n in range(1, count + 1)))
        done = _events(batch, "done")
        rates.append(3600 * len(done) / (done[-1]["time"] - _events(batch, "started")[0]["time"]))
        rows.append((f"{count}", number(rates[-1], 0), number(rates[-1] / rates[0])))
    print_table("24 jobs of 2 s, 720×720", ("processes", "jobs an hour, once started", "ratio to one"), rows)
    return []


def measure_ray(folder: Path) -> list[Target]:
    """Compare the time from one start to the next with one worker on Ray and without Ray, in turn."""
    intervals: dict[str, list[float]] = {"plain": [], "Ray": []}
    for round_number in range(2):
        for name, arguments in (("plain", ()), ("Ray", ("--ray", "local", "--ray-workers", "1"))):
            batch = _make_batch(folder / f"{name}{round_number}", 40, seconds=0.5)
            _wait(batch.start("--threads", "1", *arguments))
            times = [event["time"] for event in _events(batch, "started")]
            intervals[name] += [after - before for before, after in itertools.pairwise(times)]
    seconds = {name: median(values) for name, values in intervals.items()}
    rows = [(name, number(value, 3)) for name, value in seconds.items()]
    print_table("80 jobs of 0.5 s", ("", "median seconds from one start to the next"), rows)
    return [Target("cost of Ray for each job", seconds["Ray"] - seconds["plain"], 0.1, " s")]


def measure_nodes(folder: Path) -> list[Target]:
    """Render 200 jobs on two nodes, of which one is killed every 20 seconds and another one joins."""
    batch = _make_batch(folder / "nodes", 200, seconds=0.5)
    with _cluster(batch.cache) as cluster:
        process = batch.start("--ray", cluster.address, "--threads", "1")
        killed = _kill_nodes(cluster, process)
        _wait(process)
    done = {event["id"] for event in _events(batch, "done")}
    started, interrupted = len(_events(batch, "started")), len(_events(batch, "interrupted"))
    rows = [("nodes killed", f"{killed}"), ("attempts that were in flight on them", f"{interrupted}")]
    rows += [("attempts in all", f"{started}"), ("complete outputs", f"{len(list(batch.folder.glob('job*.mp4')))}")]
    print_table("200 jobs of 0.5 s on two nodes", ("", "number"), rows)
    return [
        Target("jobs lost", 200 - len(done), 0),
        Target("jobs rendered again that were not in flight on a killed node", started - interrupted - 200, 0),
        Target("attempts interrupted for each killed node", interrupted / max(1, killed), 1),
    ]


@contextmanager
def _cluster(cache: Path) -> Iterator[Any]:
    """Start a cluster of two nodes, whose head runs no jobs."""
    with ExitStack() as stack:
        short = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # the names of sockets in it must be short
        stack.callback(shutil.rmtree, short, ignore_errors=True)
        Path(short, "ray").mkdir()  # Ray writes the address there before it makes the folder
        os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": short, "HEYGEM_CACHE_DIR": str(cache)}
        from ray.cluster_utils import Cluster  # noqa: PLC0415 - only this part needs Ray

        cluster = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
        stack.callback(cluster.shutdown)
        for _ in range(2):
            cluster.add_node(**NODE)
        yield cluster


def _kill_nodes(cluster: Any, process: subprocess.Popen[str]) -> int:  # noqa: ANN401 - Ray has no types
    """Kill the older node and add one, again and again while the batch runs; return how many were killed."""
    killed, due = 0, time.monotonic() + KILL_INTERVAL
    nodes: Sequence[Any] = sorted(cluster.worker_nodes, key=lambda node: node.node_id)
    while process.poll() is None:
        if time.monotonic() >= due:
            cluster.remove_node(nodes[0], allow_graceful=False)
            nodes = [*nodes[1:], cluster.add_node(**NODE)]
            killed, due = killed + 1, due + KILL_INTERVAL
        time.sleep(0.1)
    return killed
