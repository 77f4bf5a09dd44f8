"""The mouth-motion network and its training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from heygem_cli.face.geometry import INNER_LOWER_MID, INNER_UPPER_MID, LIPS, Array
from heygem_cli.speech.windows import WINDOW
from training.augment import Example
from training.whisper import FEATURES, SAMPLES_PER_FEATURE

WIDTH = 128
COMPONENTS = 12
DROPOUT = 0.2
BATCH = 32
CROP = 48
"""Frames of a training crop."""
LEARNING_RATE = 2e-3
SMOOTH = 25
"""Window in feature frames that :func:`position_means` averages over."""
VELOCITY_WEIGHT = 2.0
"""Weight of the velocity error relative to the position error."""
TIMING_WEIGHT = 0.3
"""Weight of the opening's correlation, which measures when the mouth opens and not how far."""
MIN_STD = 0.01
"""Standard deviation of the opening, in inter-ocular distances, above which its correlation counts."""


class Residual(nn.Module):
    """A residual block with a dilated convolution."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.dilated = nn.Conv1d(WIDTH, WIDTH, 3, padding=dilation, dilation=dilation)
        self.pointwise = nn.Conv1d(WIDTH, WIDTH, 1)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, WIDTH, frames) to the same shape."""
        inner: Tensor = self.pointwise(self.dropout(functional.gelu(self.dilated(functional.gelu(x)))))
        return x + inner


class MouthNetwork(nn.Module):
    """Maps speech features to principal components of the lip offsets, or to another number of outputs."""

    def __init__(self, outputs: int = COMPONENTS) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(FEATURES)
        self.project = nn.Linear(FEATURES, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        self.downsample = nn.Conv1d(WIDTH, WIDTH, 5, stride=2, padding=2)
        self.blocks = nn.Sequential(*(Residual(dilation) for dilation in (1, 2, 4)))
        self.out = nn.Conv1d(WIDTH, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (batch, 2 * frames, 384) to outputs (batch, frames, outputs)."""
        x = self.dropout(self.project(self.norm(features))).transpose(1, 2)
        outputs: Tensor = self.out(functional.gelu(self.blocks(self.downsample(x))))
        return outputs.transpose(1, 2)


def position_means(examples: Sequence[Example]) -> Array:
    """Return the mean feature (600, 384) at each position in a window, smoothed over half a second.

    More than a third of the variance of Whisper's features encodes only the position in the window. It is irrelevant
    for the mouth, but a network would overfit to it as all clips begin and end alike.
    """
    size = WINDOW // SAMPLES_PER_FEATURE
    total, count = np.zeros((size, FEATURES)), np.zeros((size, 1))
    for example in examples:
        total[: len(example.features)] += example.features
        count[: len(example.features)] += 1
    used = int(np.count_nonzero(count))
    mean = total[:used] / count[:used]
    padded = np.pad(mean, ((SMOOTH // 2, size - used + SMOOTH // 2), (0, 0)), mode="edge")
    summed = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), axis=0)
    return np.asarray((summed[SMOOTH:] - summed[:-SMOOTH]) / SMOOTH, np.float32)


def principal_components(offsets: Array) -> Array:
    """Return the basis (12, 82) of offsets (frames, 82), scaled by the standard deviation of the first component."""
    _, singular, directions = np.linalg.svd(offsets, full_matrices=False)
    return np.asarray(directions[:COMPONENTS] * singular[0] / np.sqrt(len(offsets)), np.float32)


def to_components(offsets: Array, basis: Array) -> Array:
    """Return the components (frames, 12) of offsets (frames, 82)."""
    return np.asarray(offsets @ (basis / (basis**2).sum(1, keepdims=True)).T, np.float32)


def component_openings(basis: Array) -> Array:
    """Return how far a unit of each component (12, 82) opens the inner lips: (12,), in inter-ocular distances."""
    lower, upper = (2 * LIPS.index(point) + 1 for point in (INNER_LOWER_MID, INNER_UPPER_MID))
    return np.asarray(basis[:, lower] - basis[:, upper], np.float32)


def train_network(examples: Sequence[Example], means: Array, basis: Array, steps: int, seed: int) -> MouthNetwork:
    """Train one network.

    Args:
        examples: Training examples; those shorter than ``CROP`` are skipped.
        means: See :func:`position_means`.
        basis: See :func:`principal_components`.
        steps: Number of optimiser steps.
        seed: Makes the result reproducible on the same machine.
    """
    torch.manual_seed(seed)
    network = MouthNetwork()
    openings = torch.from_numpy(component_openings(basis))
    batches = _batches(examples, means, basis, steps, np.random.default_rng(seed))
    return fit(network, (motion_loss(network(features), target, openings) for features, target in batches), steps)


def fit(network: MouthNetwork, losses: Iterator[Tensor], steps: int) -> MouthNetwork:
    """Minimise losses, each of which is computed with the network that the one before has left."""
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    for loss in islice(losses, steps):
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return network.eval()


def motion_loss(output: Tensor, target: Tensor, openings: Tensor) -> Tensor:
    """Return the loss: L1 of the components and of their velocity, and the timing of the opening.

    Args:
        output: Components (batch, frames, 12).
        target: Same shape.
        openings: See :func:`component_openings`.
    """
    velocity_error = output.diff(dim=1) - target.diff(dim=1)
    error = (output - target).abs().mean() + VELOCITY_WEIGHT * velocity_error.abs().mean()
    return error + TIMING_WEIGHT * timing_loss(output @ openings, target @ openings)


def timing_loss(output: Tensor, target: Tensor) -> Tensor:
    """Return 1 − Pearson's correlation of curves (batch, frames), averaged over the targets that move."""
    moving = target.std(1) > MIN_STD
    one, other = (curve[moving] - curve[moving].mean(1, keepdim=True) for curve in (output, target))
    # The correlation of a constant output is undefined; its gradient must stay finite.
    norms = ((one**2).sum(1) * (other**2).sum(1) + MIN_STD**2).sqrt()
    return (1 - (one * other).sum(1) / norms).sum() / max(1, int(moving.sum()))


def _batches(
    examples: Sequence[Example], means: Array, basis: Array, steps: int, random: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    usable = [example for example in examples if len(example.offsets) >= CROP]
    components = [to_components(example.offsets, basis) for example in usable]
    weights = np.array([example.weight for example in usable])
    for _ in range(steps):
        features, motion = [], []
        for index in random.choice(len(usable), BATCH, p=weights / weights.sum()):
            start = int(random.integers(len(components[index]) - CROP + 1))
            window = slice(2 * start, 2 * (start + CROP))
            features.append(usable[index].features[window] - means[window])
            motion.append(components[index][start : start + CROP])
        yield torch.from_numpy(np.array(features, np.float32)), torch.from_numpy(np.array(motion, np.float32))
