"""The known failures of HeyGem: how to recognise each, its error code, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from heygem_cli.errors import HeygemError, InputError, NotCapableError
from heygem_cli.heygem.installation.log_messages import MESSAGES

_CHECK_GPU = "Run `heygem doctor --only gpu --require gpu`, which names every missing library"
_READ_LOG = "See the text in brackets in HeyGem's log"


class KnownFailure(NamedTuple):
    """The class of the error, of which only a plain :class:`HeygemError` is retried; what is wrong, what to do."""

    kind: type[HeygemError]
    message: str
    hint: str


KNOWN: Mapping[str, KnownFailure] = {
    "wrong-python": KnownFailure(
        NotCapableError, "this Python cannot load HeyGem's modules", "Name the right one with --python or HEYGEM_PYTHON"
    ),
    "no-kernel": KnownFailure(
        NotCapableError,
        "torch or ONNX Runtime has no kernels for this GPU (RTX 50)",
        "Use HeyGem's RTX-50 variant or the -5090 image, built for CUDA 12.8",
    ),
    "no-driver": KnownFailure(
        NotCapableError,
        "HeyGem finds no NVIDIA driver",
        "Install the driver; in a container: docker run --gpus all",
    ),
    "driver-too-old": KnownFailure(
        NotCapableError,
        "the NVIDIA driver is too old for HeyGem's CUDA",
        "Update the driver of the host; nvidia-smi names its version. --allow-cpu continues anyway",
    ),
    "missing-module": KnownFailure(
        NotCapableError,
        "HeyGem lacks a Python module",
        "Install it in HeyGem's Python; if it is one of HeyGem's own, name its root folder with --home",
    ),
    "numexpr-missing": KnownFailure(
        NotCapableError,
        "HeyGem lacks the Python package numexpr",
        "Install it with the pip of HeyGem's Python: pip install numexpr==2.8.6",
    ),
    "cuda-missing": KnownFailure(
        NotCapableError,
        "ONNX Runtime can only use the CPU in HeyGem's environment, which blocks HeyGem's queues",
        f"{_CHECK_GPU}; --allow-cpu continues anyway",
    ),
    "out-of-memory": KnownFailure(
        HeygemError,
        "there is not enough memory",
        "Close other programs that use the GPU, use a smaller face video, or lower batch_size in HeyGem's config.ini",
    ),
    "no-threads": KnownFailure(
        HeygemError,
        "HeyGem can start no more threads",
        "Start HeyGem with OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1, or raise its limit of processes (ulimit -u)",
    ),
    "no-space": KnownFailure(
        HeygemError,
        "HeyGem's disk, or the shared memory of its container, is full",
        "Free space where HeyGem runs: df -h, df -h /dev/shm; old files of its temp_dir are not deleted",
    ),
    "ffmpeg-missing": KnownFailure(
        NotCapableError,
        "HeyGem does not find ffmpeg",
        "Install it: apt install ffmpeg, or conda install ffmpeg in HeyGem's environment",
    ),
    "many-faces": KnownFailure(
        InputError,
        "HeyGem sees more than one face in it, sometimes falsely",
        "Crop it to one person, or replace HeyGem's small face detector by scrfd_10g_kps",
    ),
    "no-face": KnownFailure(
        InputError,
        "HeyGem finds no face in it, and would return it unchanged",
        "Use a face video with a larger, frontal face",
    ),
    "format-error": KnownFailure(
        InputError,
        "HeyGem cannot read it, although it was converted to H.264",
        f"{_READ_LOG}; try --engine mesh",
    ),
    "audio-format": KnownFailure(
        InputError,
        "HeyGem cannot read the audio that goes with it, although it was converted to WAV",
        f"{_READ_LOG}; try --engine mesh",
    ),
    "audio-length": KnownFailure(
        HeygemError,
        "HeyGem cannot determine the length of the audio",
        "Check that --map names a folder of the container; without a container, install ffprobe: apt install ffmpeg",
    ),
    "startup-timeout": KnownFailure(
        HeygemError, "HeyGem did not start in time", f"Increase --stall-timeout if the disk is cold. {_CHECK_GPU}"
    ),
    "queue-full": KnownFailure(
        HeygemError, "HeyGem's queue was full for too long: its drawing stage is blocked", _CHECK_GPU
    ),
    "frame-queue": KnownFailure(
        HeygemError, "HeyGem's drawing process stopped in the middle of the job", "See HeyGem's log"
    ),
    "no-result": KnownFailure(
        HeygemError, "HeyGem produced no result within its limit of ten minutes", "Cut the audio into shorter pieces"
    ),
    "stalled": KnownFailure(
        HeygemError, "HeyGem stopped making progress", f"Increase --stall-timeout if it is slow. {_CHECK_GPU}"
    ),
    "av-transfer-blocked": KnownFailure(
        HeygemError,
        "HeyGem's drawing process hung, and HeyGem restarted it",
        "Run nvidia-smi where HeyGem runs; if it fails, restart HeyGem's container (docker restart)",
    ),
    "preprocessing": KnownFailure(HeygemError, "HeyGem could not prepare the inputs", _READ_LOG),
    "digital-human": KnownFailure(HeygemError, "HeyGem failed to draw", _READ_LOG),
    "onnxruntime": KnownFailure(HeygemError, "a model failed in ONNX Runtime", _CHECK_GPU),
    "job-failed": KnownFailure(
        HeygemError, "HeyGem failed", "See the end of HeyGem's log; --debug shows HeyGem's output"
    ),
    "false-success": KnownFailure(
        HeygemError,
        "HeyGem reported success, but its result is not a complete video",
        "Check for a full disk, and the end of HeyGem's log",
    ),
    "worker-died": KnownFailure(
        HeygemError, "a process of HeyGem died", "Run `heygem doctor`; --debug shows HeyGem's output"
    ),
    "load-failed": KnownFailure(
        NotCapableError, "HeyGem's modules cannot be loaded", "Run `heygem doctor --home DIR`; --debug shows more"
    ),
}
"""The most specific first: if several apply, the first one is reported."""

PATTERNS: Mapping[str, re.Pattern[str]] = {each.name: each.pattern for each in MESSAGES if each.pattern}
"""Patterns that recognise a failure in a line of HeyGem's log or output, or in the text of an exception."""

NO_CUDA = frozenset({"driver-too-old", "cuda-missing"})
"""Codes that say that ONNX Runtime uses the CPU, which ``--allow-cpu`` permits."""

_HINTS = {
    *("driver-too-old", "out-of-memory", "missing-module", "ffmpeg-missing", "onnxruntime", "av-transfer-blocked"),
    *("no-space", "no-threads", "worker-died"),
}
FATAL = frozenset(PATTERNS) - _HINTS
"""Codes that end a job as soon as the log shows them; the others only explain a failure."""


def find_codes(text: str) -> set[str]:
    """Return the codes of all known failures that a text mentions."""
    return {code for code, pattern in PATTERNS.items() if pattern.search(text)}


def most_specific(codes: Iterable[str]) -> str:
    """Return the code that says most about the cause."""
    return min(codes, key=list(KNOWN).index)


def make_error(code: str, path: Path, detail: str = "") -> HeygemError:
    """Make the error of a known failure of a face video or installation; ``detail`` is the evidence."""
    known = KNOWN[code]
    message = f"{known.message} ({detail})" if detail else known.message
    return known.kind(code, message, hint=known.hint, path=path)
