"""Every known failure of HeyGem: how it is recognised, its code, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import HeygemError, InputError, NotCapableError
from heygem_cli.heygem.installation.log_messages import MESSAGES

_GPU = "Run `heygem doctor --only gpu --require gpu`: it names what is missing, library by library"


@dataclass(frozen=True)
class Known:
    """A known failure.

    Attributes:
        kind: decides the exit code, and whether the job is tried again: what may pass is a plain error.
        message: what is wrong.
        hint: what to do.
    """

    kind: type[HeygemError]
    message: str
    hint: str


KNOWN: Mapping[str, Known] = {
    "wrong-python": Known(
        NotCapableError, "this Python cannot load HeyGem's modules", "Name the right one with --python or HEYGEM_PYTHON"
    ),
    "no-kernel": Known(
        NotCapableError,
        "torch or ONNX Runtime has no kernels for this GPU (RTX 50)",
        "Use HeyGem's RTX-50 variant, built for CUDA 12.8",
    ),
    "cuda-missing": Known(
        NotCapableError,
        "ONNX Runtime gets only the CPU in HeyGem's environment, which blocks its queues",
        f"{_GPU}; --allow-cpu goes on all the same",
    ),
    "out-of-memory": Known(
        HeygemError,
        "there is not enough memory",
        "Close what else uses the GPU, use a smaller face video, or lower batch_size in HeyGem's config.ini",
    ),
    "ffmpeg-missing": Known(
        NotCapableError,
        "HeyGem does not find ffmpeg",
        "Install it: apt install ffmpeg, or conda install ffmpeg in HeyGem's environment",
    ),
    "many-faces": Known(
        InputError,
        "HeyGem sees more than one face in it, sometimes falsely with one person",
        "Crop it to one person, or put scrfd_10g_kps in the place of HeyGem's small face detector",
    ),
    "no-face": Known(
        InputError,
        "HeyGem finds no face in it, and would give it back unchanged",
        "Use a face video with a larger face, from the front",
    ),
    "format-error": Known(
        InputError,
        "HeyGem cannot read it, although it was converted to H.264",
        "See the brackets in HeyGem's log; try it with --engine mesh",
    ),
    "audio-length": Known(
        HeygemError, "HeyGem cannot tell how long the sound is", "See that ffprobe is there: apt install ffmpeg"
    ),
    "startup-timeout": Known(
        HeygemError,
        "HeyGem did not start in time",
        f"Give it more with --stall-timeout if the disk is cold. {_GPU}",
    ),
    "queue-full": Known(
        HeygemError, "HeyGem's queue was full for too long: the stage that draws took nothing more", _GPU
    ),
    "frame-queue": Known(HeygemError, "HeyGem's drawing process stopped in the middle of the job", "See HeyGem's log"),
    "no-result": Known(
        HeygemError, "HeyGem gave no result within its ten minutes", "Cut the audio into shorter pieces"
    ),
    "stalled": Known(
        HeygemError, "HeyGem made no progress any more", f"Give it more with --stall-timeout if it is slow. {_GPU}"
    ),
    "preprocessing": Known(HeygemError, "HeyGem could not prepare the inputs", "See the brackets in HeyGem's log"),
    "digital-human": Known(HeygemError, "HeyGem failed to draw", "See the brackets in HeyGem's log"),
    "onnxruntime": Known(HeygemError, "a model failed in ONNX Runtime", _GPU),
    "job-failed": Known(HeygemError, "HeyGem failed", "See the end of HeyGem's log; --debug shows what it printed"),
    "false-success": Known(
        HeygemError,
        "HeyGem calls it a success, but its result is not a whole video",
        "See that its disk is not full, and the end of HeyGem's log",
    ),
    "worker-died": Known(
        HeygemError, "a process of HeyGem died", "Run `heygem doctor`; --debug shows what it printed"
    ),
    "load-failed": Known(
        NotCapableError, "HeyGem's modules cannot be loaded", "Run `heygem doctor --home DIR`; --debug shows more"
    ),
}  # fmt: skip
"""The most telling first: where several were seen, that one counts."""

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
"""How a line of HeyGem's log or output, or the text of an exception, tells a failure."""

AT_ONCE = frozenset(PATTERNS) - {"out-of-memory", "ffmpeg-missing", "onnxruntime"}
"""What ends a job as soon as its log says it; the others only explain a failure that is seen otherwise."""


def recognised(text: str) -> set[str]:
    """The codes of the known failures that a text tells of."""
    return {code for code, pattern in PATTERNS.items() if pattern.search(text)}


def most_telling(codes: Iterable[str]) -> str:
    """The one that says most about what went wrong."""
    return min(codes, key=list(KNOWN).index)


def failure(code: str, path: Path, detail: str = "") -> HeygemError:
    """Make the error of a known failure.

    Args:
        code: of :data:`KNOWN`.
        path: the face video, or the installation.
        detail: what was seen; a line of the log, for example.
    """
    known = KNOWN[code]
    message = f"{known.message} ({detail})" if detail else known.message
    return known.kind(code, message, hint=known.hint, path=path)
