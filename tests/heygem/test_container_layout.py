"""The layout of the official image: /code with app_local.py, service/, config/ and /code/data."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from containers import FakeDocker
from heygem_cli.heygem.installation.tree import CONFIG_INI, OPT_TXT
from heygem_cli.heygem.local.locate import find_installation, problems
from heygem_cli.options import EngineOptions
from heygem_tree import NEWER_DRAWING, NEWER_FAILED, NEWER_JOB, NEWER_STARTED, make_container_layout, opt_text

FAILED = NEWER_STARTED + NEWER_JOB + NEWER_DRAWING + NEWER_FAILED


@pytest.fixture
def home(tmp_path):
    return make_container_layout(tmp_path / "code")


def heygem(*arguments, **environment):
    command = [sys.executable, "-m", "heygem_cli", *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(params=["here", "container"])
def where(request, tmp_path, home):
    """Options and environment that name the tree, from inside and from the host of its container."""
    if request.param == "here":
        return ("--home", home), {}
    return ("--container", "server"), FakeDocker(tmp_path / "bin", home).environment


def test_doctor(home, where):
    arguments, environment = where
    (home / "data/log/dh.log").write_text(FAILED)
    (home / OPT_TXT).write_text(opt_text(threads="4"))
    python = [
        f"installation.{name}" for name in ("python", "numpy", "onnxruntime", "onnx-session", "packages", "torch")
    ]
    command = ("doctor", *arguments, "--only", "installation,log,service", "--skip", ",".join(python), "--json")
    report = json.loads(heygem(*command, **environment).stdout)
    found = {each["id"]: each for each in report["checks"]}
    assert report["home"] == str(home)
    failed = [each["id"] for each in report["checks"] if each["status"] == "fail"]
    assert failed == ["log.no-result"]
    for name in ("home", "models", "temp-dir", "config-keys"):
        assert found[f"installation.{name}"]["status"] == "ok", found[f"installation.{name}"]
    assert found["installation.gradio-queue"]["found"] == "no app.py"
    assert found["service.port"]["found"].startswith("8383 is ")
    assert found["installation.opt-txt"]["fix"].endswith(" app_local.py --num_threads 0")
    assert "run.py" not in json.dumps(found)


def test_fix_config(home, where):
    arguments, environment = where
    (home / OPT_TXT).write_text(opt_text(threads="4"))
    config = (home / CONFIG_INI).read_text()
    (home / CONFIG_INI).write_text(config.replace("./data/temp", "./data"))  # the results are in it
    done = heygem("fix-config", *arguments, "--yes", **environment)
    assert done.returncode == 0, done.stderr
    assert (home / CONFIG_INI).read_text() == config.replace("./data/temp", "./heygem_temp")
    assert "num_threads: 0" in (home / OPT_TXT).read_text()
    assert "app_local.py --num_threads 0" in done.stdout
    assert "Nothing to change." in heygem("fix-config", *arguments, "--yes", **environment).stdout


def test_local_engine_finds_it(home, tmp_path):
    for name in ("bin/ffmpeg", "bin/python"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch(mode=0o755)
    settings = EngineOptions(home=home, python=str(tmp_path / "bin/python"))
    environment = {"PATH": str(tmp_path / "bin")}
    assert problems(settings, environment) == []
    found = find_installation(settings, environment)
    assert (found.home, found.log) == (home, home / "data/log/dh.log")
    assert (found.results, found.temporary) == (home / "data/result", home / "data/temp")
    assert found.results.is_dir() and Path(found.log).is_file()
