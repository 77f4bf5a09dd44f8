"""The settings that keep a process stable, and the redirection of what native libraries print.

Nothing heavy is imported at the top: :func:`apply_settings` must run before numpy, OpenCV or ONNX Runtime are loaded.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TextIO

from heygem_cli.cgroup import available_processors, usable_processors
from heygem_cli.errors import InputError, NotCapableError

ADDRESS_SPACE = 2 * 10**9
"""Bytes that the libraries need. With less they fail in many ways: some abort the process, some hang."""
ADDRESS_SPACE_PER_THREAD = 64 << 20
"""What the C library reserves for the memory that a thread allocates."""


def check_address_space(threads: int | None = None) -> None:
    """Check that the address space is not limited too much for the libraries, before they are loaded.

    Args:
        threads: Threads of the networks; None for the default. Other libraries start one for each processor.

    Raises:
        NotCapableError: ``address-space-limit``.
    """
    limit, _hard = resource.getrlimit(resource.RLIMIT_AS)
    needed = ADDRESS_SPACE + ADDRESS_SPACE_PER_THREAD * ((threads or _default_threads()) + (os.cpu_count() or 1))
    if limit != resource.RLIM_INFINITY and limit < needed:
        message = f"the address space is limited to {limit // 10**6:,} MB, {needed // 10**6:,} MB are needed"
        raise NotCapableError("address-space-limit", message, hint="Raise the limit: ulimit -v unlimited")


@dataclass(frozen=True)
class Settings:
    """Thread counts and execution mode of a process.

    Attributes:
        omp_threads: Threads of OpenMP, BLAS and OpenCV (``OMP_NUM_THREADS``); 1, since the stages run beside ffmpeg.
        torch_threads: For ``torch.set_num_threads`` in training (``TORCH_NUM_THREADS``).
        onnx_threads: Intra-op threads of each ONNX Runtime session (``--threads``).
        parallel: ONNX Runtime's parallel execution mode (``ORT_PARALLEL``).
    """

    omp_threads: int = 1
    torch_threads: int = 1
    onnx_threads: int = 2
    parallel: bool = False


def read_settings(environment: Mapping[str, str], threads: int | None = None) -> Settings:
    """Read the settings from the variables that operators set, most of which no library reads.

    Args:
        environment: Usually ``os.environ``.
        threads: The value of ``--threads``; None for the number of processors that can be used, 4 at most.

    Raises:
        InputError: A variable is not a whole number.
        NotCapableError: See :func:`check_address_space`.
    """
    check_address_space(threads)
    return Settings(
        omp_threads=_whole_number(environment, "OMP_NUM_THREADS", 1, minimum=1, levels=True),
        torch_threads=_whole_number(environment, "TORCH_NUM_THREADS", 1, minimum=1),
        onnx_threads=threads or _default_threads(),
        parallel=_whole_number(environment, "ORT_PARALLEL", 0, minimum=0) > 0,
    )


def _default_threads() -> int:
    return min(4, usable_processors())


def ffmpeg_threads() -> int:
    """Return the threads of a decoder or an encoder; 0 lets ffmpeg choose, which knows no limit of CPU time."""
    processors = usable_processors()
    return processors if processors < available_processors() else 0


def _whole_number(
    environment: Mapping[str, str], name: str, default: int, *, minimum: int, levels: bool = False
) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if levels:  # OpenMP has one for each level of nested threads, after the first: 4,2
        text = text.partition(",")[0].strip()
    if not text.isdecimal() or int(text) < minimum:
        raise InputError(
            "bad-environment",
            f"{name}={text!r} is not a whole number of at least {minimum}",
            hint=f"Set {name}={default} or unset it",
        )
    return int(text)


def apply_settings(settings: Settings, environment: MutableMapping[str, str]) -> None:
    """Set the variables that libraries read when they are loaded.

    Args:
        settings: The settings.
        environment: Usually ``os.environ``, before numpy or anything heavier is imported.
    """
    threads = str(settings.omp_threads)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        environment[name] = threads
    environment.setdefault("CUDA_LAUNCH_BLOCKING", "0")


def hide_native_output() -> Callable[[], None]:
    """Discard what native code writes to file descriptor 2.

    ONNX Runtime and others write there, past ``sys.stderr``, some from threads that outlive their work.
    Python's own ``sys.stderr`` still reaches the terminal.

    Returns:
        A function that undoes it.
    """
    stderr, terminal = sys.stderr, os.dup(2)
    stderr.flush()
    if _descriptor(stderr) == 2:  # a notebook or a test has a stream of its own there
        sys.stderr = os.fdopen(terminal, "w", buffering=1, errors="backslashreplace", closefd=False)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    os.close(devnull)

    def restore() -> None:
        sys.stderr.flush()
        sys.stderr = stderr
        os.dup2(terminal, 2)
        os.close(terminal)

    return restore


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # a stream without a file, or a closed one
        return None
