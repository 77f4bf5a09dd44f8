"""The stability settings of the process, and every ONNX Runtime session of the program.

Nothing heavy is imported here at the top: :func:`apply_settings` must run before numpy, torch or ONNX Runtime load.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from heygem_cli.errors import InputError

if TYPE_CHECKING:
    pass

Device = Literal["auto", "cpu", "cuda"]


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
