"""Whatever lies in an installation, the doctor, fix-config and the engine say what is wrong with it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.registry import select
from heygem_cli.doctor.runner import run_checks
from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.tree import APP, CONFIG_INI, LOG, MODEL_FILES, OPT_TXT
from heygem_cli.heygem.local import locate
from heygem_cli.heygem.repair.plan import make_plan
from heygem_cli.options import EngineOptions
from heygem_tree import CONFIG, STARTED, make_installation
from unprivileged import public_folder, unprivileged

COMPOSE = Path("docker-compose.yml")
MODEL = MODEL_FILES[0]
CHECKS = {
    OPT_TXT: "installation.opt-txt",
    CONFIG_INI: "installation.temp-dir",
    APP: "installation.gradio-queue",
    COMPOSE: "installation.compose-shm",
    MODEL: "installation.models",
    LOG: "log.format",
}
SECONDS = 5.0


def link_to_itself(path):
    path.symlink_to(path.name)


def links_in_a_circle(path):
    path.symlink_to("other-link")
    path.with_name("other-link").symlink_to(path.name)


def link_with_a_long_name(path):
    path.symlink_to("x" * 300)


def link_to_zeros(path):
    path.symlink_to("/dev/zero")


def pipe(path):
    os.mkfifo(path)


def socket_file(path):
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def folder(path):
    path.mkdir()


def zeros(path):
    path.write_bytes(bytes(1000))


def sparse_terabyte(path):
    with path.open("wb") as file:
        file.truncate(1 << 40)


def endless_line(path):
    path.write_bytes(b"x" + b" ;" * 600_000)


def deep_nesting(path):
    path.write_bytes(b"(" * 100_000 + b"[{" * 50_000)


UNREADABLE = (
    link_to_itself, links_in_a_circle, link_with_a_long_name, link_to_zeros, pipe, socket_file, folder,
)  # fmt: skip
DAMAGED = (zeros, sparse_terabyte, endless_line, deep_nesting)
KINDS = [pytest.param(kind, id=kind.__name__) for kind in (*UNREADABLE, *DAMAGED)]


@pytest.fixture
def home(tmp_path):
    return make_installation(tmp_path / "home")


def make(kind, path):
    """Put something else in the place of a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    kind(path)


def diagnose(home):
    """Return the findings of the doctor by check, and try everything else that reads an installation."""
    start = time.monotonic()
    results = run_checks(select(["installation", "log"], []), Inputs(home=home, user_home=Path("/nonexistent")))
    plan = make_plan(home, app=True, compose_file=home / COMPOSE, user_home=Path("/nonexistent"))
    settings = EngineOptions(home=home, python="/bin/true")
    problems = locate.problems(settings, {})
    if not problems:
        locate.identity(settings, {})
    assert time.monotonic() - start < SECONDS
    return {each.id: each for each in results}, [*plan.problems, *problems]


