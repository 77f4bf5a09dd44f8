"""The network that finds what covers a face."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from training.painter_network import Block

FOLD = 4
"""Pixels of the input on each side of one position in the first layer."""
CHANNELS = (16, 32, 64)
"""Channels at a quarter, an eighth and a sixteenth of the input's resolution."""


class CoverNetwork(nn.Module):
    """A small U-Net (O. Ronneberger et al., MICCAI 2015) from Y, U and V to the logit that a pixel is covered."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = CHANNELS
        self.stem = nn.Conv2d(3 * FOLD**2, first, 3, padding=1)
        self.encoder1 = Block(first)
        self.down1 = nn.Conv2d(first, second, 3, stride=2, padding=1)
        self.encoder2 = Block(second)
        self.down2 = nn.Conv2d(second, third, 3, stride=2, padding=1)
        self.bottleneck = nn.Sequential(Block(third), Block(third))
        self.whole = nn.Conv2d(third, third, 1)
        self.up2 = nn.Conv2d(third, second, 1)
        self.decoder2 = Block(second)
        self.up1 = nn.Conv2d(second, first, 1)
        self.decoder1 = Block(first)
        self.head = nn.Conv2d(first, FOLD**2, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        """Map pictures (batch, SIDE, SIDE, 3) in 0 … 255 to logits (batch, SIDE, SIDE)."""
        x = (picture.permute(0, 3, 1, 2).float() - 128) / 64
        quarter = self.encoder1(self.stem(functional.pixel_unshuffle(x, FOLD)))
        eighth = self.encoder2(self.down1(quarter))
        sixteenth = self.bottleneck(self.down2(eighth))
        sixteenth = sixteenth + self.whole(functional.silu(sixteenth.mean((2, 3), keepdim=True)))
        eighth = self.decoder2(eighth + _upsample(self.up2(sixteenth)))
        quarter = self.decoder1(quarter + _upsample(self.up1(eighth)))
        output: Tensor = functional.pixel_shuffle(self.head(functional.silu(quarter)), FOLD)
        return output[:, 0].float()


def _upsample(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
