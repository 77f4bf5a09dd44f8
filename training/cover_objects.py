"""Occluders in front of a face: microphones and things that are held."""

from __future__ import annotations

import numpy as np

from heygem_cli.face.geometry import Array
from training.cover_data import CANVAS
from training.cover_shapes import (
    COLUMNS,
    ROWS,
    UNIT,
    Layer,
    Random,
    blob,
    capsule,
    flat,
    grown,
    line,
    near_mouth,
    noise,
    polygon,
    random_color,
    rotate,
    shade,
    texture,
)


def _from_edge(random: Random, tip: Array) -> Array:
    """Return a point far outside, mostly below, that a handle or an arm comes from."""
    angle = np.radians(90 + random.normal(0, 45))
    return np.asarray(tip + 1.5 * CANVAS * np.array([np.cos(angle), np.sin(angle)]), np.float32)


def _dark_or_any(random: Random) -> Array:
    return np.full(3, random.uniform(10, 90), np.float32) if random.random() < 0.6 else random_color(random)


def draw_microphone(random: Random) -> Layer:
    """Draw a microphone with a round head of mesh or foam, and its handle."""
    head = near_mouth(random)
    radius = random.uniform(0.12, 0.42) * UNIT
    base = _from_edge(random, head)
    toward = (base - head) / np.linalg.norm(base - head)
    opacity, facing = capsule(
        head, head + toward * radius * random.uniform(0, 1), radius, radius * random.uniform(0.7, 1)
    )
    image = shade(_mesh(random, _dark_or_any(random)), facing, random, 0.6)
    distance = np.hypot(COLUMNS - head[0], ROWS - head[1]) / radius
    image = image * (1.05 - 0.5 * np.clip(distance, 0, 1.3) ** 3)[..., None]
    grip, grip_facing = capsule(head + toward * radius * 0.8, base, radius * random.uniform(0.35, 0.8))
    handle = Layer(shade(texture(random, _dark_or_any(random)), grip_facing, random), grip)
    microphone = Layer(image, opacity).over(handle)
    if random.random() < 0.3:
        collar, collar_facing = capsule(head + toward * radius * 0.9, head + toward * radius * 1.5, radius * 0.8)
        microphone = Layer(shade(flat(random_color(random)), collar_facing, random), collar).over(microphone)
    return microphone


def _mesh(random: Random, color: Array) -> Array:
    if random.random() < 0.4:
        return np.clip(flat(color) + (random.uniform(3, 25) * noise(random, random.uniform(1, 5)))[..., None], 0, 255)
    period, angle = random.uniform(3, 10), random.uniform(0, np.pi / 2)
    one = np.sin((COLUMNS * np.cos(angle) + ROWS * np.sin(angle)) * 2 * np.pi / period)
    other = np.sin((ROWS * np.cos(angle) - COLUMNS * np.sin(angle)) * 2 * np.pi / period)
    return np.asarray(np.clip(flat(color) + (random.uniform(10, 50) * np.maximum(one, other))[..., None], 0, 255))


def draw_rod(random: Random) -> Layer:
    """Draw something long: a shotgun microphone, a pen, a spoon, a straw, a stand, an arm in a sleeve."""
    tip = near_mouth(random, 0.5)
    width = float(np.exp(random.uniform(np.log(0.03), np.log(0.5)))) * UNIT
    angle = random.uniform(0, 2 * np.pi)
    far = np.asarray(tip + 1.5 * CANVAS * np.array([np.cos(angle), np.sin(angle)]), np.float32)
    if random.random() < 0.3:
        tip = np.asarray(tip - (far - tip), np.float32)
    opacity, facing = capsule(tip, far, width, width * random.uniform(0.7, 1.3))
    rod = Layer(shade(texture(random, _dark_or_any(random)), facing, random), opacity)
    if random.random() < 0.3:
        end = tip + (far - tip) * random.uniform(0.02, 0.3)
        foam, foam_facing = capsule(tip, end.astype(np.float32), width * random.uniform(1.1, 1.8))
        rod = Layer(shade(_mesh(random, _dark_or_any(random)), foam_facing, random), foam).over(rod)
    return rod


def draw_thing(random: Random) -> Layer:
    """Draw a thing with straight sides: a cup, a bottle, a telephone, a sheet of paper, a book."""
    center = near_mouth(random, 0.5)
    width, height = random.uniform(0.25, 1.4) * UNIT, random.uniform(0.3, 1.6) * UNIT
    taper = random.uniform(0.75, 1)
    corners = np.array([[-1, -1], [1, -1], [taper, 1], [-taper, 1]]) * [width / 2, height / 2] + center
    turn = random.normal(0, 20)
    opacity = polygon(rotate(corners.astype(np.float32), center, turn))
    image = texture(random, random_color(random))
    if random.random() < 0.5:
        axis = rotate(center + np.array([[0, -height], [0, height]], np.float32), center, turn)
        image = shade(image, capsule(axis[0], axis[1], width / 2)[1], random)
    thing = Layer(image, opacity)
    if random.random() < 0.4:
        for row in np.arange(-0.4, 0.4, random.uniform(0.06, 0.15)):
            text = np.array([[-0.4 * width, row * height], [random.uniform(0, 0.4) * width, row * height]]) + center
            ink = line(rotate(text.astype(np.float32), center, turn), random.uniform(1, 4)) * opacity
            thing = Layer(flat(np.asarray(random.uniform(0, 120, 3), np.float32)), ink).over(thing)
    return thing


def draw_lump(random: Random) -> Layer:
    """Draw a thing of any outline and surface."""
    opacity = polygon(blob(random, near_mouth(random, 0.5), random.uniform(0.15, 0.8) * UNIT))
    round_ = np.clip(grown(opacity, random.uniform(3, 20)) * 2 - 1, 0, 1)
    depth = random.choice([0.0, 0.3, 0.5])
    return Layer(texture(random, random_color(random)) * (1 - depth + depth * round_)[..., None], opacity)
