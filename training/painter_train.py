"""Training and export of the painter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from heygem_cli.mesh.crop import HEIGHT, WIDTH
from heygem_cli.mesh.open_mouths import REFERENCES
from training.fit import fit
from training.painter_examples import Batch, PainterExample, make_batches
from training.painter_network import Painter, compose

BATCH = 24
STEPS = 6000
LEARNING_RATE = 2e-3
PAINTING_WEIGHT = 0.3
"""Weight of the painting's own loss relative to that of the result."""
EDGE_WEIGHT = 1.0
"""Weight of the gradient error relative to the colour error, for sharp edges of teeth."""
SIMILARITY_WEIGHT = 0.3
"""Weight of structural dissimilarity relative to the colour error."""
CHANNEL_WEIGHTS = torch.tensor([1.0, 2.0, 2.0])[:, None, None] / 64
"""Chroma differences are small but visible."""


def painting_loss(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the loss inside the mask: L1 of colours and gradients, and dissimilarity.

    Every image counts alike.

    Args:
        output: (batch, 3, HEIGHT, WIDTH) in 0 … 255.
        target: Same shape and range.
        mask: (batch, 1, HEIGHT, WIDTH).
    """
    restored = target + (output - target) * mask
    error = (restored - target) * CHANNEL_WEIGHTS
    area = mask.sum((1, 2, 3)) + 20
    edges = error.diff(dim=2).abs().sum((1, 2, 3)) + error.diff(dim=3).abs().sum((1, 2, 3))
    dissimilarity = ((1 - similarity(restored[:, :1], target[:, :1])) * mask).sum((1, 2, 3))
    return ((error.abs().sum((1, 2, 3)) + EDGE_WEIGHT * edges + SIMILARITY_WEIGHT * dissimilarity) / area).mean()


def similarity(one: Tensor, other: Tensor) -> Tensor:
    """Return the SSIM (Z. Wang et al., 2004) at every pixel of images (batch, 1, rows, columns), in 7-pixel windows."""

    def window_mean(image: Tensor) -> Tensor:
        return functional.avg_pool2d(image, 7, stride=1, padding=3, count_include_pad=False)

    mean, mean_other = window_mean(one), window_mean(other)
    variance, variance_other = window_mean(one * one) - mean**2, window_mean(other * other) - mean_other**2
    covariance = window_mean(one * other) - mean * mean_other
    first, second = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    numerator = (2 * mean * mean_other + first) * (2 * covariance + second)
    return numerator / ((mean**2 + mean_other**2 + first) * (variance + variance_other + second))


def train_painter(examples: Sequence[PainterExample], steps: int, seed: int) -> Painter:
    """Train the painter; the result is reproducible for a seed on the same machine."""
    torch.manual_seed(seed)
    return fit(
        Painter(),
        make_batches(examples, BATCH, np.random.default_rng(seed)),
        _loss,
        name="painter",
        steps=steps,
        learning_rate=LEARNING_RATE,
        weight_decay=0.01,
    )


def _loss(network: Painter, batch: Batch) -> Tensor:
    image, references, mask, known, target = (
        torch.from_numpy(part) for part in (batch.image, batch.references, batch.mask, batch.known, batch.target)
    )
    with torch.autocast("cpu", torch.bfloat16):
        painted, shares = network(image, references, mask, known)
    painted, shares = painted.float(), shares.float()
    result_loss = painting_loss(compose(painted, shares, references), target, mask)
    return result_loss + PAINTING_WEIGHT * painting_loss(painted, target, mask)


def export_painter(network: Painter, path: Path) -> None:
    """Export the painter to ONNX with a batch size of 1."""
    shape = (HEIGHT, WIDTH)
    inputs = (
        torch.full((1, 3, *shape), 128.0),
        torch.full((1, REFERENCES, 3, *shape), 128.0),
        torch.zeros(1, 1, *shape),
        torch.ones(1, REFERENCES),
    )
    torch.onnx.export(
        network,
        inputs,
        path,
        input_names=["picture", "references", "hidden", "known"],
        output_names=["painted", "shares"],
        opset_version=17,
        dynamo=False,
    )
