"""The six environment variables of the operators' note, and who really reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNHEARD = "HeyGem does not listen to it, though somebody meant it to"


@dataclass(frozen=True)
class Variable:
    """One of them.

    Attributes:
        name: of the variable.
        asked: the value that the operators' note asks for.
        effective: whether a library that HeyGem uses reads it.
        truth: who reads it, and what has the effect where nobody does.
        why: what another value does.
    """

    name: str
    asked: str
    effective: bool
    truth: str
    why: str = UNHEARD


VARIABLES = (
    Variable("ORT_PARALLEL", "0", False, "no library reads it (heygem does)"),
    Variable(
        "TORCH_DATALOADER_NUM_WORKERS",
        "0",
        False,
        "no library reads it (heygem does); in HeyGem --num_threads 0 on its command line counts",
    ),
    Variable(
        "OMP_NUM_THREADS",
        "1",
        True,
        "torch, BLAS and numba read it while they load",
        "every process of HeyGem starts a thread a core, and they get in each other's way",
    ),
    Variable(
        "TORCH_NUM_THREADS",
        "1",
        False,
        "no library reads it (heygem does); in HeyGem OMP_NUM_THREADS counts",
    ),
    Variable(
        "GRADIO_QUEUE_TIMEOUT",
        "300",
        False,
        "no known Gradio reads it; only a watchdog from outside ends what hangs",
    ),
    Variable(
        "CUDA_LAUNCH_BLOCKING",
        "0",
        True,
        "CUDA reads it; 1 makes every kernel wait for the one before",
        "it is meant for debugging, and makes the GPU many times slower",
    ),
)


def in_force(name: str, environment: Mapping[str, str]) -> str:
    """The setting that a HeyGem with this environment really has, and heygem's own where it differs."""
    value = environment.get(name, "").strip()
    threads = environment.get("OMP_NUM_THREADS", "").strip()
    in_heygem = "" if value in ("", "0") else ", parallel in heygem"
    return {
        "ORT_PARALLEL": f"sequential{in_heygem}",
        "TORCH_DATALOADER_NUM_WORKERS": f"4 unless its command line says otherwise, {value or 0} in heygem",
        "OMP_NUM_THREADS": value or "one thread a core, 1 in heygem",
        "TORCH_NUM_THREADS": f"{threads or 'one thread a core'}, {value or 1} in heygem",
        "GRADIO_QUEUE_TIMEOUT": "no time limit",
        "CUDA_LAUNCH_BLOCKING": value or "0",
    }[name]
