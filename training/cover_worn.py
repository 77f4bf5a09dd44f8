"""Occluders that are worn: masks over the mouth or below it, headsets, hair."""

from __future__ import annotations

import numpy as np

from heygem_cli.face.geometry import Array
from training.cover_data import CANVAS
from training.cover_shapes import (
    COLUMNS,
    MIDDLE,
    ROWS,
    UNIT,
    Layer,
    Random,
    blend,
    capsule,
    flat,
    grown,
    line,
    polygon,
    random_color,
    shade,
    texture,
)

_MASK = np.array(
    [[-0.72, 0.55], [-0.35, 0.42], [0, 0.3], [0.35, 0.42], [0.72, 0.55], [0.66, 1.0], [0.45, 1.32], [0, 1.55]]
)
_MASK = np.concatenate([_MASK, [[-0.45, 1.32], [-0.66, 1.0]]]).astype(np.float32)
_MOUTH = np.array([0, 0.9], np.float32)
"""Where the mouth is in the canonical frame, in inter-ocular distances below the eyes."""


def draw_mask(random: Random) -> Layer:
    """Draw a cloth or surgical mask, or a scarf, over nose, mouth and chin, with folds and straps."""
    points = (_MASK - _MOUTH) * UNIT * random.uniform(0.85, 1.12, 2) + MIDDLE + [0, random.normal(0, 0.08) * UNIT]
    points = points + random.normal(0, 0.025, points.shape) * UNIT
    if random.random() < 0.2:
        points[points[:, 1] > CANVAS / 2 + 0.25 * UNIT, 1] += UNIT
    mask = _cloth(random, _smooth_outline(points))
    return _with_straps(random, mask, points[[0, 4]]) if random.random() < 0.7 else mask


def draw_chin_mask(random: Random) -> Layer:
    """Draw a mask that is pulled down below the lips, or a scarf around the chin."""
    top, width = random.uniform(0.12, 0.5), random.uniform(0.3, 0.8)
    bottom = random.uniform(max(0.45, top + 0.15), 0.85 if random.random() < 0.7 else 1.4)
    rise = random.uniform(-0.1, 0.3)
    half = np.array([[width, top - rise], [0.95 * width, top + 0.3 * (bottom - top)], [0.55 * width, bottom - 0.05]])
    left = half[::-1] * [-1, 1]
    points = np.concatenate([[[0, top]], half, [[0, bottom]], left])
    points = points * UNIT + MIDDLE + random.normal(0, 0.015, points.shape) * UNIT
    mask = _cloth(random, _smooth_outline(points) if random.random() < 0.7 else points.astype(np.float32))
    return _with_straps(random, mask, points[[7, 1]]) if random.random() < 0.4 else mask


def _cloth(random: Random, outline: Array) -> Layer:
    """Draw a piece of cloth that bulges, with folds across."""
    center = outline.mean(0)
    pale = np.array([random.uniform(200, 255), random.uniform(190, 240), random.uniform(150, 240)], np.float32)
    image = texture(random, random.choice([pale, np.full(3, random.uniform(225, 255)), random_color(random)]))
    bulge = (
        1 - 0.3 * ((COLUMNS - center[0]) / (0.75 * UNIT)) ** 2 + random.uniform(-0.15, 0.15) * (ROWS - center[1]) / UNIT
    )
    image = image * np.clip(bulge, 0.2, 1.1)[..., None]
    for _ in range(random.integers(0, 6)):
        y = random.uniform(-0.4, 0.5) * np.ptp(outline[:, 1])
        fold = center + np.array(
            [[-0.7 * UNIT, y], [0, y + random.normal(0.05, 0.05) * UNIT], [0.7 * UNIT, y]], np.float32
        )
        dark = grown(line(fold, random.uniform(1, 3)), random.uniform(0.5, 2.5))
        image = blend(image, image * random.choice([0.7, 0.85, 1.15]), np.clip(dark, 0, 1))
    return Layer(np.clip(image, 0, 255), polygon(outline))


def _with_straps(random: Random, mask: Layer, corners: Array) -> Layer:
    """Draw straps from the corners (2, 2) of a mask, left and right, to the ears."""
    color = mask.image[mask.opacity > 0.5].mean(0)
    for corner, sign in zip(corners, (-1, 1), strict=True):
        ear = corner + np.array([sign * 0.3, random.uniform(-0.6, -0.1)]) * UNIT
        strap = line(np.array([corner, ear], np.float32), random.uniform(2, 6))
        mask = mask.over(Layer(flat(color), strap))
    return mask


def _smooth_outline(points: Array) -> Array:
    """Round the corners of a closed outline (points, 2)."""
    for _ in range(3):
        following = np.roll(points, -1, 0)
        points = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], 1).reshape(-1, 2)
    return np.asarray(points, np.float32)


def draw_headset(random: Random) -> Layer:
    """Draw the arm of a headset from an ear to the lips, mostly with foam at its end."""
    sign = random.choice([-1, 1])
    ear = np.array([random.uniform(0.6, 1), random.uniform(-0.9, -0.3)])
    bend = np.array([random.uniform(0.4, 0.95), random.uniform(-0.1, 0.45)])
    tip = np.array([random.uniform(-0.45, 0.5), random.uniform(-0.1, 0.4)])
    share = np.linspace(0, 1, 24)[:, None]
    curve = (1 - share) ** 2 * ear + 2 * share * (1 - share) * bend + share**2 * tip
    points = np.asarray(MIDDLE + curve * [sign, 1] * UNIT, np.float32)
    color = np.full(3, random.uniform(10, 80)) if random.random() < 0.75 else random_color(random)
    arm = line(points, random.uniform(0.02, 0.08) * UNIT)
    _, facing = capsule(points[0], points[-1], 0.05 * UNIT)
    headset = Layer(shade(texture(random, color), facing, random, 0.3), arm)
    if random.random() < 0.75:
        radius = random.uniform(0.05, 0.18) * UNIT
        back = points[-1] + (points[-4] - points[-1]) * random.uniform(0, 1.5)
        foam, round_ = capsule(points[-1], back.astype(np.float32), radius, radius * random.uniform(0.7, 1.1))
        color = np.full(3, random.uniform(10, 70)) if random.random() < 0.75 else random_color(random)
        headset = Layer(shade(texture(random, color), round_, random), foam).over(headset)
    return headset


def draw_hair(random: Random) -> Layer:
    """Draw locks of hair that hang across the face."""
    color = random.choice(
        [np.array([20, 22, 28]), np.array([30, 50, 80]), np.array([90, 160, 200]), np.array([150, 150, 155])]
    )
    opacity, image = np.zeros((CANVAS, CANVAS), np.float32), flat(color)
    top, sway = random.uniform(-0.9, 0.9), random.normal(0, 0.5)
    for _ in range(random.integers(8, 40)):
        share = np.linspace(0, 1, 12)
        x = top + random.normal(0, 0.06) + sway * share + random.normal(0, 0.08) * share**2
        y = -1.6 + random.uniform(1.6, 3.0) * share
        strand = line((MIDDLE + np.column_stack([x, y]) * UNIT).astype(np.float32), random.uniform(1.5, 7))
        image = blend(image, flat(np.clip(color * random.uniform(0.5, 1.5), 0, 255)), strand)
        opacity = np.maximum(opacity, strand)
    return Layer(image, opacity)
