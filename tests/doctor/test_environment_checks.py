"""The six variables, and honestly what they do."""

import os
import subprocess
import sys

import pytest

from heygem_cli.doctor.environment_checks import variable
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.heygem.installation.variables import VARIABLES
from heygem_tree import make_installation

BY_NAME = {each.name: each for each in VARIABLES}


def test_the_variables_of_the_note():
    assert {name: each.asked for name, each in BY_NAME.items()} == {
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
        ("ORT_PARALLEL", None, "ok", "unset, asked for 0; in force: sequential; no library reads it"),
        ("ORT_PARALLEL", "1", "warn", "in force: sequential, parallel in heygem"),
        ("TORCH_DATALOADER_NUM_WORKERS", "2", "warn", "4 unless its command line says otherwise, 2 in heygem"),
        ("OMP_NUM_THREADS", "1", "ok", "1, asked for 1; in force: 1; torch, BLAS and numba read it"),
        ("OMP_NUM_THREADS", "8", "warn", "in force: 8;"),
        ("OMP_NUM_THREADS", None, "ok", "one thread a core, 1 in heygem"),
        ("TORCH_NUM_THREADS", "1", "ok", "in force: one thread a core, 1 in heygem; no library reads it"),
        ("GRADIO_QUEUE_TIMEOUT", "300", "ok", "in force: no time limit; no known Gradio reads it"),
        ("GRADIO_QUEUE_TIMEOUT", "", "warn", "empty, asked for 300"),
        ("CUDA_LAUNCH_BLOCKING", "1", "warn", "in force: 1; CUDA reads it"),
    ],
)
def test_value_and_effect(name, value, status, words):
    finding = variable(BY_NAME[name])(Inputs(environment={} if value is None else {name: value}))
    assert finding.status == status
    assert words in finding.found
    assert status == "ok" or finding.fix.startswith(f"export {name}={BY_NAME[name].asked} ")


def test_heygem_needs_its_threads_set(tmp_path):
    home = make_installation(tmp_path / "HeyGem")
    assert variable(BY_NAME["OMP_NUM_THREADS"])(Inputs(environment={}, home=home)).status == "warn"


def test_the_environment_of_the_heygem_that_runs_is_the_one_that_counts(tmp_path):
    home = make_installation(tmp_path / "HeyGem")
    (home / "run.py").write_text("print(flush=True); import time; time.sleep(60)")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "run.py"]
    with subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.PIPE) as running:
        try:
            running.stdout.readline()
            finding = variable(BY_NAME["OMP_NUM_THREADS"])(Inputs(environment={"OMP_NUM_THREADS": "8"}, home=home))
        finally:
            running.kill()
    assert finding.status == "ok"
    assert finding.found.startswith(f"in HeyGem (process {running.pid}): 1, ")
