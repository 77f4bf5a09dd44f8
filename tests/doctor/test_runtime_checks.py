"""Checks of heygem's runtime: the real one, and broken ones."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

from heygem_cli.doctor import probes, runtime_checks
from heygem_cli.doctor.child_process import SCRIPTS, ProbeResult
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.files import sha256
from heygem_cli.media.ffmpeg import find_ffmpeg

INPUTS = Inputs()


def packages(**versions: str) -> ProbeResult:
    names = {name.replace("_", "-"): version for name, version in versions.items()}
    return ProbeResult({"implementation": "CPython", "version": "3.11.7", "packages": names})


def fake_python(folder: Path, script: str) -> str:
    """Create a shell script to use as interpreter."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("probe_*.py")), ids=lambda path: path.stem)
def test_scripts_have_the_syntax_of_python_38(script):
    ast.parse(script.read_text(), feature_version=(3, 8))


def test_real_interpreter():
    result = probes.interpreter(INPUTS)
    for check in (runtime_checks.python_version, runtime_checks.numpy_version, runtime_checks.onnxruntime_version):
        assert check(INPUTS, result).status == "ok"


@pytest.mark.parametrize(
    ("implementation", "version", "status"),
    [
        ("CPython", "3.12.1", "ok"),
        ("CPython", "3.13.0", "fail"),
        ("CPython", "3.9.1", "fail"),
        ("PyPy", "3.11.1", "fail"),
    ],
)
def test_python_version(implementation, version, status):
    result = ProbeResult({"implementation": implementation, "version": version, "packages": {}})
    assert runtime_checks.python_version(INPUTS, result).status == status


@pytest.mark.parametrize(("version", "status"), [("1.26.4", "ok"), ("2.0.0", "fail")])
def test_numpy_version(version, status):
    assert runtime_checks.numpy_version(INPUTS, packages(numpy=version)).status == status
    assert runtime_checks.numpy_version(INPUTS, packages()).status == "fail"


@pytest.mark.parametrize(
    ("versions", "status", "found"),
    [
        ({"onnxruntime_gpu": "1.18.0"}, "ok", "onnxruntime-gpu 1.18.0"),
        ({"onnxruntime_gpu": "1.19.2"}, "fail", "onnxruntime-gpu 1.19.2, not 1.18.0"),
        ({"onnxruntime_gpu": "1.18.1"}, "fail", "onnxruntime-gpu 1.18.1, not 1.18.0"),
        ({"onnxruntime": "1.18.0"}, "fail", "onnxruntime 1.18.0, which has no GPU support"),
        ({"onnxruntime_gpu": "1.18.0", "onnxruntime": "1.18.0"}, "fail", "are both installed"),
        ({}, "fail", "onnxruntime-gpu is not installed"),
    ],
)
def test_onnxruntime_version(versions, status, found):
    finding = runtime_checks.onnxruntime_version(INPUTS, packages(**versions))
    assert finding.status == status
    assert found in finding.found
    assert status == "ok" or "install onnxruntime-gpu==1.18.0" in finding.fix


def test_real_session():
    finding = runtime_checks.onnx_session(INPUTS, probes.onnx_session(INPUTS))
    assert finding.status in ("ok", "warn")
    assert finding.found.startswith("runs on C")


def test_session_on_the_cpu_fails_if_a_gpu_is_required():
    result = ProbeResult(
        {"provider": "CPUExecutionProvider", "correct": True}, stderr="… with error: libcublasLt.so.11: no\n"
    )
    finding = runtime_checks.onnx_session(Inputs(require_gpu=True), result)
    assert finding.status == "fail"
    assert "libcublasLt.so.11" in finding.why


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("kill -SEGV $$", "a session crashed (SIGSEGV)"),
        ("exec sleep 60", "no session: timed out after 1 s"),
        ("echo 'ImportError: numpy.core' >&2; exit 1", "no session: ImportError: numpy.core"),
        ("""echo '{"provider": "CPUExecutionProvider", "correct": false}'""", "a session computes wrong results"),
    ],
)
def test_session_cannot_be_created(tmp_path, script, found):
    inputs = Inputs(python=fake_python(tmp_path, script), timeout=1 if "sleep" in script else 20)
    finding = runtime_checks.onnx_session(inputs, probes.onnx_session(inputs))
    assert (finding.status, finding.found) == ("fail", found)


