"""Open the package's networks in ONNX Runtime, on the CPU or on a GPU that really works."""

from __future__ import annotations

import contextlib
import ctypes
import io
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from heygem_cli.errors import NotCapableError
from heygem_cli.options import Device
from heygem_cli.processes import import_folders, isolated_python
from heygem_cli.runtime import Settings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from onnxruntime import InferenceSession

    Array = npt.NDArray[np.float32]

Provider = Literal["CPUExecutionProvider", "CUDAExecutionProvider"]
CUDA_OPTIONS = {
    # The default tries every algorithm anew for each length of audio.
    "cudnn_conv_algo_search": "HEURISTIC",
    "arena_extend_strategy": "kSameAsRequested",
    # TF32 has 10 bits; a spectrogram spans 80 dB.
    "use_tf32": "0",
}


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
    """Open a network and run it once; ``auto`` uses CUDA where it works.

    Raises:
        NotCapableError: ``cuda-unavailable``, where ONNX Runtime itself would use the CPU without an error;
            ``model-damaged``.
    """
    session = _cuda_session(model, settings) if device != "cpu" else None
    if session is not None:
        return session
    if device == "cuda":
        raise NotCapableError(
            "cuda-unavailable",
            "--device cuda was given, but ONNX Runtime only gets the CPU",
            hint="Run `heygem doctor --require gpu` to see what is missing, or use --device auto",
        )
    try:
        session = open_session(model, "CPUExecutionProvider", settings)
        run_once(session)
    except _errors() as error:
        message = f"ONNX Runtime cannot run the model: {str(error).partition(chr(10))[0]}"
        raise NotCapableError("model-damaged", message, path=model, hint="Install heygem-cli again") from error
    return session


def _cuda_session(model: Path, settings: Settings) -> InferenceSession | None:
    """Return a session that has run on CUDA, or None."""
    if not cuda_usable():
        return None
    try:
        session = open_session(model, "CUDAExecutionProvider", settings)
        run_once(session)
    except _errors():
        return None
    return session if session_provider(session) == "CUDAExecutionProvider" else None


def open_session(model: Path, provider: Provider, settings: Settings) -> InferenceSession:
    """Open a network with our options, on an execution provider that is known to work."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.onnx_threads
    options.inter_op_num_threads = 1
    mode = onnxruntime.ExecutionMode
    options.execution_mode = mode.ORT_PARALLEL if settings.parallel else mode.ORT_SEQUENTIAL
    # An arena keeps the memory of the longest input for good, and saves no time that can be measured.
    options.enable_cpu_mem_arena = False
    # Threads that wait in a loop would take the cores that ffmpeg needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # On the CPU, it takes the data of convolutions out of the order that is fast for them.
    disabled = [] if provider == "CUDAExecutionProvider" else ["QuickGeluFusion"]
    cuda = [("CUDAExecutionProvider", CUDA_OPTIONS)] if provider == "CUDAExecutionProvider" else []
    # After an error of CUDA, ONNX Runtime prints it to stdout and tries again with other options.
    with contextlib.redirect_stdout(io.StringIO()):
        session = onnxruntime.InferenceSession(
            str(model), options, [*cuda, "CPUExecutionProvider"], disabled_optimizers=disabled
        )
    session.disable_fallback()
    return session


def run_once(session: InferenceSession) -> list[Array]:
    """Run a network on zeros, one in each dimension that may vary: the first run is slow, and may fail."""
    import numpy as np

    feed = {}
    for each in session.get_inputs():
        kind = each.type.removeprefix("tensor(").removesuffix(")")
        shape = [size if isinstance(size, int) else 1 for size in each.shape]
        feed[each.name] = np.zeros(shape, "float32" if kind == "float" else kind)
    outputs: list[Array] = session.run(None, feed)
    return outputs


def _errors() -> tuple[type[Exception], ...]:
    """Return the errors of ONNX Runtime, which have no class in common."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (each for each in vars(state).values() if isinstance(each, type) and issubclass(each, Exception))
    return (RuntimeError, *own)


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
PROBE_MODEL = "mouth_motion.onnx"
PROBE_SECONDS = 120.0
"""ONNX Runtime 1.18.0 compiles its code for a GPU that is newer than itself, once."""

_PROBE = """
import sys
from pathlib import Path
from heygem_cli.onnx import check_cuda
print(check_cuda(Path(sys.argv[1]), sys.path))
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


@cache
def cuda_usable() -> bool:
    """Return whether a network computes the right values on CUDA here.

    It is tried in a child process with a time limit, since the CUDA provider can crash or block the process.
    """
    if not Path("/dev/nvidiactl").exists():
        return False
    probe = isolated_python(_PROBE, str(model_path(PROBE_MODEL)))
    try:
        done = subprocess.run(probe, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode != 0 or done.stdout.strip() != "True":
        return False
    load_cuda_libraries(import_folders())
    return True


def check_cuda(model: Path, search: Iterable[str]) -> bool:
    """Return whether a network computes the same on CUDA as on the CPU; may crash or block the process.

    Args:
        model: The network.
        search: See :func:`load_cuda_libraries`.
    """
    import numpy as np

    load_cuda_libraries(search)
    session = open_session(model, "CUDAExecutionProvider", Settings())
    if session_provider(session) != "CUDAExecutionProvider":
        return False
    expected = run_once(open_session(model, "CPUExecutionProvider", Settings()))
    return all(np.allclose(*pair, rtol=1e-2, atol=1e-3) for pair in zip(run_once(session), expected, strict=True))
