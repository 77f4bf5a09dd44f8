"""Would each engine run here?"""

import os
import shutil
import sys

import pytest

from heygem_cli.doctor import probes
from heygem_cli.doctor.child_process import Answer
from heygem_cli.doctor.engine_checks import heygem, heygem_http, mesh, official_service
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.heygem.installation.tree import CONFIG_INI, MODEL_FILES, OPT_TXT
from heygem_cli.heygem.service.maps import parse_map
from heygem_service import Service
from heygem_tree import DANGEROUS, make_installation

PYTHON38 = Answer({"version": "3.8.20", "implementation": "CPython", "packages": {}})
CUDA = Answer({"provider": "CUDAExecutionProvider", "right": True})
CPU = Answer({"provider": "CPUExecutionProvider", "right": True})


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A healthy installation, and an ffmpeg on the PATH."""
    program = tmp_path / "bin/ffmpeg"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return make_installation(tmp_path / "HeyGem")


def look(home, interpreter=PYTHON38, session=CUDA, python=sys.executable):
    finding = heygem(Inputs(home=home, home_python=python), interpreter, session)
    assert finding.found
    assert bool(finding.why) == bool(finding.fix) == (finding.status in ("warn", "fail"))
    return finding


def test_mesh_is_always_there():
    assert mesh(Inputs()).status == "ok"


def test_a_healthy_installation(home):
    assert look(home).status == "ok"


def test_what_was_not_named_is_skipped(home, tmp_path):
    assert look(None).status == "skip"
    assert "--python" in look(home, probes.NO_INTERPRETER, probes.NO_INTERPRETER, python=None).found
    assert look(tmp_path).status == "skip"


def no_model(home):
    (home / MODEL_FILES[0]).unlink()


def cut_model(home):
    path = home / MODEL_FILES[1]
    path.write_bytes(path.read_bytes()[:-5])


def read_only(home):
    (home / OPT_TXT).chmod(0o444)


def dangerous(home):
    (home / CONFIG_INI).write_text(DANGEROUS)


def no_service(home):
    shutil.rmtree(home / "service")
    (home / "service").mkdir()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (no_model, "model is missing"),
        (cut_model, "installation.models"),
        (read_only, "installation.opt-txt"),
        (dangerous, "installation.temp-dir"),
        (no_service, "service/trans_dh_service"),
    ],
)
def test_what_keeps_it_from_running(home, harm, says):
    harm(home)
    finding = look(home)
    assert (finding.status, says in finding.found) == ("fail", True), finding


def test_the_wrong_interpreter(home):
    finding = look(home, Answer({"version": "3.11.7", "implementation": "CPython", "packages": {}}))
    assert finding.status == "fail"
    assert "installation.python" in finding.found


def test_the_worker_is_tried_in_the_interpreter(home):
    answer = probes.home_interpreter(Inputs(home=home, home_python=sys.executable))
    assert answer.facts["unreadable"] == []
    facts = {**PYTHON38.facts, "unreadable": ["worker.py: invalid syntax"]}
    assert "worker.py: invalid syntax" in look(home, Answer(facts)).found


def test_a_processor_instead_of_a_gpu(home):
    finding = look(home, session=CPU)
    assert finding.status in ("warn", "fail")  # where there is a GPU, that it is not used is a failure
    assert "CPU" in finding.found


@pytest.fixture
def service(tmp_path):
    started = Service(tmp_path / "shared")
    yield started
    started.close()


def ask(**where):
    inputs = Inputs(**where)
    return heygem_http(inputs, official_service(inputs))


def test_the_service_and_its_folder(service):
    maps = (parse_map(service.map),)
    finding = ask(url=service.url, maps=maps)
    assert (finding.status, str(service.shared) in finding.found) == ("ok", True)
    assert (service.reads, service.submitted) == (["heygem-doctor"], [])
    service.temp.rmdir()
    assert ask(url=service.url, maps=maps).status == "warn"


def test_a_folder_or_a_service_that_is_not_there(service, tmp_path):
    wrong = ask(url=service.url, maps=(parse_map(f"{tmp_path / 'no'}:/code/data"),))
    assert (wrong.status, str(tmp_path / "no") in wrong.found) == ("fail", True)
    down = ask(url="http://127.0.0.1:9", maps=(parse_map(service.map),))
    assert (down.status, "cannot be reached" in down.found) == ("fail", True)


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:7860"])
def test_a_service_that_is_not_the_official_one_is_not_asked(url):
    assert ask(url=url).status == "skip"


def test_another_server_is_told(service):
    # It knows the job that nobody has.
    service.jobs["heygem-doctor"] = {"mode": "html", "status": 1, "progress": 0}
    finding = ask(url=service.url, maps=(parse_map(service.map),))
    assert (finding.status, "as HeyGem's service does not" in finding.found) == ("fail", True)
