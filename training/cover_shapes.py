"""Shapes and textures that occluders are drawn with: images (CANVAS, CANVAS, 3) BGR and opacities (CANVAS, CANVAS)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from training.cover_data import CANVAS, CANVAS_SCALE

Random = np.random.Generator

MIDDLE = np.array([CANVAS / 2, CANVAS / 2], np.float32)
"""About where the mouth is."""
UNIT = CANVAS_SCALE
"""Pixels per inter-ocular distance."""
ROWS, COLUMNS = np.mgrid[:CANVAS, :CANVAS].astype(np.float32)


@dataclass(frozen=True)
class Layer:
    """A drawing: ``image`` float32 (CANVAS, CANVAS, 3) in 0 … 255 and ``opacity`` (CANVAS, CANVAS) in 0 … 1."""

    image: Array
    opacity: Array

    def over(self, below: Layer) -> Layer:
        """Return this layer on top of another."""
        return Layer(blend(below.image, self.image, self.opacity), np.maximum(self.opacity, below.opacity))


def blend(below: Array, above: Array, opacity: Array) -> Array:
    """Blend images (rows, columns, 3) by an opacity (rows, columns)."""
    return np.asarray(below + (above - below) * opacity[..., None], np.float32)


def near_mouth(random: Random, spread: float = 0.4) -> Array:
    """Return a point near the mouth; ``spread`` is in inter-ocular distances."""
    return np.asarray(MIDDLE + random.normal(0, spread, 2) * UNIT, np.float32)


def random_color(random: Random) -> Array:
    """Return a BGR colour: often grey, white or black, otherwise of any hue."""
    if random.random() < 0.45:
        grey = random.choice([random.uniform(0, 60), random.uniform(60, 200), random.uniform(200, 255)])
        return np.asarray(np.clip(grey + random.normal(0, 6, 3), 0, 255), np.float32)
    hsv = np.array([[[random.integers(180), random.integers(60, 256), random.integers(60, 256)]]], np.uint8)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0], np.float32)


def skin_color(random: Random) -> Array:
    """Return the BGR colour of some human skin."""
    tone = random.uniform(0, 1)
    light, dark = np.array([165, 190, 232]), np.array([35, 50, 85])
    return np.asarray(np.clip(light + (dark - light) * tone + random.normal(0, 9, 3), 0, 255), np.float32)


def noise(random: Random, size: float) -> Array:
    """Return smooth noise (CANVAS, CANVAS) of unit variance with features of ``size`` pixels."""
    side = max(2, round(CANVAS / size))
    coarse = random.standard_normal((side, side), np.float32)
    return np.asarray(cv2.resize(coarse, (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC), np.float32)


def flat(color: Array) -> Array:
    """Return an image of one colour."""
    return np.broadcast_to(np.asarray(color, np.float32), (CANVAS, CANVAS, 3)).copy()


def texture(random: Random, color: Array) -> Array:
    """Return a surface: even, grained, cloudy, striped, checked or spotted."""
    image = flat(color) * (1 + 0.12 * random.uniform(0, 1) * noise(random, random.uniform(20, 120)))[..., None]
    kind = random.choice(
        ["even", "grain", "clouds", "stripes", "checks", "spots"], p=[0.35, 0.2, 0.15, 0.12, 0.09, 0.09]
    )
    if kind == "grain":
        image += (random.uniform(4, 22) * noise(random, random.uniform(1, 4)))[..., None]
    elif kind == "clouds":
        image = blend(
            image, flat(random_color(random)), np.clip(0.5 + 0.5 * noise(random, random.uniform(6, 40)), 0, 1)
        )
    elif kind != "even":
        pattern = _pattern(random, str(kind))
        image = blend(image, flat(random_color(random)), pattern * np.float32(random.uniform(0.3, 1)))
    return np.clip(image, 0, 255)


def _pattern(random: Random, kind: str) -> Array:
    angle, period = random.uniform(0, np.pi), random.uniform(5, 40)
    along = COLUMNS * np.float32(np.cos(angle)) + ROWS * np.float32(np.sin(angle))
    across = ROWS * np.float32(np.cos(angle)) - COLUMNS * np.float32(np.sin(angle))
    one, other = (np.sin(values * np.float32(2 * np.pi / period)) for values in (along, across))
    wave = {"stripes": one, "checks": one * other * 2, "spots": one + other - 0.9}[kind]
    return np.asarray(np.clip(0.5 + wave * np.float32(period / 6), 0, 1), np.float32)


def capsule(start: Array, end: Array, radius: float, end_radius: float | None = None) -> tuple[Array, Array]:
    """Return the opacity of a rod with round ends, and how much its surface faces the light, −1 … 1."""
    axis = end - start
    length = max(float(np.linalg.norm(axis)), 1e-3)
    x, y = axis / length
    along = (COLUMNS - start[0]) * x + (ROWS - start[1]) * y
    across = (ROWS - start[1]) * x - (COLUMNS - start[0]) * y
    share = np.clip(along / length, 0, 1)
    width = radius + ((radius if end_radius is None else end_radius) - radius) * share
    beyond = along - share * length
    distance = np.sqrt(across**2 + beyond**2)
    facing = (across * np.float32(-x) + beyond * np.float32(y) * 0.5) / np.maximum(width, 1e-3)
    return np.clip(width - distance + 0.5, 0, 1).astype(np.float32), np.clip(facing, -1, 1).astype(np.float32)


def shade(image: Array, facing: Array, random: Random, strength: float = 0.45) -> Array:
    """Shade a round surface, sometimes with a highlight."""
    light = random.uniform(-0.6, 0.6)
    level = 1 - np.float32(strength) * np.abs(facing - light) ** 1.5
    shine = np.float32(random.choice([0.0, 0.0, 70.0, 140.0])) * np.exp(-(((facing - light) / 0.18) ** 2))
    return np.asarray(np.clip(image * level[..., None] + shine[..., None], 0, 255), np.float32)


def polygon(points: Array, soft: float = 0.0) -> Array:
    """Return the opacity of a polygon (points, 2), with edges blurred by ``soft`` pixels."""
    mask = np.zeros((CANVAS, CANVAS), np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], [255], cv2.LINE_AA, 4)
    opacity = mask.astype(np.float32) / 255
    return np.asarray(cv2.GaussianBlur(opacity, (0, 0), soft) if soft > 0.2 else opacity, np.float32)


def line(points: Array, width: float) -> Array:
    """Return the opacity of a line through points (points, 2)."""
    mask = np.zeros((CANVAS, CANVAS), np.uint8)
    fixed = np.round(points * 16).astype(np.int32)
    cv2.polylines(mask, [fixed], False, [255], max(1, round(width)), cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def blob(random: Random, center: Array, radius: float, roughness: float = 0.35) -> Array:
    """Return a closed smooth outline (96, 2) around a point."""
    angles = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    reach = np.ones(96)
    for harmonic in range(1, 6):
        reach += roughness / harmonic * random.normal() * np.cos(harmonic * angles + random.uniform(0, 2 * np.pi))
    reach = radius * np.maximum(reach, 0.2)
    stretch = random.uniform(0.5, 1)
    return np.asarray(center + np.column_stack([np.cos(angles), stretch * np.sin(angles)]) * reach[:, None], np.float32)


def rotate(points: Array, center: Array, degrees: float) -> Array:
    """Rotate points (points, 2)."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray((points - center) @ np.array([[cosine, sine], [-sine, cosine]]) + center, np.float32)


def grown(opacity: Array, by: float) -> Array:
    """Return an opacity widened by about ``by`` pixels, with soft edges."""
    return np.asarray(cv2.GaussianBlur(np.minimum(1, opacity * 2), (0, 0), by), np.float32)
