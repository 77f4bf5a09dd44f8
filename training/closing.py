"""The network that hears where the lips close for p, b and m, and its training.

It is apart from those of the motion: they learn an average, in which a short closure is a small opening.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from heygem_cli.face.geometry import Array
from training.augment import Example
from training.network import CROP, MouthNetwork, fit

FILMED, SPOKEN = 24, 16
"""Crops in a batch: of the clips, and of synthesized speech."""
CLOSED_WEIGHT = 2.0
"""Weight of a frame with a closure, which one in ten frames has."""


def train_closing(
    filmed: Sequence[Example], spoken: Sequence[Example], means: Array, *, steps: int, seed: int
) -> MouthNetwork:
    """Train a network whose output is the logit of the probability of a closure.

    Args:
        filmed: Examples from the clips.
        spoken: Examples of synthesized speech.
        means: See :func:`training.network.position_means`.
        steps: Number of optimiser steps.
        seed: Makes the result reproducible on the same machine.
    """
    torch.manual_seed(seed)
    network = MouthNetwork(outputs=1)
    batches = (
        _batches(filmed, FILMED, means, np.random.default_rng(seed)),
        _batches(spoken, SPOKEN, means, np.random.default_rng([seed, 1])),
    )
    losses = (
        closure_loss(network(heard)[..., 0], closures) + closure_loss(network(other)[..., 0], others)
        for (heard, closures), (other, others) in zip(*batches, strict=True)
    )
    return fit(network, losses, steps)


def closure_loss(logits: Tensor, closures: Tensor) -> Tensor:
    """Return the cross-entropy of closures (batch, frames) over the frames in which they are known, 0 without any."""
    known = ~closures.isnan()
    weight = torch.tensor(CLOSED_WEIGHT)
    losses = functional.binary_cross_entropy_with_logits(
        logits[known], closures[known], reduction="sum", pos_weight=weight
    )
    return losses / max(1, int(known.sum()))


def _batches(
    examples: Sequence[Example], size: int, means: Array, random: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield features (size, 2 * CROP, 384) and closures (size, CROP) of random crops, without end."""
    usable = [example for example in examples if len(example.closures) >= CROP]
    weights = np.array([example.weight for example in usable])
    while True:
        features, closures = [], []
        for index in random.choice(len(usable), size, p=weights / weights.sum()):
            start = int(random.integers(len(usable[index].closures) - CROP + 1))
            window = slice(2 * start, 2 * (start + CROP))
            features.append(usable[index].features[window] - means[window])
            closures.append(usable[index].closures[start : start + CROP])
        yield torch.from_numpy(np.array(features, np.float32)), torch.from_numpy(np.array(closures, np.float32))
