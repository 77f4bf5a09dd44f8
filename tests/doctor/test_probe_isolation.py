"""The doctor's child processes run nothing from the current folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from containers import FakeDocker
from heygem_cli.doctor import probes
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.registry import CHECKS
from heygem_tree import make_installation
from trap import make_trap

PYTHONS = [
    path
    for path in (os.path.realpath(sys.executable), shutil.which("python3.8"))
    if path and subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0
]
PROBES = sorted({probe for check in CHECKS for probe in check.probes} - {probes.render}, key=repr)
FAST = [probes.interpreter, probes.nvml, probes.nvidia_smi, probes.service, probes.home_interpreter, probes.home_torch]
ENVIRONMENTS = [
    {},
    {"PYTHONPATH": ""},
    {"PYTHONPATH": ".", "PYTHONSTARTUP": "json.py", "PYTHONHOME": "."},
    {"PYTHONPATH": ":", "PATH": f":{os.environ['PATH']}", "PYTHONUSERBASE": "."},
    {"PATH": f".:{os.environ['PATH']}", "PYTHONPATH": "{trap}"},
]
EVERYTHING = {name: value for each in ENVIRONMENTS for name, value in each.items()} | {"PYTHONPATH": ".::{trap}"}


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """The current folder, full of traps, also below the user site and the CUDA packages; return their mark."""
    folder = tmp_path / "trap"
    mark = make_trap(folder)
    for name in ("lib/python3.8/site-packages", f"lib/python3.{sys.version_info.minor}/site-packages"):
        (folder / name).mkdir(parents=True)
        for module in ("sitecustomize.py", "usercustomize.py", "json.py", "numpy.py"):
            (folder / name / module).write_bytes((folder / "json.py").read_bytes())
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    monkeypatch.chdir(folder)
    return mark


def inputs_in(trap: Path, variables: dict[str, str], **more) -> Inputs:
    folder = trap.parent
    environment = {name: value.format(trap=Path.cwd()) for name, value in variables.items()}
    return Inputs(dev=folder / "dev", environment=os.environ | environment, **more)


@pytest.mark.parametrize(("variables", "chosen"), [*((each, FAST) for each in ENVIRONMENTS), (EVERYTHING, PROBES)])
def test_probes_run_nothing_from_the_current_folder(trap, variables, chosen):
    home = make_installation(trap.parent / "home")
    for python in PYTHONS:
        inputs = inputs_in(trap, variables, home=home, home_python=python, url="http://127.0.0.1:1")
        results = {probe: probe(inputs) for probe in chosen}
        assert not trap.exists(), trap.read_text()
        assert results[probes.interpreter].facts["version"] == sys.version.split()[0]
        assert results[probes.service].facts["error"] == "Connection refused"
        assert results[probes.home_interpreter].facts["version"]


def test_deep_render_runs_nothing_from_the_current_folder(trap):
    inputs = inputs_in(trap, {"PYTHONPATH": ".", "PATH": f":{os.environ['PATH']}"}, deep=True, temporary=trap.parent)
    assert probes.render(inputs).facts["frames"] == 25
    assert not trap.exists(), trap.read_text()


def test_doctor_runs_nothing_from_the_current_folder(trap):
    # As its script does, which has no current folder in its path.
    command = [sys.executable, "-I", "-c", "from heygem_cli.__main__ import main; main()", "doctor"]
    command += ["--python", "python3", "--home", str(make_installation(trap.parent / "home"))]
    environment = os.environ | {"PYTHONPATH": ".", "PATH": f":{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert not trap.exists(), trap.read_text()
    assert "CPython" in done.stdout, done.stderr


def test_scripts_in_a_container_import_nothing_from_the_folder_they_run_in(trap):
    docker = FakeDocker(trap.parent / "docker", make_installation(trap.parent / "home"))
    command = [sys.executable, "-I", "-c", "from heygem_cli.__main__ import main; main()", "doctor"]
    command += ["--container", "server", "--only", "installation", "--json"]
    done = subprocess.run(command, env=os.environ | docker.environment, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["home"] == str(trap.parent / "home"), done.stderr
    assert not trap.exists(), trap.read_text()


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler for the library")
@pytest.mark.parametrize("folders", ["", ".", ":/usr/lib", "/usr/lib;.", "./nowhere:"])
def test_libraries_are_not_loaded_from_the_current_folder(trap, folders):
    source = f'#include <stdio.h>\n__attribute__((constructor)) void f(void) {{ fclose(fopen("{trap}", "w")); }}'
    for name in ("libnvidia-ml.so.1", "libcuda.so.1", "libcudart.so.11.0"):
        command = ["cc", "-shared", "-fPIC", "-x", "c", "-o", name, "-"]
        subprocess.run(command, input=source, text=True, check=True)
    packages = Path("nvidia/cuda_runtime/lib")
    packages.mkdir(parents=True)
    shutil.copy("libcudart.so.11.0", packages)
    inputs = inputs_in(trap, {"LD_LIBRARY_PATH": folders})
    for probe in (probes.nvml, probes.cuda_libraries):
        assert not probe(inputs).failure
    assert not trap.exists()


def test_packages_of_the_user_are_found(trap):
    python = PYTHONS[0]
    version = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                             capture_output=True, text=True, check=True, cwd="/").stdout.strip()  # fmt: skip
    base = trap.parent / "user"
    packages = base / f"lib/python{version}/site-packages"
    packages.mkdir(parents=True)
    (packages / "torch-9.9.dist-info").mkdir()
    (packages / "torch-9.9.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.9\n")
    inputs = inputs_in(trap, {"PYTHONUSERBASE": str(base)}, home_python=python)
    assert probes.home_interpreter(inputs).facts["packages"]["torch"] == "9.9"
