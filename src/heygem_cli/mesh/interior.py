"""The inside of an open mouth, sampled from one frame and fitted between the lips of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame, planes
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.crop import CENTER, HEIGHT, SCALE, WIDTH
from heygem_cli.mesh.field import MouthFrame, smoothstep

HALF_WIDTH = 0.45
"""Half the width of an interior's image, in inter-ocular distances."""
MIN_OPENING = 0.04
"""Inner lip opening, in inter-ocular distances, from which a frame shows the inside of the mouth."""
MARGIN = 8
"""Rows of a crop rendered beyond the opening: the rim that the painter covers, and the reach of the blur."""
MAX_STRETCH = 1.25
"""Largest vertical magnification of an interior; beyond it the upper and lower parts move apart."""


@dataclass(frozen=True)
class Interior:
    """An open mouth whose corners lie on the horizontal through the centre of the image.

    Attributes:
        image: uint8 (side, side, 3) Y, U and V.
        scale: Pixels of the image per inter-ocular distance.
        along: (11,) increasing positions along the mouth, in inter-ocular distances from its centre.
        top: (11,) y of the upper inner lip there, positive downwards.
        bottom: (11,) y of the lower inner lip.
        brightness: Mean luma of the lips above black.
        throat: (3,) Y, U and V of the throat.
    """

    image: Frame
    scale: float
    along: Array
    top: Array
    bottom: Array
    brightness: float
    throat: Array

    @property
    def opening(self) -> float:
        """The largest distance between the inner lips, in inter-ocular distances."""
        return float((self.bottom - self.top).max())


def lip_brightness(frame: Frame, lips: Array) -> float:
    """Return the mean luma above black along the outer lip line of lip points (40, 2) in pixels."""
    luma = planes(frame)[0]
    x = np.clip(lips[:20, 0], 0, luma.shape[1] - 1).astype(int)
    y = np.clip(lips[:20, 1], 0, luma.shape[0] - 1).astype(int)
    return float(luma[y, x].mean()) - 16


@dataclass(frozen=True)
class LipLines:
    """The inner lip lines in mouth coordinates, in inter-ocular distances; see :class:`Interior` for the arrays."""

    mouth: MouthFrame
    along: Array
    top: Array
    bottom: Array

    @staticmethod
    def from_lips(lips: Array, eye_distance: float) -> LipLines:
        """Return the lines of lip points (40, 2) for an inter-ocular distance, both in pixels."""
        mouth = MouthFrame.between(lips[INNER_TOP[0]], lips[INNER_TOP[-1]])
        half = float(np.linalg.norm(mouth.axis)) / eye_distance
        local = mouth.to_local(lips) * half
        along = np.linspace(-half, half, 11, dtype=np.float32)
        lines = (local[rows].T for rows in (INNER_TOP, INNER_BOTTOM))
        top, bottom = (np.interp(along, np.maximum.accumulate(x), y) for x, y in lines)
        return LipLines(mouth, along, np.asarray(top, np.float32), np.asarray(np.maximum(top, bottom), np.float32))


