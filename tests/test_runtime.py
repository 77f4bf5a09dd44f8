import os
import subprocess
import sys

import numpy as np
import pytest

from heygem_cli.errors import InputError, NotCapableError
from heygem_cli.onnx import make_session, model_path, models_folder, open_session, run_once, session_provider
from heygem_cli.runtime import Settings, apply_settings, read_settings


def test_variables_of_operators_are_read():
    settings = read_settings(
        {
            "OMP_NUM_THREADS": "3",
            "TORCH_NUM_THREADS": "2",
            "ORT_PARALLEL": "1",
        },
        threads=5,
    )
    assert settings == Settings(3, 2, 5, parallel=True)


def test_openmp_threads_may_be_given_for_each_level():
    assert read_settings({"OMP_NUM_THREADS": "4, 2"}).omp_threads == 4
    with pytest.raises(InputError, match="OMP_NUM_THREADS='x'"):
        read_settings({"OMP_NUM_THREADS": "x,2"})
    with pytest.raises(InputError, match="TORCH_NUM_THREADS='4,2'"):
        read_settings({"TORCH_NUM_THREADS": "4,2"})


def test_defaults_are_one_thread_and_sequential():
    settings = read_settings({"OMP_NUM_THREADS": ""})
    assert (settings.omp_threads, settings.torch_threads, settings.parallel) == (1, 1, False)
    assert 1 <= settings.onnx_threads <= 4


@pytest.mark.parametrize(
    ("name", "value"), [("OMP_NUM_THREADS", "0"), ("ORT_PARALLEL", "yes"), ("TORCH_NUM_THREADS", "-1")]
)
def test_variable_that_is_not_a_number_is_an_error(name, value):
    with pytest.raises(InputError, match=f"{name}='{value}'"):
        read_settings({name: value})


def test_settings_are_put_into_the_environment():
    environment = {"OMP_NUM_THREADS": "7", "CUDA_LAUNCH_BLOCKING": "1"}
    apply_settings(Settings(omp_threads=2), environment)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    assert {environment[name] for name in names} == {"2"}
    assert environment["CUDA_LAUNCH_BLOCKING"] == "1"


def test_session_uses_the_settings():
    session = make_session(model_path("mouth_motion.onnx"), "auto", Settings(onnx_threads=1))
    options = session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert session_provider(session) in ("CPUExecutionProvider", "CUDAExecutionProvider")


@pytest.mark.skipif(os.path.exists("/dev/nvidiactl"), reason="this machine has a GPU")  # noqa: PTH110
def test_missing_cuda_is_an_error_if_it_was_given():
    with pytest.raises(NotCapableError, match="only gets the CPU") as caught:
        make_session(model_path("mouth_motion.onnx"), "cuda", Settings())
    assert caught.value.exit_code == 4


@pytest.mark.skipif(os.path.exists("/dev/nvidiactl"), reason="this machine has a GPU")  # noqa: PTH110
@pytest.mark.parametrize("variables", [{}, {"CUDA_PATH": "/usr/local/cuda"}])
def test_cuda_that_fails_after_all_is_noticed(monkeypatch, capfd, variables):
    """ONNX Runtime falls back to the CPU without an error, or raises one if ``CUDA_PATH`` is set."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("heygem_cli.onnx.cuda_usable", lambda: True)
    with pytest.raises(NotCapableError) as caught:
        make_session(model_path("mouth_painter.onnx"), "cuda", Settings())
    assert caught.value.code == "cuda-unavailable"
    session = make_session(model_path("mouth_painter.onnx"), "auto", Settings())
    assert session_provider(session) == "CPUExecutionProvider"
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"nonsense", bytes(100), "half"])
def test_damaged_model_is_an_error(tmp_path, content):
    model = tmp_path / "net.onnx"
    whole = model_path("mouth_painter.onnx").read_bytes()
    model.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    with pytest.raises(NotCapableError) as caught:
        make_session(model, "cpu", Settings())
    assert (caught.value.code, caught.value.path) == ("model-damaged", model)
    assert "\n" not in caught.value.message


def test_every_network_runs_on_zeros():
    for model in models_folder().glob("*.onnx"):
        session = open_session(model, "CPUExecutionProvider", Settings(onnx_threads=1))
        assert all(np.isfinite(output).all() for output in run_once(session)), model


def test_missing_model_is_an_error():
    with pytest.raises(NotCapableError, match="the model is missing"):
        model_path("no_such.onnx")


def test_native_output_is_hidden():
    script = (
        "import os, sys\n"
        "from heygem_cli.runtime import hide_native_output\n"
        "hide_native_output()\n"
        "os.write(2, b'native noise')\n"
        "print('python speaks', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "python speaks\n"


def test_importing_the_cli_is_light():
    heavy = ["torch", "onnxruntime", "cv2", "mediapipe", "librosa", "av", "numpy"]
    script = f"import sys, heygem_cli.cli.main; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
