"""Checks of an installation's interpreter and of its ONNX Runtime."""

import sys
import venv

import pytest

from heygem_cli.doctor import installation_checks as checks
from heygem_cli.doctor import probes
from heygem_cli.doctor.child_process import ProbeResult
from heygem_cli.doctor.inputs import Inputs
from heygem_tree import make_installation


@pytest.fixture
def home(tmp_path):
    return make_installation(tmp_path / "Hey Gem")


def interpreter(version: str, **packages: str) -> ProbeResult:
    names = {name.replace("_", "-"): each for name, each in packages.items()}
    return ProbeResult({"implementation": "CPython", "version": version, "packages": names})


@pytest.mark.parametrize(("version", "status"), [("3.8.20", "ok"), ("3.9.18", "fail"), ("3.11.7", "fail")])
def test_python_must_match_the_compiled_modules(home, version, status):
    finding = checks.python(Inputs(home=home, home_python="python3"), interpreter(version))
    assert finding.status == status
    assert finding.found.startswith(f"modules: 2 for Python 3.8; python3 is CPython {version}")


def test_real_interpreter(home):
    inputs = Inputs(home=home, home_python=sys.executable)
    finding = checks.python(inputs, probes.home_interpreter(inputs))
    assert finding.status == "fail"
    assert "only CPython 3.8 can load these modules" in finding.why
    assert checks.numpy(inputs, probes.home_interpreter(inputs)).status == "ok"
    result = probes.home_onnx_session(inputs)
    assert checks.onnxruntime(inputs, probes.home_interpreter(inputs), probes.nvml(inputs), result).status == "ok"
    session = checks.onnx_session(inputs, result)
    assert session.found.startswith("runs on C")


def test_checks_without_an_interpreter(home):
    inputs = Inputs(home=home)
    finding = checks.python(inputs, probes.home_interpreter(inputs))
    assert (finding.status, finding.found[:20]) == ("skip", "2 for Python 3.8; na")
    assert checks.torch(inputs, probes.home_torch(inputs)).status == "skip"