def extract_interior(frame: Frame, lips: Array, eye_distance: float) -> Interior:
    """Extract the open mouth of an I420 frame from its lip points (40, 2) and inter-ocular distance in pixels."""
    lines = LipLines.from_lips(lips, eye_distance)
    mouth = lines.mouth
    side = int(2 * HALF_WIDTH * eye_distance) // 2 * 2 + 2
    turn = mouth.axis / np.linalg.norm(mouth.axis)
    rotation = np.array([[turn[0], -turn[1]], [turn[1], turn[0]]], np.float32)
    image = np.empty((side, side, 3), np.uint8)
    for channel, (plane, step) in enumerate(zip(planes(frame), (1, 2, 2), strict=True)):
        # With WARP_INVERSE_MAP, warpAffine takes the map from the image to the plane.
        offset = mouth.center - rotation @ np.full(2, side / 2, np.float32)
        matrix = np.column_stack([rotation, offset]) / step
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        image[..., channel] = cv2.warpAffine(plane, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    throat = _throat_color(image, eye_distance, lines)
    return Interior(image, eye_distance, lines.along, lines.top, lines.bottom, lip_brightness(frame, lips), throat)


def _throat_color(image: Frame, scale: float, lines: LipLines) -> Array:
    side = len(image)
    x = (np.arange(side) - side / 2) / scale
    y = x[:, None]
    upper, lower = _lip_heights(x, lines)
    between = (y > upper) & (y < lower) & (np.abs(x) < lines.along[-1])
    inside = image[between] if between.any() else image.reshape(-1, 3)
    darkest = inside[inside[:, 0] <= np.percentile(inside[:, 0], 10)]
    return np.asarray(darkest.mean(0), np.float32)


@dataclass(frozen=True)
class InteriorFit:
    """An interior placed between other lips, for every pixel of some rows of a crop or of a box.

    The upper teeth keep their distance from the upper lip, the lower part keeps its distance from the lower lip. An
    opening smaller than the interior's hides what lies between them; a larger one shows the throat there.

    Attributes:
        interior: The interior.
        positions: (rows, columns, 3) column in the interior's image, row for the upper part, row for the lower part.
        weights: (rows, columns, 2) share of the lower part, share of the throat.
        gain: Luma gain.
        top: The first row.
    """

    interior: Interior
    positions: Array
    weights: Array
    gain: float
    top: int

    def render(self) -> Array:
        """Render it in a crop: float32 (HEIGHT, WIDTH, 3) Y, U and V, meaningful around the opening only."""
        luma, *chroma = self._warp(self.interior.image, self.interior.throat, cv2.INTER_LINEAR)
        image = cv2.merge([self._apply_gain(luma), *chroma])
        below = HEIGHT - self.top - len(image)
        return np.asarray(cv2.copyMakeBorder(image, self.top, below, 0, 0, cv2.BORDER_REPLICATE), np.float32)

    def render_luma(self) -> Array:
        """Render the luma of its rows with a sharper kernel: float32 (rows, columns)."""
        luma = np.ascontiguousarray(self.interior.image[..., 0])
        return self._apply_gain(self._warp(luma, self.interior.throat[:1], cv2.INTER_CUBIC)[0])

    def _warp(self, image: Frame, throat: Array, kernel: int) -> Array:
        """Warp an image: (channels, rows, columns)."""
        column, high, low = cv2.split(self.positions)
        lower, depth = cv2.split(self.weights)
        upper_part, lower_part = (
            np.array(cv2.split(cv2.remap(image, column, row, kernel, borderMode=cv2.BORDER_REPLICATE)), np.float32)
            for row in (high, low)
        )
        warped: Array = upper_part + lower * (lower_part - upper_part)
        warped += depth * (throat[:, None, None] - warped)
        return warped

    def _apply_gain(self, luma: Array) -> Array:
        return 16 + (luma - 16) * np.float32(self.gain)


def fit_interiors(interiors: Sequence[Interior], lines: LipLines, brightness: float) -> list[InteriorFit]:
    """Fit interiors between the lips of a crop whose :func:`lip_brightness` is ``brightness``."""
    x = (np.arange(WIDTH, dtype=np.float32) - CENTER[0]) / np.float32(SCALE)
    rows = _rows_around(lines)
    y = ((np.arange(rows.start, rows.stop, dtype=np.float32) - CENTER[1]) / np.float32(SCALE))[:, None]
    upper, lower = _lip_heights(x, lines)
    height = np.maximum(lower - upper, np.float32(1e-4))
    part = smoothstep((y - upper) / height)
    # The first axis: the interiors.
    source_x = np.array([x * np.float32(min(1.0, float(each.along[-1] / lines.along[-1]))) for each in interiors])
    heights = [_lip_heights(*pair) for pair in zip(source_x, interiors, strict=True)]
    source_upper, source_lower = np.moveaxis(np.array(heights, np.float32)[..., None, :], 1, 0)
    source_height = np.maximum(source_lower - source_upper, np.float32(1e-4))
    stretch = np.clip(height / source_height, 1, np.float32(MAX_STRETCH))
    from_top, from_bottom = (y - upper) / stretch, (lower - y) / stretch
    depth = smoothstep((np.minimum(from_top, from_bottom) / source_height - np.float32(0.5)) / np.float32(0.3))
    scale = np.array([each.scale for each in interiors], np.float32)[:, None, None]
    center = np.array([len(each.image) / 2 for each in interiors], np.float32)[:, None, None]
    columns = np.repeat(center + source_x[:, None] * scale, len(y), axis=1)
    high, low = (center + row * scale for row in (source_upper + from_top, source_lower - from_bottom))
    gains = [float(np.clip(brightness / max(each.brightness, 1), 0.5, 2)) for each in interiors]
    positions = [np.asarray(cv2.merge(each), np.float32) for each in zip(columns, high, low, strict=True)]
    weights = [np.asarray(cv2.merge((part, deep)), np.float32) for deep in depth]
    return [
        InteriorFit(interior, places, shares, gain, rows.start)
        for interior, places, shares, gain in zip(interiors, positions, weights, gains, strict=True)
    ]


def _rows_around(lines: LipLines) -> slice:
    """Return the rows of a crop that contain the opening and :data:`MARGIN` rows around it."""
    low, high = (CENTER[1] + SCALE * height for height in (lines.top.min(), lines.bottom.max()))
    return slice(max(0, min(int(low) - MARGIN, HEIGHT - 1)), max(1, min(int(high) + MARGIN + 1, HEIGHT)))


def _lip_heights(x: Array, lines: LipLines | Interior) -> tuple[Array, Array]:
    """Return y of the upper and of the lower inner lip at positions along the mouth."""
    upper, lower = (np.interp(x, lines.along, line).astype(np.float32) for line in (lines.top, lines.bottom))
    return upper, lower
