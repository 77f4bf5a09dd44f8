"""Open the package's networks in ONNX Runtime, on the CPU or on a GPU that really works."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from heygem_cli.errors import NotCapableError
from heygem_cli.options import Device
from heygem_cli.processes import import_folders, isolated_python
from heygem_cli.runtime import Settings

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Provider = Literal["CPUExecutionProvider", "CUDAExecutionProvider"]


def models_folder() -> Path:
    """Return the folder of the networks: inside the package, or at the root of a source checkout."""
    package = Path(__file__).parent
    installed = package / "models"
    return installed if installed.is_dir() else package.parents[1] / "models"


def model_path(name: str) -> Path:
    """Return the file of a network.

    Raises:
        NotCapableError: ``model-missing``.
    """
    path = models_folder() / name
    if not path.is_file():
        raise NotCapableError("model-missing", "the model is missing", path=path, hint="Install heygem-cli again")
    return path


def make_session(model: Path, device: Device, settings: Settings) -> InferenceSession:
    """Open a network; ``auto`` uses CUDA if a session really gets it.

    Raises:
        NotCapableError: ``cuda-unavailable``, where ONNX Runtime itself would use the CPU without an error.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.onnx_threads
    options.inter_op_num_threads = 1
    mode = onnxruntime.ExecutionMode
    options.execution_mode = mode.ORT_PARALLEL if settings.parallel else mode.ORT_SEQUENTIAL
    providers = ["CPUExecutionProvider"]
    if device != "cpu" and cuda_usable():
        providers.insert(0, "CUDAExecutionProvider")
    session = onnxruntime.InferenceSession(str(model), options, providers)
    if device == "cuda" and session_provider(session) != "CUDAExecutionProvider":
        raise NotCapableError(
            "cuda-unavailable",
            "--device cuda was given, but ONNX Runtime only gets the CPU",
            hint="Run `heygem doctor --require gpu` to see what is missing, or use --device auto",
        )
    return session


def session_provider(session: InferenceSession) -> Provider:
    """Return the execution provider that a session really uses."""
    cuda = "CUDAExecutionProvider"
    return "CUDAExecutionProvider" if cuda in session.get_providers() else "CPUExecutionProvider"


CUDA_LIBRARIES = (
    "libcudart.so.11.0",
    "libcublasLt.so.11",
    "libcublas.so.11",
    "libcufft.so.10",
    "libcurand.so.10",
    "libcudnn.so.8",
)
"""What onnxruntime-gpu 1.18.0 needs, in the order in which they must be loaded."""

_PROBE = """
import onnxruntime
from heygem_cli.onnx import load_cuda_libraries
load_cuda_libraries(sys.path)
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
print(session.get_providers()[0])
"""


def load_cuda_libraries(search: Iterable[str]) -> list[Path]:
    """Load the CUDA 11 libraries of ``nvidia-*-cu11`` packages, which ONNX Runtime 1.18.0 does not find by itself.

    Args:
        search: Folders with packages, usually ``sys.path``.

    Returns:
        The libraries that were loaded; the others are left to the system's loader.
    """
    paths = [
        path
        for name in CUDA_LIBRARIES
        for folder in search
        for path in sorted(Path(folder).glob(f"nvidia/*/lib/{name}"))
    ]
    for path in paths:
        ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    return paths


def cuda_usable() -> bool:
    """Return whether an ONNX Runtime session really gets CUDA here.

    It is tried in a child process with a time limit, since the CUDA provider can crash or block the process.
    """
    if not Path("/dev/nvidiactl").exists():
        return False
    probe = isolated_python(_PROBE, str(model_path("mouth_motion.onnx")))
    try:
        done = subprocess.run(probe, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode != 0 or "CUDAExecutionProvider" not in done.stdout:
        return False
    load_cuda_libraries(import_folders())
    return True