def test_hanging_interpreter(home, tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    inputs = Inputs(home=home, home_python=str(program), timeout=0.5)
    finding = checks.python(inputs, probes.home_interpreter(inputs))
    assert finding.found == f"{program}: timed out after 0.5 s"


def session(provider: str) -> ProbeResult:
    return ProbeResult({"provider": f"{provider}ExecutionProvider", "correct": True})


CPU, CUDA = session("CPU"), session("CUDA")


@pytest.mark.parametrize(
    ("version", "torch", "result", "status", "found"),
    [
        # A session that gets CUDA proves that the version works.
        ("1.16.0", "1.11.0+cu113", CUDA, "ok", "1.16.0 gets CUDA; the operators' note asks for 1.18.0"),
        ("1.17.1", "1.11.0", CUDA, "ok", "1.17.1 gets CUDA; the operators' note asks for 1.18.0"),
        ("1.18.0", "1.11.0", CUDA, "ok", "onnxruntime-gpu 1.18.0 gets CUDA"),
        ("1.20.1", "2.7.0", CUDA, "ok", "1.20.1 gets CUDA"),
        # A build for another CUDA than the environment's.
        ("1.19.2", "1.11.0+cu113", CPU, "fail", "1.19.2 is built for CUDA 12, but torch 1.11.0+cu113 for CUDA 11"),
        ("1.20.1", "1.13.1", CPU, "fail", "1.20.1 is built for CUDA 12, but torch 1.13.1 for CUDA 11"),
        ("1.16.0", "2.7.0", CPU, "fail", "1.16.0 is built for CUDA 11, but torch 2.7.0 for CUDA 12"),
        # Nothing is wrong with the version.
        (
            "1.16.0",
            "1.11.0+cu113",
            CPU,
            "ok",
            "(the operators' note asks for 1.18.0); not tried, because there is no GPU",
        ),
        ("1.22.0", "2.7.0+cu128", CPU, "ok", "for CUDA 12"),
        ("1.22.0", "2.7.0+cpu", CPU, "ok", "for CUDA 12"),
    ],
)
def test_onnxruntime_is_judged_by_what_it_does(tmp_path, version, torch, result, status, found):
    inputs = Inputs(dev=tmp_path, home_python="python3")
    packages = interpreter("3.8.20", onnxruntime_gpu=version, torch=torch)
    finding = checks.onnxruntime(inputs, packages, ProbeResult(), result)
    assert finding.status == status
    assert found in finding.found
    assert ("==1.18.0" in finding.fix) == (status == "fail" and version != "1.16.0")


def test_old_onnxruntime_on_a_new_gpu():
    gpus = ProbeResult({"devices": [{"capability": [12, 0]}]})
    packages = interpreter("3.9.20", onnxruntime_gpu="1.18.0", torch="2.7.0")
    finding = checks.onnxruntime(Inputs(home_python="python3"), packages, gpus, CPU)
    assert finding.status == "fail"
    # Version 1.18.0 must not be recommended for an RTX 50.
    assert "==1.18.0" not in finding.fix
    assert checks.onnxruntime(Inputs(home_python="python3"), packages, gpus, CUDA).status == "ok"


FAKE_RUNTIME = """
import os, sys
def get_available_providers():
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]
class InferenceSession:
    def __init__(self, model, providers):
        self.cuda = "torch" in sys.modules and "nvidia/cudnn/lib" in os.environ.get("LD_LIBRARY_PATH", "")
    def get_providers(self):
        return ["CUDAExecutionProvider" if self.cuda else "CPUExecutionProvider"]
    def run(self, names, inputs):
        return [[0.0]]
"""


def test_session_is_opened_in_the_environment_of_the_worker(tmp_path):
    """CUDA is available only after torch, and with the folders of the interpreter's own libraries."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "env").glob("lib/python3*/site-packages")
    (site / "nvidia/cudnn/lib").mkdir(parents=True)
    (site / "onnxruntime.py").write_text(FAKE_RUNTIME)
    (site / "torch.py").touch()
    (site / "numpy.py").write_text("array = lambda values, kind: values\nfloat32 = None\n")
    (tmp_path / "nvidia0").touch()
    inputs = Inputs(dev=tmp_path, home_python=str(tmp_path / "env/bin/python"))
    result = probes.home_onnx_session(inputs)
    assert (result.failure, checks.onnx_session(inputs, result).found) == ("", "runs on CUDA")


def test_missing_packages_are_named(home):
    (home / "requirements.txt").write_text("# 注释\nLibrosa==0.8.1\nscikit_image\ntorch==1.11.0+cu113\n-r other.txt\n")
    (home / "wenet").mkdir(exist_ok=True)
    inputs = Inputs(home=home, home_python="/env/bin/python")

    def finding(*installed):
        return checks.packages(inputs, ProbeResult({"installed": list(installed)}))

    assert finding("librosa", "scikit-image", "typeguard").found == "3 packages, all installed"
    assert finding("scikit-image").found == "missing: librosa, typeguard"
    assert finding("scikit-image").fix == "/env/bin/python -m pip install Librosa==0.8.1 typeguard"


def test_session_on_the_cpu(tmp_path):
    result = ProbeResult({"provider": "CPUExecutionProvider", "correct": True})
    assert checks.onnx_session(Inputs(dev=tmp_path, home_python="python3"), result).status == "warn"
    (tmp_path / "nvidia0").touch()
    finding = checks.onnx_session(Inputs(dev=tmp_path, home_python="python3"), result)
    assert finding.status == "fail"
    assert "10 s" in finding.why


def test_torch():
    inputs = Inputs(home_python="python3")
    assert checks.torch(inputs, ProbeResult({"version": None})).status == "fail"
    assert checks.torch(inputs, ProbeResult({"version": "1.11.0"})).status == "ok"
