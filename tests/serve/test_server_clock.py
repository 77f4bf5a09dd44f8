"""A server whose system's clock jumps while jobs wait, run and are kept."""

import time

import pytest

from serve_program import Server, wait_for

DAY = 86400
SETUP = """
import os, time
from pathlib import Path
system = time.time
time.time = lambda: system() + float(Path(os.environ["SHIFT"]).read_text())
import heygem_cli.serve.service as service
service.SWEEP_SECONDS = 0.2
"""


@pytest.fixture
def start(tmp_path):
    """Start a server whose clock is wrong by so many seconds, and return it with a function that changes that."""
    servers = []
    shift = tmp_path / "shift"

    def jump(seconds):
        shift.with_name("new").write_text(str(seconds))
        shift.with_name("new").replace(shift)

    def start(seconds):
        jump(seconds)
        servers.append(Server(tmp_path / "folder", "--api", setup=SETUP, SHIFT=str(shift)))
        return servers[-1].wait_until_ready(), jump

    yield start
    for each in servers:
        each.stop()


def wait_for_sweep(server):
    """Wait until the server has looked for what is too old, from the beginning to the end."""
    ages = server.folder / "ages.json"
    for _ in range(2):
        before = ages.stat().st_mtime_ns if ages.exists() else 0
        wait_for(lambda: ages.exists() and ages.stat().st_mtime_ns != before)  # noqa: B023


def test_clock_that_jumps_removes_and_ends_nothing(start, long, short):
    server, jump = start(0)
    done = server.submit(*short).json()["id"]
    server.wait_for_phase(done, "done")
    running = server.submit(*long, no_cache="yes").json()["id"]
    server.wait_for_phase(running, "running")
    waiting = [server.submit(*short).json()["id"]]
    for seconds in (DAY, 400 * DAY, -400 * DAY):
        jump(seconds)
        wait_for_sweep(server)
        left = server.job(running)["seconds_left"]
        assert left is None or left < 600
    waiting.append(server.submit(*short).json()["id"])
    assert [server.job(id)["phase"] for id in (done, running, *waiting)] == ["done", "running", "queued", "queued"]
    server.cancel(running)
    for id in waiting:
        server.wait_for_phase(id, "done")
    server.stop()

    wrong, jump = start(10 * 365 * DAY)  # an empty battery of the clock
    wait_for_sweep(wrong)
    assert [job["id"] for job in wrong.client.get("/api/v1/jobs").json()["jobs"]] == [*waiting[::-1], running, done]
    jump(0)
    began = time.time()
    again = wrong.client.post(f"/api/v1/jobs/{done}/again").json()["id"]
    assert began <= wrong.wait_for_phase(again, "done")["finished"] <= time.time()
