"""A drawn mouth interior for people who never open the mouth: upper teeth, tongue and the dark between them."""

from __future__ import annotations

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame, planes
from heygem_cli.mesh.field import smoothstep
from heygem_cli.mesh.interior import HALF_WIDTH, Interior, lip_brightness

SIDE = 288
MOUTH_HALF_WIDTH, RISE, DEPTH = 0.27, 0.02, 0.2
"""Of the drawn mouth, in inter-ocular distances: half its width, how far the middle of the upper lip lies above the
corners, and the height of the opening."""
TOOTH_WIDTH, TOOTH_HEIGHT = 0.075, 0.062


def draw_interior(frame: Frame, lips: Array) -> Interior:
    """Draw a mouth interior that matches the brightness and colour of a person.

    Args:
        frame: I420, the person with the mouth closed.
        lips: (40, 2) in pixels.
    """
    brightness = lip_brightness(frame, lips)
    chroma = _lip_chroma(frame, lips)
    # Enamel is about as bright as the brightest skin around the mouth and slightly tinted by it.
    skin = _skin_brightness(frame, lips)
    scale = SIDE / (2 * HALF_WIDTH)
    x = (np.arange(SIDE, dtype=np.float32) - SIDE / 2) / scale
    y = x[:, None]
    bow = 1 - (x / MOUTH_HALF_WIDTH) ** 2
    top, bottom = -RISE * bow, (DEPTH - RISE) * np.clip(bow, 0, None) ** 0.8
    throat = np.array([16 + 0.13 * brightness, 128 + 0.3 * chroma[0], 128 + 0.5 * chroma[1]], np.float32)
    image = np.broadcast_to(throat, (SIDE, SIDE, 3)).copy()
    _draw_tongue(image, x, y, brightness, chroma)
    _draw_teeth(image, x, y - top, skin, chroma)
    along = np.linspace(-MOUTH_HALF_WIDTH, MOUTH_HALF_WIDTH, 11, dtype=np.float32)
    upper, lower = (np.interp(along, x, line).astype(np.float32) for line in (top, bottom))
    blurred = np.clip(cv2.GaussianBlur(image, (0, 0), 1.5), 16, 240).astype(np.uint8)
    return Interior(blurred, scale, along, upper, lower, brightness, throat)


def _lip_chroma(frame: Frame, lips: Array) -> Array:
    _, u, v = planes(frame)
    x = np.clip(lips[:20, 0] / 2, 0, u.shape[1] - 1).astype(int)
    y = np.clip(lips[:20, 1] / 2, 0, u.shape[0] - 1).astype(int)
    return np.array([u[y, x].mean(), v[y, x].mean()], np.float32) - 128


def _skin_brightness(frame: Frame, lips: Array) -> float:
    luma = planes(frame)[0]
    low, high = lips.min(0), lips.max(0)
    width = high[0] - low[0]
    left, right = (int(np.clip(x, 0, luma.shape[1])) for x in (low[0] - 0.3 * width, high[0] + 0.3 * width))
    top, bottom = (int(np.clip(y, 0, luma.shape[0])) for y in (low[1] - 0.5 * width, high[1] + 0.5 * width))
    around = luma[top:bottom, left:right]
    return float(np.percentile(around, 85)) - 16 if around.size else lip_brightness(frame, lips)


def _draw_teeth(image: Array, x: Array, below_lip: Array, brightness: float, chroma: Array) -> None:
    position = np.abs(x) / TOOTH_WIDTH
    number = np.floor(position)
    # The outer teeth look narrower and shorter and lie in the shadow of the cheeks.
    length = TOOTH_HEIGHT * np.array([1.0, 0.9, 0.96, 0.75, 0.6])[np.minimum(number, 4).astype(int)]
    edge = np.abs(position - np.round(position)) * TOOTH_WIDTH
    rounding = 0.012 * (1 - smoothstep(edge / 0.016)) * (np.round(position) > 0)
    mask = smoothstep((length - rounding - below_lip) / 0.008)
    mask = mask * smoothstep((0.24 - np.abs(x)) / 0.08)
    gap = 1 - 0.22 * np.exp(-((edge / 0.004) ** 2)) * (np.round(position) > 0)
    gap = gap * (1 - 0.12 * np.exp(-((x / 0.003) ** 2)))
    shade = (0.62 + 0.38 * smoothstep((0.2 - np.abs(x)) / 0.2)) * (0.82 + 0.18 * smoothstep(below_lip / 0.03)) * gap
    tint = 128 + np.array([0.45, 0.25], np.float32) * chroma
    color = np.stack([16 + brightness * shade, np.full_like(shade, tint[0]), np.full_like(shade, tint[1])], -1)
    image += mask[..., None] * (color - image)


def _draw_tongue(image: Array, x: Array, y: Array, brightness: float, chroma: Array) -> None:
    height = ((DEPTH - RISE) - y) / 0.095
    mask = smoothstep((1 - (x / 0.2) ** 2) / 0.5)
    mask = mask * smoothstep((1 - height) / 0.35)
    groove = 1 - 0.15 * np.exp(-((x / 0.02) ** 2))
    shade = 0.5 * smoothstep((height + 0.4) / 1.2) * groove
    u, v = (np.full_like(shade, 128 + tint) for tint in (0.7 * chroma[0], 1.0 * chroma[1]))
    color = np.stack([16 + brightness * shade, u, v], -1)
    image += 0.85 * mask[..., None] * (color - image)
