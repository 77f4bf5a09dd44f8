"""Watching, metrics, and the monitoring that docs/doctor.md describes, on the stand-ins with both kinds of log."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from heygem_cli.heygem.installation.tree import LOG
from heygem_service import Service
from heygem_tree import (
    DONE,
    JOB,
    NEWER_DONE,
    NEWER_DRAWING,
    NEWER_FAILED,
    NEWER_JOB,
    NEWER_STARTED,
    STARTED,
    make_installation,
)
from serve_program import wait_for

PAGE = Path(__file__).parents[2] / "docs/doctor.md"
HEYGEM = [sys.executable, "-m", "heygem_cli"]
QUEUE_FULL = "[2025-03-18 12:55:00,000] [run.py[line:170]] [ERROR] [[T1]任务视频驱动队列满，严重阻塞，下游队列异常]\n"
HEALTHY = {"old": STARTED + JOB + DONE, "newer": NEWER_STARTED + NEWER_JOB + NEWER_DRAWING + NEWER_DONE}
FAILED = "[2025-03-18 12:55:00,100] [run.py[line:171]] [ERROR] [[T1]任务执行失败，异常信息:[下游队列异常]]\n"
QUERY = "/easy/query?code=heygem-doctor"
"""What the doctor asks at port 8383; the stand-in has another one."""
BLOCKED = {
    "old": STARTED + JOB + QUEUE_FULL + FAILED,
    "newer": NEWER_STARTED + NEWER_JOB + NEWER_DRAWING + NEWER_FAILED,
}


@pytest.fixture
def home(tmp_path):
    return make_installation(tmp_path / "HeyGem")


@pytest.fixture
def service(tmp_path):
    service = Service(tmp_path / "shared")
    yield service
    service.close()


def doctor(*arguments):
    command = [*HEYGEM, "doctor", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def metrics(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_watch_prints_changes_only(home):
    written = home.parent / "heygem.prom"  # after each round
    command = [*HEYGEM, "doctor", "--home", home, "--only", "log", "--watch", "1", "--json", "--prometheus", written]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        for _ in range(2):  # rounds without a line
            wait_for(written.exists)
            written.unlink()
        (home / LOG).write_text(BLOCKED["old"])
        blocked = json.loads(process.stdout.readline())
        (home / LOG).write_text(HEALTHY["old"])
        healthy = json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert (blocked["id"], blocked["was"], blocked["status"]) == ("log.queue-full", "ok", "fail")
    assert blocked["fix"]
    assert (healthy["id"], healthy["was"], healthy["status"]) == ("log.queue-full", "fail", "ok")
    assert process.stdout.read() == ""


@pytest.mark.parametrize("options", [["--url", "ftp://x"], ["--home", "missing"], ["--prometheus", "/dev/null/x.prom"]])
def test_first_round_that_fails_is_one_line_of_json(home, options):
    done = doctor("--home", home, "--only", "log", "--watch", 1, "--json", *options)
    assert done.returncode in (1, 2)
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["error"]["message"] in done.stderr


def test_metrics(home, tmp_path):
    path = tmp_path / "heygem.prom"
    (home / "temp").mkdir()
    (home / "temp/frame.png").write_bytes(bytes(100_000))
    (home / LOG).write_text(HEALTHY["newer"])
    os.utime(home / LOG, (time.time() - 60,) * 2)
    assert doctor("--home", home, "--only", "log", "--prometheus", path).returncode == 0
    found = metrics(path)
    assert found["heygem_queue_blocked"] == 0
    assert (found["heygem_jobs_done"], found["heygem_jobs_failed"], found["heygem_job_running"]) == (1, 0, 0)
    assert found["heygem_last_job_age_seconds"] == pytest.approx(60, abs=20)
    assert 100_000 <= found["heygem_temp_bytes"] < 200_000
    assert found["heygem_shm_size_bytes"] > 0
    assert found['heygem_check_status{check="log.queue-full"}'] == 0
    assert path.stat().st_mode & 0o777 == 0o644
    (home / LOG).write_text(BLOCKED["old"])
    doctor("--home", home, "--only", "log", "--prometheus", path)
    found = metrics(path)
    assert (found["heygem_queue_blocked"], found["heygem_jobs_failed"]) == (1, 1)
    assert found['heygem_check_status{check="log.queue-full"}'] == 2


def test_metrics_need_a_name_that_node_exporter_reads(home, tmp_path):
    done = doctor("--home", home, "--only", "log", "--prometheus", tmp_path / "heygem.txt")
    assert (done.returncode, ".prom" in done.stderr) == (2, True)


def test_required_service(home, service):
    arguments = ("--home", home, "--only", "service", "--require", "service")
    assert doctor(*arguments).returncode == 1
    assert doctor(*arguments, "--url", service.url + QUERY).returncode == 0
    service.close()
    assert doctor(*arguments, "--url", service.url + QUERY).returncode == 1


def documented(name):
    """Return the command line of a kind of monitoring, from the page."""
    text = PAGE.read_text(encoding="utf-8")
    if name == "unit":
        return shlex.split(re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)[1])
    if name == "cron":
        return shlex.split(re.search(r"root (/opt/heygem/bin/heygem doctor .*?) > ", text)[1])
    if name == "health check":
        return json.loads(re.search(r"HEALTHCHECK .*CMD (\[.*\])", text)[1])
    probes = yaml.safe_load(re.search(r"```yaml\n(startupProbe.*?)```", text, re.DOTALL)[1])
    return probes[name]["exec"]["command"]


def run_documented(name, home, url, extra=()):
    replaced = {"/srv/HeyGem": str(home), "/code": str(home), "http://127.0.0.1:8383": url}
    program, *arguments = [replaced.get(each, each) for each in documented(name)]
    assert program == "/opt/heygem/bin/heygem"
    return subprocess.run([*HEYGEM, *arguments, *extra], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["old", "newer"])
@pytest.mark.parametrize("name", ["health check", "livenessProbe", "startupProbe", "cron"])
def test_documented_checks_of_a_healthy_and_of_a_blocked_service(home, service, name, kind):
    extra = ("--url", service.url + QUERY) if name == "cron" else ()
    (home / LOG).write_text(HEALTHY[kind])
    done = run_documented(name, home, service.url + QUERY, extra)
    assert done.returncode == 0, done.stdout
    (home / LOG).write_text(BLOCKED[kind])
    blocked = run_documented(name, home, service.url + QUERY, extra)
    assert blocked.returncode == (0 if name == "startupProbe" else 1), blocked.stdout


def test_documented_unit(home, tmp_path):
    path = tmp_path / "heygem.prom"
    replaced = {"/srv/HeyGem": str(home), "/var/lib/node_exporter/heygem.prom": str(path), "30": "1"}
    process = subprocess.Popen([*HEYGEM, *(replaced.get(each, each) for each in documented("unit")[1:])])
    try:
        end = time.monotonic() + 60
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.2)
    finally:
        process.terminate()
    assert process.wait(30) == 143  # SuccessExitStatus of the unit
    assert metrics(path)["heygem_queue_blocked"] == 0
