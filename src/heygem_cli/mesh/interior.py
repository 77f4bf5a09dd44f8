"""The inside of a mouth that one frame shows, and how it fits between the lips of another."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame, planes
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.field import MouthFrame, smoothstep
from heygem_cli.mesh.view import HEIGHT, MIDDLE, SCALE, WIDTH

REACH = 0.45
"""Half the width of a picture of the mouth, in inter-ocular distances."""
SHOWS = 0.04
"""Inner lip opening in inter-ocular distances from which a frame shows something of the mouth's inside."""
AROUND = 8
"""Rows of a view that are drawn beyond the opening: the rim that the painter paints, and what is blurred into it."""
STRETCH = 1.25
"""How much taller than in its picture an inside may be drawn before its parts move apart."""


@dataclass(frozen=True)
class Interior:
    """An open mouth, its corners on the horizontal through the middle of the picture.

    Attributes:
        picture: uint8 (side, side, 3) Y, U and V.
        scale: pixels of the picture in an inter-ocular distance.
        along: (11,) places along the mouth, in inter-ocular distances from its middle, growing.
        top: (11,) the upper inner lip's height there, downwards.
        bottom: (11,) the lower inner lip's.
        light: mean luma of the lips around it, above black.
        dark: (3,) Y, U and V of the throat.
    """

    picture: Frame
    scale: float
    along: Array
    top: Array
    bottom: Array
    light: float
    dark: Array


def lip_light(frame: Frame, lips: Array) -> float:
    """Mean luma of the outer lip line (20 points in pixels), above black."""
    luma = planes(frame)[0]
    x = np.clip(lips[:20, 0], 0, luma.shape[1] - 1).astype(int)
    y = np.clip(lips[:20, 1], 0, luma.shape[0] - 1).astype(int)
    return float(luma[y, x].mean()) - 16


@dataclass(frozen=True)
class Curves:
    """The inner lip lines in the mouth's own frame, in inter-ocular distances.

    Attributes:
        mouth: that frame.
        along, top, bottom: as in :class:`Interior`.
    """

    mouth: MouthFrame
    along: Array
    top: Array
    bottom: Array

    @staticmethod
    def of(lips: Array, unit: float) -> Curves:
        """The curves of lip points (40, 2) in pixels, given the inter-ocular distance in pixels."""
        mouth = MouthFrame.between(lips[INNER_TOP[0]], lips[INNER_TOP[-1]])
        half = float(np.linalg.norm(mouth.axis)) / unit
        upper, lower = (mouth.local(lips[rows]) * half for rows in (INNER_TOP, INNER_BOTTOM))
        along = np.linspace(-half, half, 11, dtype=np.float32)
        top, bottom = (np.interp(along, np.maximum.accumulate(line[:, 0]), line[:, 1]) for line in (upper, lower))
        return Curves(mouth, along, np.asarray(top, np.float32), np.asarray(np.maximum(top, bottom), np.float32))


