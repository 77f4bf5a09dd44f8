"""The environment variables that HeyGem operators recommend, and which software reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """A recommended environment variable.

    Attributes:
        name: The name of the variable.
        recommended: The value that operators recommend.
        effective: Whether a library that HeyGem uses reads it.
        reader: What reads it, and what has the effect instead if nothing does.
        why: What a different value does.
    """

    name: str
    recommended: str
    effective: bool
    reader: str
    why: str = "HeyGem ignores it, although somebody has set it for a purpose"


VARIABLES = (
    Variable("ORT_PARALLEL", "0", False, "no library reads it (heygem does)"),
    Variable(
        "TORCH_DATALOADER_NUM_WORKERS",
        "0",
        False,
        "no library reads it (heygem does); HeyGem's own option is --num_threads, where its script passes it on",
    ),
    Variable(
        "OMP_NUM_THREADS",
        "1",
        True,
        "torch, BLAS and numba read it when they are loaded",
        "each process of HeyGem starts one thread per core, and they compete for the processors",
    ),
    Variable("TORCH_NUM_THREADS", "1", False, "no library reads it (heygem does); for HeyGem use OMP_NUM_THREADS"),
    Variable(
        "GRADIO_QUEUE_TIMEOUT",
        "300",
        False,
        "no known version of Gradio reads it; only an external watchdog stops a job that hangs",
    ),
    Variable(
        "CUDA_LAUNCH_BLOCKING",
        "0",
        True,
        "CUDA reads it; with 1, every kernel waits for the previous one",
        "it is meant for debugging, and makes the GPU many times slower",
    ),
)


def effect(name: str, environment: Mapping[str, str]) -> str:
    """Return the setting that results from an environment, in HeyGem and, where it differs, in heygem."""
    value = environment.get(name, "").strip()
    threads = environment.get("OMP_NUM_THREADS", "").strip()
    in_heygem = "" if value in ("", "0") else ", parallel in heygem"
    return {
        "ORT_PARALLEL": f"sequential{in_heygem}",
        "TORCH_DATALOADER_NUM_WORKERS": f"4 in HeyGem unless set on its command line, {value or 0} in heygem",
        "OMP_NUM_THREADS": value or "one thread per core in HeyGem, 1 in heygem",
        "TORCH_NUM_THREADS": f"{threads or 'one thread per core'} in HeyGem, {value or 1} in heygem",
        "GRADIO_QUEUE_TIMEOUT": "no time limit",
        "CUDA_LAUNCH_BLOCKING": value or "0",
    }[name]
