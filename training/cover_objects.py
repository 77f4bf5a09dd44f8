"""Occluders in front of a face: microphones, hands, things that are held, masks, hair."""

from __future__ import annotations

import cv2
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
    blob,
    capsule,
    flat,
    line,
    noise,
    polygon,
    random_color,
    rotate,
    shade,
    skin_color,
    texture,
)


def _near_mouth(random: Random, spread: float = 0.4) -> Array:
    return np.asarray(MIDDLE + random.normal(0, spread, 2) * UNIT, np.float32)


def _from_edge(random: Random, tip: Array) -> Array:
    """Return a point far outside, mostly below, that a handle or an arm comes from."""
    angle = np.radians(90 + random.normal(0, 45))
    return np.asarray(tip + 1.5 * CANVAS * np.array([np.cos(angle), np.sin(angle)]), np.float32)


def _dark_or_any(random: Random) -> Array:
    return np.full(3, random.uniform(10, 90), np.float32) if random.random() < 0.6 else random_color(random)


def draw_microphone(random: Random) -> Layer:
    """Draw a microphone with a round head of mesh or foam, and its handle."""
    head = _near_mouth(random)
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
    tip = _near_mouth(random, 0.5)
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


def _skin(random: Random, color: Array) -> Array:
    return np.asarray(flat(color) * (1 + 0.05 * noise(random, 30) + 0.02 * noise(random, 3))[..., None], np.float32)


def _finger(random: Random, root: Array, angle: float, *, length: float, width: float, color: Array) -> Layer:
    """Draw a finger of two or three parts that bend a little, with a nail or without."""
    parts: list[tuple[Array, Array]] = []
    start, bend = root, random.normal(0, 14)
    for share in (0.45, 0.32, 0.23):
        end = np.asarray(
            start + length * share * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))]), np.float32
        )
        parts.append((start, end))
        start, angle = end, angle + bend
    skin = _skin(random, color)
    light = random.uniform(-0.5, 0.5)
    image, opacity = skin, np.zeros((CANVAS, CANVAS), np.float32)
    for number, (low, high) in enumerate(parts):
        part, facing = capsule(low, high, width * (1 - 0.1 * number), width * (0.94 - 0.1 * number))
        shaded = skin * (1.04 - 0.5 * np.abs(facing - light) ** 2)[..., None]
        image, opacity = blend(image, shaded, part), np.maximum(opacity, part)
    if random.random() < 0.5:
        tip = parts[-1][1]
        nail = polygon(
            rotate(tip + np.array([[-0.4, -0.5], [0.5, -0.45], [0.5, 0.45], [-0.4, 0.5]]) * width, tip, angle), 1
        )
        shiny = color * 1.1 + 18 if random.random() < 0.7 else random_color(random)
        image = blend(image, flat(np.clip(shiny, 0, 255)), nail * opacity)
    crease = parts[0][1] + np.array([[-0.5, -0.8], [0.5, 0.8]], np.float32) * width * 0.6
    image = blend(image, flat(color * 0.6), 0.5 * line(crease, 1.5) * opacity)
    return Layer(np.clip(image, 0, 255), opacity)


def draw_hand(random: Random) -> Layer:
    """Draw a hand: fingers side by side, more or less spread, and its back or palm."""
    color = skin_color(random)
    tip = _near_mouth(random, 0.35)
    angle = float(random.uniform(0, 360))
    width, length = random.uniform(0.07, 0.13) * UNIT, random.uniform(0.4, 0.95) * UNIT
    forward = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    side = np.array([-forward[1], forward[0]])
    knuckles = np.asarray(tip - forward * length, np.float32)
    spread, count = abs(random.normal(0, 5)), int(random.choice([1, 2, 3, 4, 4, 4]))
    palm, facing = capsule(knuckles, np.asarray(knuckles - forward * 3 * UNIT, np.float32), width * 3.6, width * 2.4)
    hand = Layer(_skin(random, color) * (1 - 0.35 * np.abs(facing) ** 2)[..., None], palm)
    for number in random.permutation(count):
        offset = number - 1.5
        reach = length * (1 - 0.12 * abs(offset - 0.3)) * random.uniform(0.85, 1.05)
        root = np.asarray(knuckles + side * offset * width * 1.75 + forward * width, np.float32)
        tone = color * random.uniform(0.93, 1.05)
        finger = _finger(random, root, angle + offset * spread, length=reach, width=width, color=tone)
        edge = np.clip(_grown(finger.opacity, 1.6) - finger.opacity, 0, 1) * hand.opacity
        hand = finger.over(Layer(blend(hand.image, hand.image * 0.45, edge), hand.opacity))
    if random.random() < 0.6:
        thumb = np.asarray(knuckles - forward * 0.9 * length + side * width * random.choice([-3, 3]), np.float32)
        turned = angle + random.normal(0, 40)
        hand = _finger(random, thumb, turned, length=length * 0.8, width=width * 1.15, color=color).over(hand)
    if random.random() < 0.4:
        wrist = np.asarray(knuckles - forward * random.uniform(1, 1.6) * UNIT, np.float32)
        sleeve, round_ = capsule(wrist, np.asarray(wrist - forward * 3 * UNIT, np.float32), width * 3.4)
        hand = Layer(shade(texture(random, random_color(random)), round_, random), sleeve).over(hand)
    return hand


