"""Close the eyes of a photograph: the lids and lashes come down over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame
from heygem_cli.mesh.cover import fill
from heygem_cli.mesh.crop import sample_crop
from heygem_cli.mesh.field import smoothstep
from heygem_cli.mesh.warp import Box, blend_box

# From the left corner to the right one, as the picture shows them.
_UPPER = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (362, 398, 384, 385, 386, 387, 388, 466, 263))
_LOWER = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (362, 382, 381, 380, 374, 373, 390, 249, 263))
_BROWS = ((46, 53, 52, 65, 55), (285, 295, 282, 283, 276))

# Lengths are in widths of the eye, unless stated otherwise.
ABOVE, BELOW, BESIDE = 0.75, 0.65, 0.25
"""How far the picture of an eye reaches from it."""
OVERLAP = 0.02
"""How far the upper lid goes beyond the edge of the lower one: no white is left between them."""
MIN_REACH = 1.6
"""Smallest height of the skin that is drawn down, in travels of the lid: with less it would fold."""
SKIN_ABOVE, SKIN_BELOW = 0.1, 0.05
"""How far from the edges of the lids the skin is without lashes."""
FLAT = 0.65
"""Share of plain skin in what covers the eye; the rest is the skin above it, stretched."""
EDGE, DARK = 0.05, 75
"""Where the lashes are, around the edge of the lid, and the percentile of the darkness there that they get."""
THICKNESS = 0.025
"""Of the line that the lashes of a closed eye are."""


@dataclass(frozen=True)
class Eye:
    """An open eye in a photograph.

    Attributes:
        box: Around it.
        image: float32 (height, width, 3) Y, U and V of the box at full resolution.
        x: (height, width) position of each pixel along the eye, 0 … 1 between its corners.
        y: (height, width) likewise across it, downwards.
        upper: (height, width) where the edge of the upper lid is at that x.
        lower: (height, width) likewise.
        brow: Where the brow ends.
        scale: Pixels per width of the eye.
        down: (2,) the unit vector across the eye, downwards.
    """

    box: Box
    image: Array
    x: Array
    y: Array
    upper: Array
    lower: Array
    brow: float
    scale: float
    down: Array

    @staticmethod
    def find(frame: Frame, landmarks: Array, side: int) -> Eye | None:
        """Return the left (0) or the right (1) eye of an I420 frame, from landmarks (478, 3); None outside of it."""
        upper, lower, brow = (landmarks[list(part[side]), :2] for part in (_UPPER, _LOWER, _BROWS))
        corner, axis = upper[0], upper[-1] - upper[0]
        down = np.array([-axis[1], axis[0]], np.float32)
        reach = np.array([[x, y] for x in (-BESIDE, 1 + BESIDE) for y in (-ABOVE, BELOW)], np.float32)
        box = Box.around(corner + reach[:, :1] * axis + reach[:, 1:] * down, frame, 2)
        if not box.width or not box.height:
            return None
        shift = np.column_stack([np.eye(2, dtype=np.float32), -box.corner])
        image = sample_crop(frame, shift, box.width, box.height).astype(np.float32)
        x, y = _to_local(np.stack(_pixels(box), -1) + box.corner, corner, axis)
        high, low = (_edge(*_to_local(points, corner, axis), x) for points in (upper, lower))
        brow_end = float(_to_local(brow, corner, axis)[1].max())
        width = float(np.linalg.norm(axis))
        return Eye(box, image, x, y, high, low, brow_end, width, down / width)

    @property
    def opening(self) -> float:
        """The largest distance between the lids."""
        return float((self.lower - self.upper).max())

    @cached_property
    def skin(self) -> Array:
        """The picture without the eye, as if its lids were smooth skin: (height, width, 3)."""
        beside = (self.x > -BESIDE / 2) & (self.x < 1 + BESIDE / 2)
        hidden = beside & (self.y > self.upper - SKIN_ABOVE) & (self.y < self.lower + SKIN_BELOW)
        return fill(self.image, hidden.astype(np.float32))

    @cached_property
    def lashes(self) -> float:
        """How much darker than skin the edge of the upper lid is, in levels of luma."""
        edge = (np.abs(self.y - self.upper) < EDGE) & (self.x > 0.15) & (self.x < 0.85)
        darker = (self.skin - self.image)[edge, 0]
        return float(max(0, np.percentile(darker, DARK))) if darker.size else 0.0

    def close(self, frame: Frame, closure: float) -> None:
        """Close the eye in an I420 frame, which is changed: 0 leaves it as it is, 1 closes it."""
        bow = np.asarray(np.clip(4 * self.x * (1 - self.x), 0, 1), np.float32)
        travel = closure * np.maximum(self.lower - self.upper + OVERLAP * smoothstep(3 * bow), 0)
        margin = self.upper + travel
        above = margin - self.y
        begun = smoothstep(travel / 0.05)
        reach = np.maximum(margin - self.brow, MIN_REACH * travel)
        pulled = self._above(travel * (1 - smoothstep(above / reach)))
        flat = FLAT * begun * (1 - smoothstep((above / np.maximum(travel, 1e-3) - 0.2) / 1.2))
        lid = pulled + flat[..., None] * (self.skin - pulled)
        covered = np.clip(above * self.scale + 0.5, 0, 1) * (travel > 0)
        image = self.image + covered[..., None] * (lid - self.image)
        thickness = max(THICKNESS, 0.6 / self.scale) * np.where(above < 0, 1 + closure, 1)
        line = begun * np.sqrt(bow) * np.exp(-((above / thickness) ** 2))
        image[..., 0] -= self.lashes * line
        blend_box(frame, self.box, image, np.asarray(np.maximum(covered, line > 0.02), np.float32))

    def _above(self, by: Array) -> Array:
        """Return the picture as it is above each pixel by a distance (height, width)."""
        columns, rows = _pixels(self.box)
        across = self.scale * by
        down = self.down
        x, y = columns - across * down[0], rows - across * down[1]
        return np.asarray(cv2.remap(self.image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _pixels(box: Box) -> tuple[Array, Array]:
    """Return the column and the row of each pixel of a box: twice (height, width)."""
    rows, columns = np.mgrid[: box.height, : box.width].astype(np.float32)
    return columns, rows


def _to_local(points: Array, corner: Array, axis: Array) -> tuple[Array, Array]:
    """Return the positions of points (…, 2) along and across an eye."""
    x, y = axis / float(axis @ axis)
    local = (points - corner) @ np.array([[x, -y], [y, x]], np.float32)
    return local[..., 0], local[..., 1]


def _edge(x: Array, y: Array, along: Array) -> Array:
    """Return the height of a smooth edge through points (points,), the first and the last at 0, at positions."""
    bow, inside = x[1:-1] * (1 - x[1:-1]), np.clip(along, 0, 1)
    powers = np.stack([bow, bow * x[1:-1], bow * x[1:-1] ** 2], -1)
    a, b, c = np.linalg.lstsq(powers, y[1:-1], rcond=None)[0]
    return np.asarray(inside * (1 - inside) * (a + b * inside + c * inside**2), np.float32)