def test_import_error_of_numpy_is_reported(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise ImportError('built for numpy 1')")
    monkeypatch.syspath_prepend(tmp_path)
    inputs = Inputs()
    finding = runtime_checks.onnx_session(inputs, probes.onnx_session(inputs))
    assert finding.found == "no session: ImportError: built for numpy 1"


def test_real_torch():
    finding = runtime_checks.torch(INPUTS, probes.torch(INPUTS))
    assert finding.status in ("ok", "skip", "warn")


@pytest.mark.parametrize(
    ("facts", "dev", "status", "found"),
    [
        ({"version": None}, "", "skip", "not installed"),
        ({"version": "2.1"}, "", "ok", "there is no GPU"),
        ({"version": "2.1", "built_for": None, "sees_cuda": False}, "nvidia0", "warn", "built without CUDA"),
        ({"version": "2.1", "built_for": "11.8", "sees_cuda": False}, "", "ok", "sees no CUDA"),
        (
            {
                "version": "2.1",
                "built_for": "11.8",
                "sees_cuda": True,
                "capability": [8, 6],
                "kernels": [],
                "result": 2.0,
            },
            "nvidia0",
            "ok",
            "8.6: works",
        ),
        (
            {
                "version": "2.1",
                "built_for": "11.8",
                "sees_cuda": True,
                "capability": [12, 0],
                "kernels": ["sm_80", "sm_90"],
                "error": "CUDA error: no kernel image is available",
            },
            "nvidia0",
            "fail",
            "no kernel image",
        ),
    ],
)
def test_torch(tmp_path, facts, dev, status, found):
    (tmp_path / (dev or "null")).touch()
    finding = runtime_checks.torch(Inputs(dev=tmp_path), ProbeResult(facts))
    assert finding.status == status
    assert found in finding.found


@pytest.fixture
def models(tmp_path):
    """Two models and their checksums."""
    lines = []
    for name in ("a.onnx", "b.npy"):
        (tmp_path / name).write_bytes(name.encode())
        lines.append(f"{sha256(tmp_path / name)}  {name}\n")
    (tmp_path / "SHA256SUMS").write_text("".join(lines))
    return tmp_path


RUN = ProbeResult({"problems": []})


def test_models(models):
    assert runtime_checks.models(Inputs(models=models), RUN).found == "2 files with correct SHA-256; every network runs"
    (models / "a.onnx").write_bytes(b"x")
    (models / "b.npy").unlink()
    finding = runtime_checks.models(Inputs(models=models), RUN)
    assert (finding.status, finding.found) == ("fail", "missing or damaged: a.onnx, b.npy")


@pytest.mark.parametrize("checksums", ["a.onnx\n", "\0", f"{'0' * 64}  a.onnx\n"])
def test_damaged_checksums(models, checksums):
    (models / "SHA256SUMS").write_text(checksums)
    assert runtime_checks.models(Inputs(models=models), RUN).status == "fail"


def test_missing_checksums(tmp_path):
    assert runtime_checks.models(Inputs(models=tmp_path), RUN).status == "warn"


def test_network_that_cannot_be_run(models):
    inputs = Inputs(models=models)
    finding = runtime_checks.models(inputs, probes.models(inputs))
    assert finding.status == "fail"
    assert finding.found.startswith(f"{models / 'a.onnx'}: ONNX Runtime cannot run the model: [ONNXRuntimeError]")


def test_real_models():
    finding = runtime_checks.models(INPUTS, probes.models(INPUTS))
    assert (finding.status, finding.found.partition("; ")[2]) == ("ok", "every network runs")


def test_real_ffmpeg():
    assert runtime_checks.ffmpeg(INPUTS, probes.ffmpeg(INPUTS)).status == "ok"


def test_ffmpeg_is_not_found(monkeypatch):
    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE", raising=False)
    monkeypatch.setattr("imageio_ffmpeg.__file__", "/nowhere/__init__.py")
    monkeypatch.setenv("PATH", "/nowhere")
    find_ffmpeg.cache_clear()
    try:
        finding = runtime_checks.ffmpeg(INPUTS, probes.ffmpeg(INPUTS))
    finally:
        find_ffmpeg.cache_clear()
    assert (finding.status, finding.found) == ("fail", "cannot be used: ffmpeg was not found")
    assert "install --force-reinstall imageio-ffmpeg" in finding.fix


def test_ffmpeg_without_encoders():
    result = ProbeResult({"path": "/usr/bin/ffmpeg"}, stdout=" A....D aac   AAC\n V..... mpeg4 MPEG-4\n")
    finding = runtime_checks.ffmpeg(INPUTS, result)
    assert (finding.status, finding.found) == ("fail", "/usr/bin/ffmpeg has no libx264")


def test_real_render(tmp_path):
    inputs = Inputs(deep=True, temporary=tmp_path)
    finding = runtime_checks.render(inputs, probes.render(inputs))
    assert finding.status == "ok"
    assert finding.found.startswith("25 frames")
    assert not list(tmp_path.iterdir())


def test_failing_render(tmp_path):
    script = "echo 'error: no such engine. Use mesh' >&2; echo 'W0000 noise' >&2; exit 2"
    inputs = Inputs(deep=True, temporary=tmp_path, python=fake_python(tmp_path, script))
    finding = runtime_checks.render(inputs, probes.render(inputs))
    assert (finding.status, finding.found) == ("fail", "failed: error: no such engine. Use mesh")


def test_render_is_skipped_without_deep():
    assert runtime_checks.render(INPUTS, probes.render(INPUTS)).status == "skip"


def test_scripts_run_in_python_38():
    old = shutil.which("python3.8")
    if old is None or subprocess.run([old, "--version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no Python 3.8 here")
    inputs = Inputs(home_python=old)
    assert probes.home_interpreter(inputs).facts["version"].startswith("3.8.")
    assert "version" in probes.home_torch(inputs).facts
