"""The stability settings of the process, and every ONNX Runtime session of the program.

Nothing heavy is imported here at the top: :func:`apply_settings` must run before numpy, torch or ONNX Runtime load.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from heygem_cli.errors import InputError, NotCapableError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Device = Literal["auto", "cpu", "cuda"]
Provider = Literal["CPUExecutionProvider", "CUDAExecutionProvider"]


@dataclass(frozen=True)
class Settings:
    """What keeps a process stable.

    Attributes:
        omp_threads: threads of OpenMP, BLAS and OpenCV (``OMP_NUM_THREADS``); 1, since the stages run beside ffmpeg.
        torch_threads: for ``torch.set_num_threads`` wherever torch is loaded (``TORCH_NUM_THREADS``).
        onnx_threads: intra-op threads of each ONNX Runtime session and of the speech encoder (``--threads``).
        parallel: ONNX Runtime's parallel execution mode (``ORT_PARALLEL``); sequential unless asked for.
        dataloader_workers: worker processes of torch's DataLoader (``TORCH_DATALOADER_NUM_WORKERS``), in training.
    """

    omp_threads: int = 1
    torch_threads: int = 1
    onnx_threads: int = 2
    parallel: bool = False
    dataloader_workers: int = 0


def read_settings(environment: Mapping[str, str], threads: int | None = None) -> Settings:
    """Read the settings from the variables that operators set, most of which no library reads by itself.

    Args:
        environment: usually ``os.environ``.
        threads: of ``--threads``; else as many as there are processors, 4 at most.

    Raises:
        InputError: a variable holds no whole number.
    """
    return Settings(
        omp_threads=_whole(environment, "OMP_NUM_THREADS", 1, least=1),
        torch_threads=_whole(environment, "TORCH_NUM_THREADS", 1, least=1),
        onnx_threads=threads or min(4, len(os.sched_getaffinity(0))),
        parallel=_whole(environment, "ORT_PARALLEL", 0, least=0) > 0,
        dataloader_workers=_whole(environment, "TORCH_DATALOADER_NUM_WORKERS", 0, least=0),
    )


def _whole(environment: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) < least:
        raise InputError(
            "bad-environment",
            f"{name}={text!r} is not a whole number of at least {least}",
            hint=f"Set {name}={default} or unset it",
        )
    return int(text)


def apply_settings(settings: Settings, environment: MutableMapping[str, str]) -> None:
    """Put into ``environment`` what libraries read while they load; call it before numpy or anything heavier loads."""
    threads = str(settings.omp_threads)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        environment[name] = threads
    environment.setdefault("CUDA_LAUNCH_BLOCKING", "0")
    environment.setdefault("GLOG_minloglevel", "2")
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def models_folder() -> Path:
    """The folder of our trained networks: inside the package, or at the root of a source checkout."""
    package = Path(__file__).parent
    installed = package / "models"
    return installed if installed.is_dir() else package.parents[1] / "models"


def model_path(name: str) -> Path:
    """The file of one of our models.

    Raises:
        NotCapableError: it is not there.
    """
    path = models_folder() / name
    if not path.is_file():
        raise NotCapableError("model-missing", "the model is missing", path=path, hint="Install heygem-cli again")
    return path


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def make_session(model: Path, device: Device, settings: Settings) -> InferenceSession:
    """Make an ONNX Runtime session.

    ``auto`` takes CUDA if a session really gets it. ONNX Runtime itself falls back to the CPU without a word.

    Raises:
        NotCapableError: ``cuda`` was asked for and the session did not get it, or the model cannot be loaded.
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
            "--device cuda was asked for, but ONNX Runtime only gets the CPU",
            hint="Run `heygem doctor --require gpu` to see what is missing, or use --device auto",
        )
    return session


def session_provider(session: InferenceSession) -> Provider:
    """The provider that a session really got."""
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
import sys
from pathlib import Path
import onnxruntime
from heygem_cli.runtime import load_cuda_libraries
load_cuda_libraries(sys.path)
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
print(session.get_providers()[0])
"""


def load_cuda_libraries(search: Iterable[str]) -> list[Path]:
    """Load the CUDA 11 libraries that ``nvidia-*-cu11`` packages bring, where ONNX Runtime 1.18.0 does not look.

    Args:
        search: folders that hold packages, usually ``sys.path``.

    Returns:
        The libraries that were loaded; what is missing is left to the system's own search.
    """
    found = []
    for name in CUDA_LIBRARIES:
        for folder in search:
            for path in sorted(Path(folder).glob(f"nvidia/*/lib/{name}")):
                ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
                found.append(path)
    return found


def cuda_usable() -> bool:
    """Whether a real ONNX Runtime session gets CUDA here.

    Asked in a child process with a time limit, since the CUDA provider can crash the process that loads it. Where the
    machine has no NVIDIA device the answer needs no child.
    """
    if not Path("/dev/nvidiactl").exists():
        return False
    probe = [sys.executable, "-c", _PROBE, str(model_path("mouth_motion.onnx"))]
    try:
        answer = subprocess.run(probe, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return False
    if answer.returncode != 0 or "CUDAExecutionProvider" not in answer.stdout:
        return False
    load_cuda_libraries(sys.path)
    return True


def hide_native_output() -> None:
    """Keep what native code writes to file descriptor 2 off the user's terminal, until the process ends.

    MediaPipe, ONNX Runtime and others write there past ``sys.stderr``, some from threads that outlive their work.
    Python's own stderr keeps working.
    """
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
