"""The mouth-motion network and how it learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from heygem_cli.face.geometry import INNER_LOWER_MID, INNER_UPPER_MID, LIPS, Array
from heygem_cli.speech.encoder import FEATURES, SAMPLES_PER_FEATURE, WINDOW
from heygem_cli.speech.motion import POINTS
from training.augment import Example

WIDTH = 128
COMPONENTS = 12
DROPOUT = 0.2
BATCH = 32
CROP = 48
"""Frames of a training example."""
LEARNING_RATE = 2e-3
SMOOTH = 25
"""Feature frames that :func:`place_means` averages over."""
SPEED_WEIGHT = 2.0
"""How much the error of the motion from frame to frame counts beside the error of the place."""
TIMING_WEIGHT = 0.3
"""How much the correlation of the opening counts: it asks when the mouth opens, however far."""
MOVES = 0.01
"""Inter-ocular distances: deviation of the opening in an example from which there is something to correlate."""


class Residual(nn.Module):
    """A dilated convolution around which its input also flows."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(WIDTH, WIDTH, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv1d(WIDTH, WIDTH, 1)
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, WIDTH, frames) to the same shape."""
        inner: Tensor = self.mix(self.drop(functional.gelu(self.wide(functional.gelu(x)))))
        return x + inner


class MouthNetwork(nn.Module):
    """Speech features to principal components of the mouth's offsets."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(FEATURES)
        self.narrow = nn.Linear(FEATURES, WIDTH)
        self.drop = nn.Dropout(DROPOUT)
        self.halve = nn.Conv1d(WIDTH, WIDTH, 5, stride=2, padding=2)
        self.around = nn.Sequential(*(Residual(dilation) for dilation in (1, 2, 4)))
        self.out = nn.Conv1d(WIDTH, COMPONENTS, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (batch, 2 * frames, 384) to components (batch, frames, 12)."""
        x = self.drop(self.narrow(self.norm(features))).transpose(1, 2)
        components: Tensor = self.out(functional.gelu(self.around(self.halve(x))))
        return components.transpose(1, 2)


class Exported(nn.Module):
    """The mean of several networks with all that stands before and after them: what the ONNX file holds."""

    place: Tensor
    basis: Tensor

    def __init__(self, networks: Sequence[MouthNetwork], place: Array, basis: Array) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.register_buffer("place", torch.from_numpy(place))
        self.register_buffer("basis", torch.from_numpy(basis))

    def forward(self, features: Tensor) -> Tensor:
        """Map features (1, 2 * frames, 384) of a whole window to offsets (1, frames, 41, 2)."""
        heard = features - self.place[: features.shape[1]]
        components = torch.stack([network(heard) for network in self.networks]).mean(0)
        offsets: Tensor = components @ self.basis
        return offsets.reshape(1, -1, POINTS, 2)


def place_means(examples: Sequence[Example]) -> Array:
    """The mean feature (600, 384) at each place in a window, smoothed over half a second.

    More than a third of the variance of Whisper's features tells only where in the window a moment lies. Nothing of it
    concerns the mouth, and in clips that all begin and end alike a network would learn it by heart.
    """
    size = WINDOW // SAMPLES_PER_FEATURE
    total, count = np.zeros((size, FEATURES)), np.zeros((size, 1))
    for example in examples:
        total[: len(example.features)] += example.features
        count[: len(example.features)] += 1
    seen = int(np.count_nonzero(count))
    mean = total[:seen] / count[:seen]
    padded = np.pad(mean, ((SMOOTH // 2, size - seen + SMOOTH // 2), (0, 0)), mode="edge")
    summed = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), axis=0)
    return np.asarray((summed[SMOOTH:] - summed[:-SMOOTH]) / SMOOTH, np.float32)


def principal_components(offsets: Array) -> Array:
    """The basis (12, 82) of offsets (frames, 82) around the closed mouth (0), scaled by the first one's deviation."""
    _, singular, directions = np.linalg.svd(offsets, full_matrices=False)
    return np.asarray(directions[:COMPONENTS] * singular[0] / np.sqrt(len(offsets)), np.float32)


def openings_of(basis: Array) -> Array:
    """By how much a unit of each component (12, 82) opens the inner lips: (12,), in inter-ocular distances."""
    lower, upper = (2 * LIPS.index(point) + 1 for point in (INNER_LOWER_MID, INNER_UPPER_MID))
    return np.asarray(basis[:, lower] - basis[:, upper], np.float32)


def train_network(examples: Sequence[Example], place: Array, basis: Array, steps: int, seed: int) -> MouthNetwork:
    """Train one network.

    Args:
        examples: of at least ``CROP`` frames each; shorter ones are passed over.
        place: of :func:`place_means`.
        basis: of :func:`principal_components`.
        steps: of gradient descent.
        seed: the same seed gives the same network on the same machine.
    """
    torch.manual_seed(seed)
    network = MouthNetwork().train()
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    opens = torch.from_numpy(openings_of(basis))
    for features, wanted in _batches(examples, place, basis, steps, np.random.default_rng(seed)):
        loss = motion_loss(network(features), wanted, opens)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return network.eval()


def motion_loss(made: Tensor, wanted: Tensor, opens: Tensor) -> Tensor:
    """L1 of the components and of their first difference, each counting as much as it moves, and the opening's timing.

    Args:
        made: components (batch, frames, 12).
        wanted: the same.
        opens: (12,) by how much a unit of each opens the mouth, in inter-ocular distances.
    """
    speed = made.diff(dim=1) - wanted.diff(dim=1)
    apart = (made - wanted).abs().mean() + SPEED_WEIGHT * speed.abs().mean()
    return apart + TIMING_WEIGHT * mistiming(made @ opens, wanted @ opens)


def mistiming(made: Tensor, wanted: Tensor) -> Tensor:
    """1 − Pearson's correlation of curves (batch, frames), the mean over those of ``wanted`` that move."""
    moving = wanted.std(1) > MOVES
    one, other = (curve[moving] - curve[moving].mean(1, keepdim=True) for curve in (made, wanted))
    # A curve that is made flat has no correlation, and must not blow up the gradient.
    norms = ((one**2).sum(1) * (other**2).sum(1) + MOVES**2).sqrt()
    return (1 - (one * other).sum(1) / norms).sum() / max(1, int(moving.sum()))


def _batches(
    examples: Sequence[Example], place: Array, basis: Array, steps: int, random: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    usable = [example for example in examples if len(example.offsets) >= CROP]
    inverse = (basis / (basis**2).sum(1, keepdims=True)).T
    wanted = [example.offsets @ inverse for example in usable]
    weights = np.array([example.weight for example in usable])
    for _ in range(steps):
        features, motion = [], []
        for index in random.choice(len(usable), BATCH, p=weights / weights.sum()):
            start = int(random.integers(len(wanted[index]) - CROP + 1))
            heard = slice(2 * start, 2 * (start + CROP))
            features.append(usable[index].features[heard] - place[heard])
            motion.append(wanted[index][start : start + CROP])
        yield torch.from_numpy(np.array(features, np.float32)), torch.from_numpy(np.array(motion, np.float32))


def export(networks: Sequence[MouthNetwork], place: Array, basis: Array, path: Path) -> None:
    """Write the networks' mean as ONNX: ``features`` (1, frames, 384) to ``offsets`` (1, frames / 2, 41, 2)."""
    torch.onnx.export(
        Exported(networks, place, basis).eval(),
        (torch.zeros(1, 100, FEATURES),),
        path,
        input_names=["features"],
        output_names=["offsets"],
        dynamic_axes={"features": {1: "features"}, "offsets": {1: "frames"}},
        opset_version=17,
        dynamo=False,
    )
    store_halved(path)


def store_halved(path: Path) -> None:
    """Store the weights of an ONNX file as float16, half as large; they become float32 again when it is loaded."""
    model = onnx.load(path)
    stored = list(model.graph.initializer)
    for weights in stored:
        values = numpy_helper.to_array(weights)
        if values.dtype == np.float32:
            half = numpy_helper.from_array(values.astype(np.float16), f"{weights.name}_half")
            model.graph.initializer.remove(weights)
            model.graph.initializer.append(half)
            cast = helper.make_node("Cast", [half.name], [weights.name], to=TensorProto.FLOAT)
            model.graph.node.insert(0, cast)
    onnx.save(model, path)
