"""Training of the encoder's last layers together with the networks that read its features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Samples
from training.augment import Example
from training.network import CROP, component_openings, motion_loss, to_components
from training.speech_model import SpeechModel
from training.whisper import WhisperEncoder

BATCH = 4
"""Windows, each of which is cut into crops of ``CROP`` frames."""
NETWORK_RATE = 5e-4
"""Learning rate of the networks, which are trained already."""


@dataclass(frozen=True)
class JointTraining:
    """What is trained, and how.

    Attributes:
        layers: How many of the encoder's layers, counted from the last; 0: the networks only.
        rate: Learning rate of these layers and of the normalisation behind them.
        steps: Number of optimiser steps.
    """

    layers: int
    rate: float
    steps: int


@torch.no_grad()
def encode_states(encoder: WhisperEncoder, samples: Samples) -> Array:
    """Compute what the encoder's first layer reads (frames, 384), for examples of :func:`train_jointly`."""
    return np.asarray(encoder.states(torch.from_numpy(samples)[None])[0].numpy(), np.float32)


def train_jointly(model: SpeechModel, examples: Sequence[Example], training: JointTraining, seed: int) -> SpeechModel:
    """Return a copy of a trained model, trained further.

    Args:
        model: The model to begin with.
        examples: Training examples whose features are those of :func:`encode_states`.
        training: What is trained.
        seed: Makes the result reproducible on the same machine.
    """
    torch.manual_seed(seed)
    model = deepcopy(model).train()
    model.encoder.requires_grad_(requires_grad=False)
    layers = list(model.encoder.layers)[len(model.encoder.layers) - training.layers :]
    encoder = nn.ModuleList([*layers, model.encoder.norm] if layers else []).requires_grad_()
    parameters = [list(model.networks.parameters()), list(encoder.parameters())]
    groups = [
        {"params": parameters[0], "lr": NETWORK_RATE, "weight_decay": 0.01},
        {"params": parameters[1], "lr": training.rate, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups)
    rates = [NETWORK_RATE, training.rate]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=training.steps, pct_start=0.1)
    openings = torch.from_numpy(component_openings(model.basis.numpy()))
    for features, target in _batches(model, examples, training.steps, np.random.default_rng(seed)):
        losses = [motion_loss(network(features), target, openings) for network in model.networks]
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()  # type: ignore[no-untyped-call]
        for group in parameters:
            nn.utils.clip_grad_norm_(group, 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()


def _batches(
    model: SpeechModel, examples: Sequence[Example], steps: int, random: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield centred features (crops, 2 * CROP, 384), computed by the model in training, and components."""
    usable = [example for example in examples if len(example.offsets) >= CROP]
    # A window counts by its frames as it is, since all of them are used.
    weights = np.array([example.weight / len(example.offsets) for example in usable])
    for _ in range(steps):
        chosen = random.choice(len(usable), BATCH, p=weights / weights.sum())
        crops = [_crops(model, usable[index], random) for index in chosen]
        features, target = (torch.cat(parts) for parts in zip(*crops, strict=True))
        yield features, target


def _crops(model: SpeechModel, example: Example, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    frames = len(example.offsets)
    count, start = frames // CROP, int(random.integers(frames % CROP + 1))
    stop = start + count * CROP
    states = torch.from_numpy(example.features.astype(np.float32))[None]
    features = (model.encoder.features(states)[0] - model.means[: 2 * frames])[2 * start : 2 * stop]
    components = torch.from_numpy(to_components(example.offsets[start:stop], model.basis.numpy()))
    return features.reshape(count, 2 * CROP, -1), components.reshape(count, CROP, -1)
