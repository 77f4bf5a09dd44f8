"""A Ray cluster whose head is lost in the middle of a batch, and the batch continues without it."""

import json
import os
import shutil
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from batch_program import is_complete

pytest.importorskip("ray")

NODE = {"object_store_memory": 80 << 20}
PROGRAM = """
import heygem_cli.scale.ray_pool as pool
pool.LOST_SECONDS = 2
from heygem_cli.__main__ import main
main()
"""


@contextmanager
def cluster(monkeypatch):
    """Start a head, which runs no jobs, and a node, each with processes of its own."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # the names of sockets in it must be short
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    from ray.cluster_utils import Cluster

    Path(folder, "ray").mkdir()
    started = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
    try:
        started.add_node(**NODE, num_cpus=1)
        yield started
    finally:
        for node in (*started.worker_nodes, started.head_node):
            node.kill_all_processes(check_alive=False, allow_graceful=False)  # without the head they would wait for it
        shutil.rmtree(folder, ignore_errors=True)


def test_batch_whose_head_is_lost_ends_and_can_be_continued(batch, monkeypatch):
    monkeypatch.setenv("HEYGEM_CACHE_DIR", str(batch.folder.parent / "nodes"))
    batch.rows("audio,face,id\na.wav,face.mp4,short\nlong.wav,face.mp4,long\nb.wav,other.mp4,last")
    with cluster(monkeypatch) as first:
        process = batch.start("--ray", first.address, "--report", "r.json", python=("-c", PROGRAM))
        batch.wait_for_event(process, "started", "long")
        batch.signal_encoder(process, "long", signal.SIGSTOP)  # it does not end before the head does
        for _, head in first.head_node.live_processes():
            os.kill(head.pid, signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the head of the Ray cluster" in err
    assert "Run the same command again" in err
    assert [event["event"] for event in batch.events() if event.get("id") == "long"] == ["started", "interrupted"]
    report = json.loads((batch.folder / "r.json").read_text())
    assert {job["id"]: job["status"] for job in report["jobs"]} == {
        "short": "waiting",
        "long": "interrupted",
        "last": "waiting",
    }
    assert batch.statuses() == {"short": "done", "long": "done", "last": "done"}
    assert is_complete(batch.folder / "long.mp4", 10)
    assert not [name for name in batch.new_files() if name.endswith("part")]
