"""Finding an installation and its processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation import tree
from heygem_tree import make_installation


@pytest.fixture
def home(tmp_path):
    return make_installation(tmp_path / "HeyGem")


def test_named_home_takes_precedence(home, tmp_path):
    (tmp_path / "other").mkdir()
    environment = {"HEYGEM_HOME": str(tmp_path / "other")}
    assert tree.find_home(home, environment, tmp_path) == home
    assert tree.find_home(None, environment, home) == tmp_path / "other"


def test_home_is_found_from_inside(home):
    assert tree.find_home(None, {}, home / "face_detect_utils" / "resources") == home
    assert tree.find_home(None, {"HEYGEM_HOME": ""}, home) == home


def test_no_home(tmp_path):
    assert tree.find_home(None, {}, tmp_path) is None


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_named_home_does_not_exist(tmp_path, kind):
    if kind == "file":
        (tmp_path / kind).touch()
    with pytest.raises(InputError, match="there is no such folder"):
        tree.find_home(tmp_path / kind, {}, tmp_path)


def test_compiled_modules(home):
    assert tree.compiled_modules(home) == {"3.8": 2}
    (home / "service" / "new.cpython-311-x86_64-linux-gnu.so").touch()
    (home / "venv" / "lib").mkdir(parents=True)
    (home / "venv" / "lib" / "x.cpython-312-x86_64-linux-gnu.so").touch()
    assert tree.compiled_modules(home) == {"3.8": 2, "3.11": 1}


def test_processes_and_their_environment(home):
    (home / "run.py").write_text("print(flush=True); import time; time.sleep(60)")
    command = [sys.executable, "run.py", "--num_threads", "0"]
    environment = {"OMP_NUM_THREADS": "7"}
    sleep = [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)"]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, cwd=home, env=environment, stdout=pipe) as running,
        subprocess.Popen([*sleep, "--multiprocessing-fork"], cwd=home, stdout=pipe) as worker,
        # Processes in the same folder that do not belong to HeyGem.
        subprocess.Popen(sleep, cwd=home, stdout=pipe) as other,
        subprocess.Popen(["sleep", "60"], cwd=home) as another,
    ):
        processes = (running, worker, other, another)
        try:
            for each in processes[:3]:
                each.stdout.readline()
            found = tree.processes(home, Path("/proc"))
            assert [each.pid for each in found] == sorted([running.pid, worker.pid])
            assert {each.pid: each.command for each in found}[running.pid].endswith("run.py --num_threads 0")
            assert tree.process_environment(running.pid, Path("/proc"))["OMP_NUM_THREADS"] == "7"
        finally:
            for each in processes:
                each.kill()
    assert tree.processes(home, Path("/proc")) == []
    assert tree.process_environment(running.pid, Path("/proc")) is None
