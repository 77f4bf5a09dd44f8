"""How the painter learns, and how it is written down."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from heygem_cli.media.read import prefetch
from heygem_cli.mesh.painter import REFERENCES
from heygem_cli.mesh.view import HEIGHT, WIDTH
from training.painter_lessons import Batch, Lesson, batches
from training.painter_network import Painter, mixed

BATCH = 24
STEPS = 6000
LEARNING_RATE = 2e-3
AVERAGED = 0.998
"""Of the mean of the network over its steps, which is what is kept."""
ALONE_WEIGHT = 0.3
"""How much the error of what is painted counts by itself, beside that of the result."""
EDGE_WEIGHT = 1.0
"""How much the error of the gradients counts beside that of the colours: teeth have edges."""
SIMILARITY_WEIGHT = 0.3
"""How much structural dissimilarity counts beside it."""
UNIT = torch.tensor([1.0, 2.0, 2.0])[:, None, None] / 64
"""Colour differences are small and seen well."""


def painting_loss(made: Tensor, wanted: Tensor, hidden: Tensor) -> Tensor:
    """L1 of the colours and of their gradients in the hidden part, each picture counting alike.

    Args:
        made: (batch, 3, HEIGHT, WIDTH) in 0 … 255.
        wanted: the same.
        hidden: (batch, 1, HEIGHT, WIDTH).
    """
    shown = wanted + (made - wanted) * hidden
    apart = (shown - wanted) * UNIT
    area = hidden.sum((1, 2, 3)) + 20
    edges = apart.diff(dim=2).abs().sum((1, 2, 3)) + apart.diff(dim=3).abs().sum((1, 2, 3))
    unlike = ((1 - similarity(shown[:, :1], wanted[:, :1])) * hidden).sum((1, 2, 3))
    return ((apart.abs().sum((1, 2, 3)) + EDGE_WEIGHT * edges + SIMILARITY_WEIGHT * unlike) / area).mean()


def similarity(one: Tensor, other: Tensor) -> Tensor:
    """SSIM (Z. Wang et al., 2004) at every pixel of pictures (batch, 1, rows, columns), in windows of 7 pixels."""

    def mean(picture: Tensor) -> Tensor:
        return functional.avg_pool2d(picture, 7, stride=1, padding=3, count_include_pad=False)

    middle, middle_other = mean(one), mean(other)
    spread, spread_other = mean(one * one) - middle**2, mean(other * other) - middle_other**2
    common = mean(one * other) - middle * middle_other
    first, second = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    alike = (2 * middle * middle_other + first) * (2 * common + second)
    return alike / ((middle**2 + middle_other**2 + first) * (spread + spread_other + second))


def train_painter(lessons: Sequence[Lesson], steps: int, seed: int) -> Painter:
    """Train the painter; the same seed gives the same network on the same machine."""
    torch.manual_seed(seed)
    network = Painter().train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean = get_ema_multi_avg_fn(AVERAGED)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(network, multi_avg_fn=mean)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.05)
    with closing(prefetch(batches(lessons, BATCH, np.random.default_rng(seed)))) as drawn:
        for step, batch in zip(range(steps), drawn, strict=False):
            loss = _loss(network, batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            averaged.update_parameters(network)
            if step % 250 == 0:
                print(f"painter: step {step} of {steps}, loss {loss.item():.3f}", flush=True)
    painter: Painter = averaged.module  # type: ignore[assignment]
    return painter.eval()


def _loss(network: Painter, batch: Batch) -> Tensor:
    picture, references, hidden, known, wanted = (
        torch.from_numpy(part) for part in (batch.picture, batch.references, batch.hidden, batch.known, batch.wanted)
    )
    with torch.autocast("cpu", torch.bfloat16):
        painted, shares = network(picture, references, hidden, known)
    painted, shares = painted.float(), shares.float()
    together = painting_loss(mixed(painted, shares, references), wanted, hidden)
    alone = painting_loss(painted, wanted, hidden)
    return together + ALONE_WEIGHT * alone


def export_painter(network: Painter, path: Path) -> None:
    """Write the painter as ONNX, its names those of :class:`Painter`; the batch is one picture."""
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
