"""The training loop of the networks for pictures."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from heygem_cli.media.read import prefetch

EMA_DECAY = 0.998
"""The result is an exponential moving average over the training steps."""

_Network = TypeVar("_Network", bound=nn.Module)
_Batch = TypeVar("_Batch")


def fit(
    network: _Network,
    batches: Generator[_Batch, None, None],
    loss_of: Callable[[_Network, _Batch], Tensor],
    *,
    name: str,
    steps: int,
    learning_rate: float,
    weight_decay: float,
) -> _Network:
    """Train a network with AdamW and one cycle of the learning rate, and return the average over the steps.

    Args:
        network: What is trained, in place.
        batches: The training data, at least ``steps`` batches.
        loss_of: Returns the loss of a batch.
        name: What the progress is printed with.
        steps: Number of batches.
        learning_rate: The largest one of the cycle.
        weight_decay: Of AdamW.
    """
    network = network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = get_ema_multi_avg_fn(EMA_DECAY)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(network, multi_avg_fn=average)
    optimizer = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.05)
    with closing(prefetch(batches)) as prepared:
        for step, batch in zip(range(steps), prepared, strict=False):
            loss = loss_of(network, batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            averaged.update_parameters(network)
            if step % 250 == 0:
                print(f"{name}: step {step} of {steps}, loss {loss.item():.4f}", flush=True)
    result: _Network = averaged.module  # type: ignore[assignment]
    return result.eval()
