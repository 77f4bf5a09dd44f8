"""The six environment variables of the operators' note, and who really reads them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """One of them.

    Attributes:
        name: of the variable.
        asked: the value that the operators' note asks for.
        effective: whether a library that HeyGem uses reads it.
        truth: who reads it and what is really in force, in one sentence.
    """

    name: str
    asked: str
    effective: bool
    truth: str


VARIABLES = (
    Variable(
        "ORT_PARALLEL",
        "0",
        False,
        "no library reads it: ONNX Runtime runs sequentially unless the program asks otherwise; heygem obeys it",
    ),
    Variable(
        "TORCH_DATALOADER_NUM_WORKERS",
        "0",
        False,
        "no library reads it: `--num_threads 0` on HeyGem's command line is what counts; heygem obeys it",
    ),
    Variable(
        "OMP_NUM_THREADS",
        "1",
        True,
        "torch, BLAS and numba read it while they load, so it must be set before HeyGem starts",
    ),
    Variable(
        "TORCH_NUM_THREADS",
        "1",
        False,
        "no library reads it: OMP_NUM_THREADS or torch.set_num_threads(1) is what counts; heygem obeys it",
    ),
    Variable(
        "GRADIO_QUEUE_TIMEOUT",
        "300",
        False,
        "no known Gradio reads it: a request waits without limit; end it from outside, by a watchdog",
    ),
    Variable(
        "CUDA_LAUNCH_BLOCKING",
        "0",
        True,
        "CUDA reads it; 0 is its default, 1 makes every kernel wait for the one before",
    ),
)
