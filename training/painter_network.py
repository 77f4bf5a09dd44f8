"""The painter's network."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from heygem_cli.mesh.crop import HEIGHT, WIDTH
from heygem_cli.mesh.open_mouths import REFERENCES

CHANNELS = (16, 32, 64)
"""Channels at a half, a quarter and an eighth of the crop's resolution."""
BLACK = 16.0
CHROMA_SCALE = 24.0


class Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, width, rows, columns) to the same shape."""
        inner: Tensor = self.second(functional.silu(self.first(functional.silu(x))))
        return x + inner


def color_statistics(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and scale (batch, 3, 1, 1) of the colours outside the mask.

    Normalising by them makes the network independent of lighting, camera and skin.
    """
    visible = 1 - mask
    mean = (image * visible).sum((2, 3), keepdim=True) / visible.sum((2, 3), keepdim=True)
    luma = (mean[:, :1] - BLACK).clamp(min=10)
    return mean, torch.cat([luma, torch.full_like(luma, CHROMA_SCALE), torch.full_like(luma, CHROMA_SCALE)], 1)


class Painter(nn.Module):
    """A small U-Net (O. Ronneberger et al., MICCAI 2015) that paints and decides where to use the references instead.

    Inputs, float32: ``image`` (batch, 3, HEIGHT, WIDTH), Y, U and V in 0 … 255; ``references`` (batch, 2, 3, HEIGHT,
    WIDTH), images of the person's open mouth fitted between these lips; ``mask`` (batch, 1, HEIGHT, WIDTH), 1 where to
    paint; ``known`` (batch, 2), 1 for each reference that is present.
    """

    def __init__(self) -> None:
        super().__init__()
        first, second, third = CHANNELS
        channels = 3 + 1 + REFERENCES * 4 + 1
        self.stem = nn.Conv2d(channels, first, 6, stride=2, padding=2)
        self.encoder1 = Block(first)
        self.down1 = nn.Conv2d(first, second, 3, stride=2, padding=1)
        self.encoder2 = Block(second)
        self.down2 = nn.Conv2d(second, third, 3, stride=2, padding=1)
        self.bottleneck = nn.Sequential(Block(third), Block(third))
        self.up2 = nn.Conv2d(third, second, 1)
        self.decoder2 = Block(second)
        self.up1 = nn.Conv2d(second, first, 1)
        self.decoder1 = Block(first)
        self.head = nn.Conv2d(first, (3 + 1 + REFERENCES) * 4, 3, padding=1)

    def forward(self, image: Tensor, references: Tensor, mask: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Paint.

        Returns:
            The painting (batch, 3, HEIGHT, WIDTH) in 0 … 255, and the shares (batch, 3, HEIGHT, WIDTH) of it and of
            each reference in the result.
        """
        mean, scale = color_statistics(image, mask)
        offset = torch.cat([torch.full_like(mean[:, :1], BLACK) + scale[:, :1], mean[:, 1:]], 1)
        present = known[:, :, None, None] * mask
        images, masks = torch.cat([image[:, None], references], 1), torch.cat([1 - mask, present], 1)
        normalised = (images - offset[:, None]) * (1 / scale[:, None]) * masks[:, :, None]
        luma = (scale[:, :1] / 128 - 1).expand(-1, 1, HEIGHT, WIDTH)
        output = self._unet(torch.cat([normalised.flatten(1, 2), mask, present, luma], 1)).float()
        painted = output[:, :3] * scale + offset
        scores = output[:, 3:] - torch.cat([torch.zeros_like(known[:, :1]), (1 - known) * 1e4], 1)[..., None, None]
        exponents = (scores - scores.amax(1, keepdim=True)).exp()  # ONNX Runtime would transpose for a softmax
        return painted, exponents / exponents.sum(1, keepdim=True)

    def _unet(self, x: Tensor) -> Tensor:
        half = self.encoder1(self.stem(x))
        quarter = self.encoder2(self.down1(half))
        eighth = self.bottleneck(self.down2(quarter))
        quarter = self.decoder2(quarter + _upsample(self.up2(eighth)))
        half = self.decoder1(half + _upsample(self.up1(quarter)))
        output: Tensor = functional.pixel_shuffle(self.head(functional.silu(half)), 2)
        return output


def _upsample(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def compose(painted: Tensor, shares: Tensor, references: Tensor) -> Tensor:
    """Mix the painting and the references by their shares: (batch, 3, HEIGHT, WIDTH)."""
    result = painted * shares[:, :1]
    for number in range(REFERENCES):
        result = result + references[:, number] * shares[:, number + 1, None]
    return result