@pytest.mark.parametrize("file", CHECKS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_unusable_file_is_a_finding(home, file, kind):
    make(kind, home / file)
    findings, _ = diagnose(home)
    expected = {"fail", "warn"} if kind in UNREADABLE or file not in (APP, LOG) else {"fail", "warn", "skip"}
    assert findings[CHECKS[file]].status in expected, findings[CHECKS[file]]


@pytest.mark.parametrize("name", ["log", "temp", "result", "config", "service", "landmark2face_wy"])
@pytest.mark.parametrize("kind", KINDS[: len(UNREADABLE) - 1])
def test_unusable_folder_is_a_finding_or_a_problem(home, name, kind):
    (home / name).mkdir(exist_ok=True)  # temp and result need not exist
    make(kind, home / name)
    findings, problems = diagnose(home)
    assert problems or {"fail", "warn"} & {each.status for each in findings.values()}


@pytest.mark.parametrize("name", [*CHECKS, "log", "temp", "result", "config", "service"], ids=str)
def test_missing_permission_is_a_finding_or_a_problem(name):
    with public_folder() as root:
        home = make_installation(root / "home")
        if not (home / name).exists():
            (home / name).mkdir()
        diagnose(home)  # imports what another user may not read
        (home / name).chmod(0)
        with unprivileged():
            findings, problems = diagnose(home)
        (home / name).chmod(0o755)
    assert problems or {"fail", "warn"} & {each.status for each in findings.values()}


def test_log_folder_that_is_linked_to_itself_is_named(home):
    make(link_to_itself, home / "log")
    findings, problems = diagnose(home)
    text = f"{home}/log: a link that leads back to itself"
    assert findings["installation.temp-dir"].status == "fail"
    assert text in findings["installation.temp-dir"].found
    assert text in [each.message for each in problems]


@pytest.mark.parametrize("value", ["./loop", "./a\0b", "x" * 300, "x/" * 3000, "/dev/zero", "./pipe/x", "../" * 200])
@pytest.mark.parametrize("key", ["temp_dir", "result_dir", "log_dir", "log_file"])
def test_impossible_paths_in_the_configuration(home, key, value):
    lines = [f"{key} = {value}" if line.startswith(key) else line for line in CONFIG.splitlines()]
    for folder in (home, home / "log"):
        (folder / "loop").symlink_to("loop")
        os.mkfifo(folder / "pipe")
    (home / CONFIG_INI).write_text("\n".join(lines) + "\n")
    findings, _ = diagnose(home)
    if value != "../" * 200:  # a folder that exists
        assert findings["installation.temp-dir"].status == "fail"


@pytest.mark.parametrize("time", ["2025-13-45 99:99:99", "0000-00-00 00:00:00", "2025-02-30 00:00:00"])
def test_impossible_times_in_the_log(home, time):
    (home / LOG).write_text(STARTED.replace("2025-03-18 12:50:00", time))
    findings, _ = diagnose(home)
    assert findings["log.format"].status == "ok"


@pytest.mark.parametrize(
    "text", ["[2025-03-18 12:50:01] ", "任务视频驱动队列启动", ">>>  任务:", "任务:", "command:ffmpeg ", "[x[line:1]] "]
)
def test_long_line_in_the_log(home, text):
    (home / LOG).write_text(f"{STARTED}{text * 60_000} 任务执行失败\n")
    findings, _ = diagnose(home)
    assert findings["log.format"].status == "ok"


@pytest.mark.parametrize(
    "text",
    [
        "services: {heygem: {x: 2025-13-45}}",
        "services: {heygem: {x: !!int abc}}",
        "services: {heygem: {x: !!timestamp abc}}",
        "services: {heygem: {shm_size: " + "1" * 400 + "g}}",
        "a: &a [" + "x," * 9 + "]\n" + "".join(
            f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefghi", "bcdefghij", strict=True)
        ) + "services: {heygem: {image: *j, command: *j, shm_size: *j, volumes: *j}}\n",
    ],
    ids=["date", "int", "timestamp", "size", "aliases"],
)  # fmt: skip
def test_odd_yaml(home, text):
    (home / COMPOSE).write_text(text)
    findings, _ = diagnose(home)
    assert findings["installation.compose-shm"].status in ("ok", "warn", "fail")


def test_engine_refuses_a_link_loop(home):
    (home / "temp").symlink_to("temp")
    with pytest.raises(InputError, match="leads back to itself"):
        locate.find_installation(EngineOptions(home=home, python="/bin/true"), {})


@pytest.mark.parametrize("command", ["doctor", "fix-config"])
def test_commands_report_a_link_loop(home, command):
    make(link_to_itself, home / "log")
    arguments = ["--only", "installation"] if command == "doctor" else ["--check"]
    done = subprocess.run(
        [sys.executable, "-m", "heygem_cli", command, "--home", home, *arguments],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert "a link that leads back to itself" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
