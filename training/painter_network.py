"""The painter's network and how it learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from heygem_cli.mesh.painter import REFERENCES
from heygem_cli.mesh.view import HEIGHT, WIDTH

WIDTHS = (16, 32, 64)
"""Channels at a half, a quarter and an eighth of the view's size."""
BLACK = 16.0
CHROMA = 24.0
"""What colour is measured in."""


class Block(nn.Module):
    """Two convolutions around which their input also flows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, width, rows, columns) to the same shape."""
        inner: Tensor = self.second(functional.silu(self.first(functional.silu(x))))
        return x + inner


class Light(nn.Module):
    """Colours relative to those around the mouth, so that any light, camera and skin look alike to the network."""

    def forward(self, picture: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Give the middle and the scale (batch, 3, 1, 1) of the colours that are not hidden."""
        seen = 1 - hidden
        mean = (picture * seen).sum((2, 3), keepdim=True) / seen.sum((2, 3), keepdim=True)
        luma = (mean[:, :1] - BLACK).clamp(min=10)
        return mean, torch.cat([luma, torch.full_like(luma, CHROMA), torch.full_like(luma, CHROMA)], 1)


class Painter(nn.Module):
    """A small U-Net (O. Ronneberger et al., MICCAI 2015) that paints, and says where the person's own pictures serve.

    Inputs, float32: ``picture`` (batch, 3, HEIGHT, WIDTH), Y, U and V in 0 … 255; ``references`` (batch, 2, 3, HEIGHT,
    WIDTH), pictures of the person's open mouth fitted between these lips; ``hidden`` (batch, 1, HEIGHT, WIDTH), 1 where
    to paint; ``known`` (batch, 2), 1 for each reference that there is.
    """

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        channels = 3 + 1 + REFERENCES * 4 + 1
        self.light = Light()
        self.stem = nn.Conv2d(channels * 4, first, 3, padding=1)
        self.fine = Block(first)
        self.down = nn.Conv2d(first, second, 3, stride=2, padding=1)
        self.middle = Block(second)
        self.deeper = nn.Conv2d(second, third, 3, stride=2, padding=1)
        self.coarse = nn.Sequential(Block(third), Block(third))
        self.higher = nn.Conv2d(third, second, 1)
        self.middle_again = Block(second)
        self.up = nn.Conv2d(second, first, 1)
        self.fine_again = Block(first)
        self.head = nn.Conv2d(first, (3 + 1 + REFERENCES) * 4, 3, padding=1)

    def forward(self, picture: Tensor, references: Tensor, hidden: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Paint.

        Returns:
            What is painted (batch, 3, HEIGHT, WIDTH) in 0 … 255, and the shares (batch, 3, HEIGHT, WIDTH) of it and of
            each reference in the result.
        """
        mean, scale = self.light(picture, hidden)
        offset = torch.cat([torch.full_like(mean[:, :1], BLACK) + scale[:, :1], mean[:, 1:]], 1)
        planes = [(picture - offset) / scale * (1 - hidden), hidden]
        for number in range(REFERENCES):
            there = known[:, number, None, None, None] * hidden
            planes += [(references[:, number] - offset) / scale * there, there]
        planes.append((scale[:, :1] / 128 - 1).expand(-1, 1, HEIGHT, WIDTH))
        made = self._through(torch.cat(planes, 1)).float()
        painted = made[:, :3] * scale + offset
        scores = made[:, 3:] - torch.cat([torch.zeros_like(known[:, :1]), (1 - known) * 1e4], 1)[..., None, None]
        likely = (scores - scores.amax(1, keepdim=True)).exp()  # softmax, for which ONNX Runtime would turn the planes
        return painted, likely / likely.sum(1, keepdim=True)

    def _through(self, x: Tensor) -> Tensor:
        fine = self.fine(self.stem(functional.pixel_unshuffle(x, 2)))
        middle = self.middle(self.down(fine))
        coarse = self.coarse(self.deeper(middle))
        middle = self.middle_again(middle + _twice(self.higher(coarse)))
        fine = self.fine_again(fine + _twice(self.up(middle)))
        made: Tensor = functional.pixel_shuffle(self.head(functional.silu(fine)), 2)
        return made


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def mixed(painted: Tensor, shares: Tensor, references: Tensor) -> Tensor:
    """The result (batch, 3, HEIGHT, WIDTH): what is painted and the references by their shares."""
    result = painted * shares[:, :1]
    for number in range(REFERENCES):
        result = result + references[:, number] * shares[:, number + 1, None]
    return result
