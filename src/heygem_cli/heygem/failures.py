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
        "Use HeyGem's RTX-50 variant, built for CUDA 12.8",
    ),
    "cuda-missing": KnownFailure(
        NotCapableError,
        "ONNX Runtime can only use the CPU in HeyGem's environment, which blocks HeyGem's queues",
        f"{_CHECK_GPU}; --allow-cpu continues anyway",
    ),
    "out-of-memory": KnownFailure(
        HeygemError,
        "there is not enough memory",
        "Close what else uses the GPU, use a smaller face video, or lower batch_size in HeyGem's config.ini",
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
    "audio-length": KnownFailure(
        HeygemError,
        "HeyGem cannot determine the length of the audio",
        "Make sure that ffprobe exists: apt install ffmpeg",
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

_OUTPUT = {
    "cuda-missing": re.compile(
        r"Failed to load library libonnxruntime_providers|Failed to create CUDAExecutionProvider"
        r"|Falling back to \['CPUExecutionProvider'\]|no CUDA-capable device|CUDA driver version is insufficient"
        r"|Found no NVIDIA driver|not compiled with CUDA"
    ),
    "out-of-memory": re.compile(
        r"out of memory|MemoryError|bad_alloc|Cannot allocate memory|Failed to allocate memory", re.IGNORECASE
    ),
    "ffmpeg-missing": re.compile(r"ffmpeg: (command )?not found|No such file or directory: '?ffmpeg"),
}
PATTERNS: Mapping[str, re.Pattern[str]] = {**{message.name: message.pattern for message in MESSAGES}, **_OUTPUT}
"""Patterns that recognise a failure in a line of HeyGem's log or output, or in the text of an exception."""

FATAL = frozenset(PATTERNS) - {"out-of-memory", "ffmpeg-missing", "onnxruntime"}
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
