"""A drawn mouth interior for a person who never opens the mouth: upper teeth, tongue and the dark between them."""

from __future__ import annotations

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame, planes
from heygem_cli.mesh.field import smoothstep
from heygem_cli.mesh.interior import REACH, Interior, lip_light

SIDE = 288
HALF_WIDTH, RISE, DEPTH = 0.27, 0.02, 0.2
"""Of the open mouth that is drawn, in inter-ocular distances: half its width, how far the upper lip's middle lies
above its corners, and the height of the opening."""
TOOTH_WIDTH, TOOTH_HEIGHT = 0.075, 0.062


def draw_interior(frame: Frame, lips: Array) -> Interior:
    """Draw a mouth interior in the light and the colours of a person.

    Args:
        frame: I420, the person with the mouth closed.
        lips: (40, 2) in pixels.
    """
    light = lip_light(frame, lips)
    hue = _lip_hue(frame, lips)
    # Enamel is about as bright as the brightest skin around the mouth, and has a little of its colour.
    skin = _brightest_skin(frame, lips)
    scale = SIDE / (2 * REACH)
    x = (np.arange(SIDE, dtype=np.float32) - SIDE / 2) / scale
    y = x[:, None]
    bow = 1 - (x / HALF_WIDTH) ** 2
    top, bottom = -RISE * bow, (DEPTH - RISE) * np.clip(bow, 0, None) ** 0.8
    dark = np.array([16 + 0.13 * light, 128 + 0.3 * hue[0], 128 + 0.5 * hue[1]], np.float32)
    picture = np.broadcast_to(dark, (SIDE, SIDE, 3)).copy()
    _lay_tongue(picture, x, y, light, hue)
    _lay_teeth(picture, x, y - top, skin, hue)
    along = np.linspace(-HALF_WIDTH, HALF_WIDTH, 11, dtype=np.float32)
    upper, lower = (np.interp(along, x, line).astype(np.float32) for line in (top, bottom))
    soft = np.clip(cv2.GaussianBlur(picture, (0, 0), 1.5), 16, 240).astype(np.uint8)
    return Interior(soft, scale, along, upper, lower, light, dark)


def _lip_hue(frame: Frame, lips: Array) -> Array:
    _, blue, red = planes(frame)
    x = np.clip(lips[:20, 0] / 2, 0, blue.shape[1] - 1).astype(int)
    y = np.clip(lips[:20, 1] / 2, 0, blue.shape[0] - 1).astype(int)
    return np.array([blue[y, x].mean(), red[y, x].mean()], np.float32) - 128


def _brightest_skin(frame: Frame, lips: Array) -> float:
    luma = planes(frame)[0]
    low, high = lips.min(0), lips.max(0)
    reach = high[0] - low[0]
    left, right = (int(np.clip(x, 0, luma.shape[1])) for x in (low[0] - 0.3 * reach, high[0] + 0.3 * reach))
    top, bottom = (int(np.clip(y, 0, luma.shape[0])) for y in (low[1] - 0.5 * reach, high[1] + 0.5 * reach))
    around = luma[top:bottom, left:right]
    return float(np.percentile(around, 85)) - 16 if around.size else lip_light(frame, lips)


def _lay_teeth(picture: Array, x: Array, below_lip: Array, light: float, hue: Array) -> None:
    position = np.abs(x) / TOOTH_WIDTH
    number = np.floor(position)
    # The outer teeth are narrower to the eye, shorter, and lie in the shadow of the cheeks.
    length = TOOTH_HEIGHT * np.array([1.0, 0.9, 0.96, 0.75, 0.6])[np.minimum(number, 4).astype(int)]
    edge = np.abs(position - np.round(position)) * TOOTH_WIDTH
    rounding = 0.012 * (1 - smoothstep(edge / 0.016)) * (np.round(position) > 0)
    cover = smoothstep((length - rounding - below_lip) / 0.008)
    cover = cover * smoothstep((0.24 - np.abs(x)) / 0.08)
    gap = 1 - 0.22 * np.exp(-((edge / 0.004) ** 2)) * (np.round(position) > 0)
    gap = gap * (1 - 0.12 * np.exp(-((x / 0.003) ** 2)))
    shade = (0.62 + 0.38 * smoothstep((0.2 - np.abs(x)) / 0.2)) * (0.82 + 0.18 * smoothstep(below_lip / 0.03)) * gap
    tint = 128 + np.array([0.45, 0.25], np.float32) * hue
    colour = np.stack([16 + light * shade, np.full_like(shade, tint[0]), np.full_like(shade, tint[1])], -1)
    picture += cover[..., None] * (colour - picture)


def _lay_tongue(picture: Array, x: Array, y: Array, light: float, hue: Array) -> None:
    height = ((DEPTH - RISE) - y) / 0.095
    cover = smoothstep((1 - (x / 0.2) ** 2) / 0.5)
    cover = cover * smoothstep((1 - height) / 0.35)
    groove = 1 - 0.15 * np.exp(-((x / 0.02) ** 2))
    shade = 0.5 * smoothstep((height + 0.4) / 1.2) * groove
    colour = np.stack(
        [16 + light * shade, np.full_like(shade, 128 + 0.7 * hue[0]), np.full_like(shade, 128 + 1.0 * hue[1])], -1
    )
    picture += 0.85 * cover[..., None] * (colour - picture)
