"""Tests of ``heygem engines`` as a process."""

import json
import os
import subprocess
import sys

import pytest

from heygem_cli.engines import ENGINES
from heygem_service import Service
from heygem_tree import make_installation


def run(*arguments, cwd, **environment):
    command = [sys.executable, "-m", "heygem_cli", "engines", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )


def engines_json(*arguments, cwd, **environment):
    done = run(*arguments, "--json", cwd=cwd, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer["schema"] == 1
    return {each["name"]: each for each in answer["engines"]}


def codes(engine):
    return [problem["code"] for problem in engine["problems"]]


def test_engines_without_a_heygem(tmp_path):
    engines = engines_json("--url", "http://127.0.0.1:9", cwd=tmp_path)
    assert list(engines) == list(ENGINES)
    assert (engines["mesh"]["ready"], codes(engines["mesh"])) == (True, [])
    assert (engines["heygem"]["ready"], codes(engines["heygem"])) == (False, ["no-home"])
    assert codes(engines["heygem-http"]) == ["no-map", "service-unreachable"]
    for each in engines.values():
        assert each["summary"]
        assert each["needs"]
        assert all(problem["message"] and problem["hint"] for problem in each["problems"])


def test_no_engine_is_ready_without_an_ffmpeg_that_works(tmp_path):
    engines = engines_json(cwd=tmp_path, IMAGEIO_FFMPEG_EXE="/bin/false")
    assert [codes(each)[0] for each in engines.values()] == ["no-ffmpeg"] * 3
    assert engines["mesh"]["problems"][0]["hint"] == "Unset IMAGEIO_FFMPEG_EXE, which names it"


def test_table_shows_problems_and_remedies(tmp_path):
    done = run("--url", "http://127.0.0.1:9", cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split("  ")[0] for line in lines if not line.startswith(" ")] == list(ENGINES)
    assert lines[0].split()[:2] == ["mesh", "ready"]
    assert any(line.split()[:2] == ["do", "Name"] and "--home" in line for line in lines)


def test_ready_service_and_installation(tmp_path):
    service = Service(tmp_path / "shared")
    home = make_installation(tmp_path / "HeyGem")
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    where = {"HEYGEM_URL": service.url, "HEYGEM_MAP": service.map, "HEYGEM_PYTHON": sys.executable}
    where["PATH"] = f"{program.parent}:{os.environ['PATH']}"
    engines = engines_json(cwd=home / "config", **where)
    assert {name: each["problems"] for name, each in engines.items()} == {name: [] for name in ENGINES}
    assert service.submitted == []
    service.close()


def test_options_and_variables_name_the_installation(tmp_path):
    service = Service(tmp_path / "shared", "ok")
    engines = engines_json(
        "--home", tmp_path / "no", "--url", service.url, "--map", f"{tmp_path / 'no'}:/code/data", cwd=tmp_path
    )
    assert (codes(engines["heygem"]), codes(engines["heygem-http"])) == (["home-missing"], ["bad-map"])
    service.close()


@pytest.mark.parametrize("arguments", [["--map", "nonsense"], ["--nonsense"]])
def test_wrong_usage_exits_2(arguments, tmp_path):
    assert run(*arguments, cwd=tmp_path).returncode == 2


def test_help_is_light(tmp_path):
    heavy = "{'torch', 'onnxruntime', 'cv2', 'mediapipe', 'numpy'}"
    program = f"import sys, heygem_cli.cli.main; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