def _grown(opacity: Array, by: float) -> Array:
    return np.asarray(cv2.GaussianBlur(np.minimum(1, opacity * 2), (0, 0), by), np.float32)


def draw_fist(random: Random) -> Layer:
    """Draw a hand as a lump of skin with dark gaps between its fingers, seen in no clear pose."""
    color = skin_color(random)
    outline = blob(random, _near_mouth(random, 0.45), random.uniform(0.3, 0.8) * UNIT, 0.25)
    opacity = polygon(outline)
    round_ = np.clip(_grown(opacity, 14) * 2 - 1, 0, 1)
    image = _skin(random, color) * (0.6 + 0.4 * round_)[..., None]
    angle = random.uniform(0, 180)
    center = outline.mean(0)
    for number in range(random.integers(2, 5)):
        offset = (number - 1.5) * random.uniform(0.14, 0.22) * UNIT
        gap = (
            np.array([[-0.5, 0], [0, random.normal(0, 0.06)], [0.5, 0]]) * UNIT * random.uniform(0.5, 1)
            + center
            + [0, offset]
        )
        dark = _grown(
            line(rotate(gap.astype(np.float32), center, angle), random.uniform(1.5, 4)), random.uniform(0.6, 3)
        )
        image = blend(image, image * 0.4, np.clip(dark, 0, 1))
    return Layer(np.clip(image, 0, 255), opacity)


def draw_thing(random: Random) -> Layer:
    """Draw a thing with straight sides: a cup, a bottle, a telephone, a sheet of paper, a book."""
    center = _near_mouth(random, 0.5)
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
    opacity = polygon(blob(random, _near_mouth(random, 0.5), random.uniform(0.15, 0.8) * UNIT))
    round_ = np.clip(_grown(opacity, random.uniform(3, 20)) * 2 - 1, 0, 1)
    depth = random.choice([0.0, 0.3, 0.5])
    return Layer(texture(random, random_color(random)) * (1 - depth + depth * round_)[..., None], opacity)


_MASK = np.array(
    [[-0.72, 0.55], [-0.35, 0.42], [0, 0.3], [0.35, 0.42], [0.72, 0.55], [0.66, 1.0], [0.45, 1.32], [0, 1.55]]
)
_MASK = np.concatenate([_MASK, [[-0.45, 1.32], [-0.66, 1.0]]]).astype(np.float32)
_MOUTH = 0.9
"""Where the mouth is in the canonical frame, in inter-ocular distances below the eyes."""


def draw_mask(random: Random) -> Layer:
    """Draw a cloth or surgical mask, or a scarf, over nose, mouth and chin, with folds and straps."""
    points = (_MASK - [0, _MOUTH]) * UNIT * random.uniform(0.85, 1.12, 2) + MIDDLE + [0, random.normal(0, 0.08) * UNIT]
    points = points + random.normal(0, 0.025, points.shape) * UNIT
    if random.random() < 0.2:
        points[points[:, 1] > CANVAS / 2 + 0.25 * UNIT, 1] += UNIT
    opacity = polygon(_smooth_outline(points))
    pale = np.array([random.uniform(200, 255), random.uniform(190, 240), random.uniform(150, 240)], np.float32)
    image = texture(random, random.choice([pale, np.full(3, random.uniform(225, 255)), random_color(random)]))
    bulge = (
        1 - 0.3 * ((COLUMNS - MIDDLE[0]) / (0.75 * UNIT)) ** 2 + random.uniform(-0.15, 0.15) * (ROWS - MIDDLE[1]) / UNIT
    )
    image = image * np.clip(bulge, 0.2, 1.1)[..., None]
    for _ in range(random.integers(0, 6)):
        y = random.uniform(-0.4, 0.5) * UNIT
        fold = MIDDLE + np.array(
            [[-0.7 * UNIT, y], [0, y + random.normal(0.05, 0.05) * UNIT], [0.7 * UNIT, y]], np.float32
        )
        dark = _grown(line(fold, random.uniform(1, 3)), random.uniform(0.5, 2.5))
        image = blend(image, image * random.choice([0.7, 0.85, 1.15]), np.clip(dark, 0, 1))
    mask = Layer(np.clip(image, 0, 255), opacity)
    for side in (0, 4) if random.random() < 0.7 else ():
        ear = points[side] + np.array([(-0.3 if side == 0 else 0.3), random.uniform(-0.6, -0.1)]) * UNIT
        strap = line(np.array([points[side], ear], np.float32), random.uniform(2, 6))
        mask = mask.over(Layer(flat(image[int(MIDDLE[1]), int(MIDDLE[0])]), strap))
    return mask


def _smooth_outline(points: Array) -> Array:
    """Round the corners of a closed outline (points, 2)."""
    for _ in range(3):
        following = np.roll(points, -1, 0)
        points = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], 1).reshape(-1, 2)
    return np.asarray(points, np.float32)


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
