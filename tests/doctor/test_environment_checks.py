"""Checks of the recommended environment variables."""

import os
import subprocess
import sys

import pytest

from heygem_cli.doctor.environment_checks import variable
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.heygem.installation.variables import VARIABLES
from heygem_tree import make_installation

BY_NAME = {each.name: each for each in VARIABLES}


def test_recommended_variables():
    assert {name: each.recommended for name, each in BY_NAME.items()} == {
        "ORT_PARALLEL": "0",
        "TORCH_DATALOADER_NUM_WORKERS": "0",
        "OMP_NUM_THREADS": "1",
        "TORCH_NUM_THREADS": "1",
        "GRADIO_QUEUE_TIMEOUT": "300",
        "CUDA_LAUNCH_BLOCKING": "0",
    }
    assert {name for name, each in BY_NAME.items() if each.effective} == {"OMP_NUM_THREADS", "CUDA_LAUNCH_BLOCKING"}


@pytest.mark.parametrize(
    ("name", "value", "status", "words"),
    [
        ("ORT_PARALLEL", None, "ok", "unset, recommended: 0; effect: sequential; no library reads it"),
        ("ORT_PARALLEL", "1", "warn", "effect: sequential, parallel in heygem"),
        ("TORCH_DATALOADER_NUM_WORKERS", "2", "warn", "4 in HeyGem unless set on its command line, 2 in heygem"),
        ("OMP_NUM_THREADS", "1", "ok", "1, recommended: 1; effect: 1; torch, BLAS and numba read it"),
        ("OMP_NUM_THREADS", "8", "warn", "effect: 8;"),
        ("OMP_NUM_THREADS", None, "ok", "one thread per core in HeyGem, 1 in heygem"),
        ("TORCH_NUM_THREADS", "1", "ok", "effect: one thread per core in HeyGem, 1 in heygem; no library reads it"),
        ("GRADIO_QUEUE_TIMEOUT", "300", "ok", "effect: no time limit; no known version of Gradio reads it"),
        ("GRADIO_QUEUE_TIMEOUT", "", "warn", "empty, recommended: 300"),
        ("CUDA_LAUNCH_BLOCKING", "1", "warn", "effect: 1; CUDA reads it"),
    ],
)
def test_value_is_compared_and_effect_explained(name, value, status, words):
    finding = variable(Inputs(environment={} if value is None else {name: value}), spec=BY_NAME[name])
    assert finding.status == status
    assert words in finding.found
    assert status == "ok" or finding.fix.startswith(f"export {name}={BY_NAME[name].recommended} ")


def test_threads_must_be_set_for_heygem(tmp_path):
    home = make_installation(tmp_path / "HeyGem")
    assert variable(Inputs(environment={}, home=home), spec=BY_NAME["OMP_NUM_THREADS"]).status == "warn"


@pytest.mark.parametrize(
    ("source", "status", "words"),
    [
        ("import os\nos.environ['OMP_NUM_THREADS'] = '1'\nimport gradio", "ok", "app.py, line 2: 1, recommended: 1"),
        ("import os\nos.environ['OMP_NUM_THREADS'] = '4'", "warn", "app.py, line 2: 4, recommended: 1; effect: 4"),
        ("import os, torch\nos.environ['OMP_NUM_THREADS'] = '1'", "warn", "app.py, line 2: 1"),
        ("import os\nos.environ.setdefault('OMP_NUM_THREADS', '1')", "warn", "8, recommended: 1"),
        ("(", "warn", "8, recommended: 1"),
    ],
)
def test_variables_that_app_sets_itself_count(tmp_path, source, status, words):
    """The environment of the process does not show them."""
    home = make_installation(tmp_path / "HeyGem")
    (home / "app.py").write_text(source)
    finding = variable(Inputs(environment={"OMP_NUM_THREADS": "8"}, home=home), spec=BY_NAME["OMP_NUM_THREADS"])
    assert finding.status == status
    assert finding.found.startswith(words)
    if "torch" in source:
        assert "move line 2 up" in finding.fix
    elif words.startswith("app.py") and status == "warn":
        assert finding.fix == f"heygem fix-config --app --home {home}"


def test_environment_of_the_running_heygem_is_checked(tmp_path):
    home = make_installation(tmp_path / "HeyGem")
    (home / "run.py").write_text("print(flush=True); import time; time.sleep(60)")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "run.py"]
    with subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.PIPE) as running:
        try:
            running.stdout.readline()
            finding = variable(Inputs(environment={"OMP_NUM_THREADS": "8"}, home=home), spec=BY_NAME["OMP_NUM_THREADS"])
        finally:
            running.kill()
    assert finding.status == "ok"
    assert finding.found.startswith(f"in HeyGem (process {running.pid}): 1, ")