def take_interior(frame: Frame, lips: Array, unit: float) -> Interior:
    """Take the picture of an open mouth from a frame.

    Args:
        frame: I420.
        lips: (40, 2) in pixels.
        unit: the inter-ocular distance in pixels.
    """
    curves = Curves.of(lips, unit)
    mouth = curves.mouth
    side = int(2 * REACH * unit) // 2 * 2 + 2
    turn = mouth.axis / np.linalg.norm(mouth.axis)
    rotation = np.array([[turn[0], -turn[1]], [turn[1], turn[0]]], np.float32)
    picture = np.empty((side, side, 3), np.uint8)
    for channel, (plane, step) in enumerate(zip(planes(frame), (1, 2, 2), strict=True)):
        # warpAffine with WARP_INVERSE_MAP wants the map from the picture to the plane.
        offset = mouth.middle - rotation @ np.full(2, side / 2, np.float32)
        matrix = np.column_stack([rotation, offset]) / step
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        picture[..., channel] = cv2.warpAffine(
            plane, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
    dark = _throat(picture, unit, curves)
    return Interior(picture, unit, curves.along, curves.top, curves.bottom, lip_light(frame, lips), dark)


def _throat(picture: Frame, scale: float, curves: Curves) -> Array:
    side = len(picture)
    x = (np.arange(side) - side / 2) / scale
    y = x[:, None]
    upper, lower = _heights(x, curves.along, curves.top, curves.bottom)
    between = (y > upper) & (y < lower) & (np.abs(x) < curves.along[-1])
    inside = picture[between] if between.any() else picture.reshape(-1, 3)
    darkest = inside[inside[:, 0] <= np.percentile(inside[:, 0], 10)]
    return np.asarray(darkest.mean(0), np.float32)


@dataclass(frozen=True)
class Fit:
    """How an interior fits between other lips, at every pixel of some rows of a view or of a frame's part.

    The upper teeth keep their distance from the upper lip and what is below keeps its distance from the lower lip. An
    opening smaller than the picture's hides what is between, a larger one shows the dark of the throat there.

    Attributes:
        places: (rows, columns, 3) where to look in the picture: column, and rows for the upper and the lower part.
        weights: (rows, columns, 2) share of the lower part, share of the throat.
        gain: of the light.
        top: first of the rows of the view; all are around the opening.
    """

    places: Array
    weights: Array
    gain: float
    top: int = 0


def fit(interior: Interior, curves: Curves, light: float) -> Fit:
    """Fit an interior between the lips of a view; ``light`` is that of the lips, see :func:`lip_light`."""
    x = (np.arange(WIDTH, dtype=np.float32) - MIDDLE[0]) / np.float32(SCALE)
    rows = _rows_around(curves)
    y = ((np.arange(rows.start, rows.stop, dtype=np.float32) - MIDDLE[1]) / np.float32(SCALE))[:, None]
    upper, lower = _heights(x, curves.along, curves.top, curves.bottom)
    x_there = x * np.float32(min(1.0, float(interior.along[-1] / curves.along[-1])))
    upper_there, lower_there = _heights(x_there, interior.along, interior.top, interior.bottom)
    height = np.maximum(lower - upper, np.float32(1e-4))
    height_there = np.maximum(lower_there - upper_there, np.float32(1e-4))
    stretch = np.clip(height / height_there, 1, np.float32(STRETCH))
    from_top, from_bottom = (y - upper) / stretch, (lower - y) / stretch
    depth = np.minimum(from_top, from_bottom) / height_there
    centre, scale = np.float32(len(interior.picture) / 2), np.float32(interior.scale)
    places = (np.broadcast_to(x_there, depth.shape), upper_there + from_top, lower_there - from_bottom)
    weights = (smoothstep((y - upper) / height), smoothstep((depth - np.float32(0.5)) / np.float32(0.3)))
    return Fit(
        centre + np.stack(places, -1) * scale,
        np.stack(weights, -1).astype(np.float32),
        float(np.clip(light / max(interior.light, 1), 0.5, 2)),
        rows.start,
    )


def _rows_around(curves: Curves) -> slice:
    """The rows of a view in which the opening between lips lies, and :data:`AROUND` it."""
    low, high = (MIDDLE[1] + SCALE * height for height in (curves.top.min(), curves.bottom.max()))
    return slice(max(0, min(int(low) - AROUND, HEIGHT - 1)), max(1, min(int(high) + AROUND + 1, HEIGHT)))


def _heights(x: Array, along: Array, top: Array, bottom: Array) -> tuple[Array, Array]:
    """The upper and the lower lip line at places along the mouth."""
    upper, lower = (np.interp(x, along, line).astype(np.float32) for line in (top, bottom))
    return upper, lower


def fitted(interior: Interior, how: Fit) -> Array:
    """Draw an interior as it fits in a view: float32 (HEIGHT, WIDTH, 3) Y, U and V; far from the opening anything."""
    drawn = _drawn(interior.picture, interior.dark, how, cv2.INTER_LINEAR)
    drawn[..., 0] = _lit(drawn[..., 0], how)
    return np.pad(drawn, ((how.top, HEIGHT - how.top - len(drawn)), (0, 0), (0, 0)), mode="edge")


def fitted_luma(interior: Interior, how: Fit) -> Array:
    """The luma alone, as sharp as it can be: float32 (rows, columns)."""
    return _lit(_drawn(np.ascontiguousarray(interior.picture[..., 0]), interior.dark[0], how, cv2.INTER_CUBIC), how)


def _drawn(picture: Frame, dark: Array, how: Fit, kernel: int) -> Array:
    column, high, low = (np.ascontiguousarray(how.places[..., part]) for part in range(3))
    lower, throat = (how.weights[..., part].reshape(*column.shape, *[1] * (picture.ndim - 2)) for part in range(2))
    upper_part, lower_part = (
        cv2.remap(picture, column, row, kernel, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        for row in (high, low)
    )
    drawn: Array = upper_part + lower * (lower_part - upper_part)
    drawn += throat * (dark - drawn)
    return drawn


def _lit(luma: Array, how: Fit) -> Array:
    return 16 + (luma - 16) * np.float32(how.gain)
