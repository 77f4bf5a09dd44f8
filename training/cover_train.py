"""Training and export of the network that finds what covers a face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from heygem_cli.mesh.cover_network import SIDE
from training.cover_examples import Batch, make_batches, pixel_weights
from training.cover_network import CoverNetwork
from training.fit import fit

BATCH = 32
LEARNING_RATE = 3e-3
WEIGHTS = pixel_weights()


def train_cover(examples: Batch, steps: int, seed: int, start: CoverNetwork | None = None) -> CoverNetwork:
    """Train a network, or go on with one; the result is reproducible for a seed on the same machine."""
    torch.manual_seed(seed)
    return fit(
        start or CoverNetwork(),
        make_batches(examples, BATCH, np.random.default_rng(seed)),
        _loss,
        name="cover",
        steps=steps,
        learning_rate=LEARNING_RATE,
        weight_decay=0.02,
    )


def _loss(network: CoverNetwork, batch: Batch) -> Tensor:
    picture, covered = torch.from_numpy(batch.image), torch.from_numpy(batch.covered).float()
    # The first pixels beside a cover are mixed with it.
    beside = functional.max_pool2d(covered, 3, stride=1, padding=1) - covered
    weight = torch.from_numpy(WEIGHTS) * (1 - beside)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(picture)
    return functional.binary_cross_entropy_with_logits(logits, covered, weight)


def load_cover(path: Path) -> CoverNetwork:
    """Load the weights of a network from the ONNX file that :func:`export_cover` wrote."""
    weights = {each.name: torch.tensor(numpy_helper.to_array(each)) for each in onnx.load(path).graph.initializer}
    exported = _Exported(CoverNetwork())
    exported.load_state_dict(weights)
    return exported.network


class _Exported(nn.Module):
    """The network with probabilities as its output."""

    def __init__(self, network: CoverNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor) -> Tensor:
        return torch.sigmoid(self.network(picture))


def export_cover(network: CoverNetwork, path: Path) -> None:
    """Export the network to ONNX with a batch size of 1."""
    torch.onnx.export(
        _Exported(network).eval(),
        (torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8),),
        path,
        input_names=["picture"],
        output_names=["covered"],
        opset_version=17,
        dynamo=False,
    )
