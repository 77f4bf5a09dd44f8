"""The inside of the mouth: a picture of it, and how it fills the opening between the lips."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.engines.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.engines.mesh.field import MouthFrame
from heygem_cli.engines.mesh.warp import Box
from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame, planes

REACH = 0.45
"""Half the width of a picture of the mouth, in inter-ocular distances."""
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


def inner_curves(lips: Array, unit: float) -> tuple[MouthFrame, Array, Array, Array]:
    """The inner lip lines of lip points (40, 2) in the mouth's own frame.

    Args:
        lips: in pixels.
        unit: the inter-ocular distance in pixels.

    Returns:
        The frame of the inner mouth, and ``along``, ``top`` and ``bottom`` as in :class:`Interior`.
    """
    frame = MouthFrame.between(lips[INNER_TOP[0]], lips[INNER_TOP[-1]])
    half = float(np.linalg.norm(frame.axis)) / unit
    upper, lower = (frame.local(lips[rows]) * half for rows in (INNER_TOP, INNER_BOTTOM))
    along = np.linspace(-half, half, 11, dtype=np.float32)
    top, bottom = (np.interp(along, np.maximum.accumulate(line[:, 0]), line[:, 1]) for line in (upper, lower))
    return frame, along, np.asarray(top, np.float32), np.asarray(np.maximum(top, bottom), np.float32)


def take_interior(frame: Frame, lips: Array, unit: float) -> Interior:
    """Take the picture of an open mouth from a frame.

    Args:
        frame: I420.
        lips: (40, 2) in pixels.
        unit: the inter-ocular distance in pixels.
    """
    mouth, along, top, bottom = inner_curves(lips, unit)
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
    inside = picture[_inside(side, unit, along, top, bottom)]
    darkest = inside[inside[:, 0] <= np.percentile(inside[:, 0], 10)] if len(inside) else picture.reshape(-1, 3)
    dark = np.asarray(darkest.mean(0), np.float32)
    return Interior(picture, unit, along, top, bottom, lip_light(frame, lips), dark)


def _inside(side: int, scale: float, along: Array, top: Array, bottom: Array) -> npt.NDArray[np.bool_]:
    x = (np.arange(side) - side / 2) / scale
    y = x[:, None]
    between = (y > np.interp(x, along, top)) & (y < np.interp(x, along, bottom))
    return np.asarray(between & (np.abs(x) < along[-1]))


def fill_opening(interior: Interior, lips: Array, unit: float, light: float, box: Box) -> Array:
    """Draw the inside of a mouth for given lips.

    The upper teeth keep their distance from the upper lip and what is below keeps its distance from the lower lip. An
    opening smaller than the picture's hides what is between, a larger one shows the dark of the throat there.

    Args:
        interior: the picture.
        lips: (40, 2) where the lips shall be, in pixels.
        unit: the inter-ocular distance in pixels.
        light: luma of the lips in this frame, see :func:`lip_light`.
        box: what part of the frame to draw.

    Returns:
        float32 (height, width, 3) Y, U and V.
    """
    mouth, along, top, bottom = inner_curves(lips, unit)
    xs, ys = np.meshgrid(np.arange(box.width, dtype=np.float32), np.arange(box.height, dtype=np.float32))
    half = float(along[-1])
    places = mouth.local(np.stack([xs, ys], -1).reshape(-1, 2) + box.corner) * half
    x, y = (place.reshape(box.height, box.width) for place in places.T)
    upper, lower = np.interp(x, along, top), np.interp(x, along, bottom)
    x_there = x * min(1.0, float(interior.along[-1]) / half)
    upper_there = np.interp(x_there, interior.along, interior.top)
    lower_there = np.interp(x_there, interior.along, interior.bottom)
    height = np.maximum(lower - upper, 1e-4)
    height_there = np.maximum(lower_there - upper_there, 1e-4)
    stretch = np.clip(height / height_there, 1, STRETCH)
    from_top, from_bottom = (y - upper) / stretch, (lower - y) / stretch
    low = _sample(interior, x_there, lower_there - from_bottom)
    high = _sample(interior, x_there, upper_there + from_top)
    share = smoothstep((y - upper) / height)[..., None]
    drawn = (1 - share) * high + share * low
    depth = np.minimum(from_top, from_bottom) / height_there
    drawn += smoothstep((depth - 0.5) / 0.3)[..., None] * (interior.dark - drawn)
    shadow = lip_shadow(y - upper, height)
    gain = np.clip(light / max(interior.light, 1), 0.5, 2)
    drawn[..., 0] = 16 + (drawn[..., 0] - 16) * gain * shadow
    return np.asarray(drawn, np.float32)


def lip_shadow(below: Array, height: Array) -> Array:
    """How much light reaches a place inside the mouth, 0 … 1: little under the upper lip and through a narrow gap.

    Args:
        below: distance from the upper lip in inter-ocular distances.
        height: of the opening there.
    """
    narrow = 0.35 + 0.65 * smoothstep(height / 0.07)
    return np.asarray(narrow * (0.65 + 0.35 * smoothstep(below / 0.02)))


def smoothstep(x: Array) -> Array:
    """0 below 0, 1 above 1, smooth in between."""
    clipped = np.clip(x, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)


def _sample(interior: Interior, x: Array, y: Array) -> Array:
    centre = interior.picture.shape[0] / 2
    column, row = (np.asarray(centre + place * interior.scale, np.float32) for place in (x, y))
    drawn = cv2.remap(interior.picture, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(drawn, np.float32)
