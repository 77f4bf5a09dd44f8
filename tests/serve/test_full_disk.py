"""``heygem serve`` on a disk that is full, and has room again."""

import json
import os
import signal
from contextlib import ExitStack

import pytest

from file_systems import small_file_system
from serve_program import Server, wait_for

SMALL_PAUSES = "import heygem_cli.serve.room as room; room.PAUSE_SECONDS = 0.5"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB."""
    with small_file_system(tmp_path / "disk", "8m") as folder:
        yield folder


@pytest.fixture
def server(small_disk, tmp_path):
    with ExitStack() as stack:
        environment = {"TMPDIR": str(tmp_path), "HEYGEM_CACHE_DIR": str(tmp_path / "cache")}
        running = Server(small_disk / "folder", "--api", setup=SMALL_PAUSES, **environment)
        stack.callback(running.stop)
        yield running.wait_until_ready()


def fill(folder, leave):
    """Write a file that leaves so many bytes on the disk."""
    status = os.statvfs(folder)
    (folder / "ballast").write_bytes(bytes(status.f_bavail * status.f_frsize - leave))


def waits_for_room(job):
    return job["phase"] == "queued" and (job["error"] or {}).get("code") == "disk-full"


def test_job_waits_for_room_and_smaller_ones_go_first(server, small_disk, short, long):
    large = server.submit(*long, duration="10").json()["id"]
    server.wait_for_phase(large, "running")
    os.kill(server.worker(), signal.SIGSTOP)
    fill(small_disk, 100_000)
    os.kill(server.worker(), signal.SIGCONT)
    job = wait_for(lambda: job if waits_for_room(job := server.job(large)) else None)
    assert (job["position"], job["progress"], job["finished"]) == (1, None, None)
    assert str(small_disk) not in json.dumps(job)
    small = server.submit(*short).json()["id"]
    server.wait_for_phase(small, "done")
    readiness = server.client.get("/readyz")
    assert (readiness.status_code, readiness.json()["reason"]) == (503, "the disk is full: jobs wait for room")
    assert waits_for_room(server.job(large))
    (small_disk / "ballast").unlink()
    job = server.wait_for_phase(large, "done", "failed", seconds=90)
    assert (job["phase"], job["error"]) == ("done", None)
    assert server.client.get("/readyz").status_code == 200
