"""Checks of the engines."""

import os
import shutil
import sys

import pytest

from heygem_cli.doctor import probes
from heygem_cli.doctor.child_process import ProbeResult
from heygem_cli.doctor.engine_checks import heygem, heygem_http, mesh, official_service
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.folder_map import parse_map
from heygem_cli.heygem.installation.tree import CONFIG_INI, MODEL_FILES, OPT_TXT
from heygem_service import Service
from heygem_tree import DANGEROUS, make_installation

PYTHON38 = ProbeResult({"version": "3.8.20", "implementation": "CPython", "packages": {}})
CUDA = ProbeResult({"provider": "CUDAExecutionProvider", "correct": True})
CPU = ProbeResult({"provider": "CPUExecutionProvider", "correct": True})


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A complete installation, and an ffmpeg on the PATH."""
    program = tmp_path / "bin/ffmpeg"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return make_installation(tmp_path / "HeyGem")


def finding_of(home, interpreter=PYTHON38, session=CUDA, python=sys.executable):
    finding = heygem(Inputs(home=home, home_python=python), interpreter, session)
    assert finding.found
    assert bool(finding.why) == bool(finding.fix) == (finding.status in ("warn", "fail"))
    return finding


def test_mesh_is_ready():
    assert mesh(Inputs()).status == "ok"


def test_heygem_is_ready_with_a_complete_installation(home):
    assert finding_of(home).status == "ok"


def test_heygem_is_skipped_without_home_or_python(home, tmp_path):
    assert finding_of(None).status == "skip"
    assert "--python" in finding_of(home, probes.NO_INTERPRETER, probes.NO_INTERPRETER, python=None).found
    assert finding_of(tmp_path).status == "skip"


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
    ("damage", "found"),
    [
        (no_model, "model is missing"),
        (cut_model, "installation.models"),
        (read_only, "installation.opt-txt"),
        (dangerous, "installation.temp-dir"),
        (no_service, "service/trans_dh_service"),
    ],
)
def test_heygem_fails_if_the_installation_is_broken(home, damage, found):
    damage(home)
    finding = finding_of(home)
    assert (finding.status, found in finding.found) == ("fail", True), finding


def test_heygem_fails_with_the_wrong_interpreter(home):
    finding = finding_of(home, ProbeResult({"version": "3.11.7", "implementation": "CPython", "packages": {}}))
    assert finding.status == "fail"
    assert "installation.python" in finding.found


def test_heygem_fails_if_the_interpreter_cannot_compile_the_worker(home):
    result = probes.home_interpreter(Inputs(home=home, home_python=sys.executable))
    assert result.facts["compile_errors"] == []
    facts = {**PYTHON38.facts, "compile_errors": ["worker.py: invalid syntax"]}
    assert "worker.py: invalid syntax" in finding_of(home, ProbeResult(facts)).found


def test_heygem_on_a_cpu(home):
    finding = finding_of(home, session=CPU)
    assert finding.status in ("warn", "fail")  # a failure if there is a GPU
    assert "CPU" in finding.found


@pytest.fixture
def service(tmp_path):
    started = Service(tmp_path / "shared")
    yield started
    started.close()


def http_finding(**inputs):
    inputs = Inputs(**inputs)
    return heygem_http(inputs, official_service(inputs))


def test_http_needs_the_service_and_its_folder(service):
    maps = (parse_map(service.map),)
    finding = http_finding(url=service.url, maps=maps)
    assert (finding.status, str(service.shared) in finding.found) == ("ok", True)
    assert (service.queries, service.submitted) == (["heygem-doctor"], [])
    service.temp.rmdir()
    assert http_finding(url=service.url, maps=maps).status == "warn"


def test_http_fails_without_folder_or_service(service, tmp_path):
    wrong = http_finding(url=service.url, maps=(parse_map(f"{tmp_path / 'no'}:/code/data"),))
    assert (wrong.status, str(tmp_path / "no") in wrong.found) == ("fail", True)
    down = http_finding(url="http://127.0.0.1:9", maps=(parse_map(service.map),))
    assert (down.status, "cannot be reached" in down.found) == ("fail", True)


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:7860"])
def test_http_is_skipped_for_other_services(url):
    assert http_finding(url=url).status == "skip"


def test_http_fails_with_another_server(service):
    # It knows a job that does not exist.
    service.jobs["heygem-doctor"] = {"mode": "html", "status": 1, "progress": 0}
    finding = http_finding(url=service.url, maps=(parse_map(service.map),))
    assert (finding.status, "does not answer like HeyGem's service" in finding.found) == ("fail", True)
