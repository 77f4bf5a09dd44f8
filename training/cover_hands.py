"""Occluders of skin: hands, fists, and fingers that lie on the lips."""

from __future__ import annotations

import numpy as np

from heygem_cli.face.geometry import Array
from training.cover_data import CANVAS
from training.cover_shapes import (
    UNIT,
    Layer,
    Random,
    blend,
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
    skin_color,
    texture,
)


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
    tip = near_mouth(random, 0.35)
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
        edge = np.clip(grown(finger.opacity, 1.6) - finger.opacity, 0, 1) * hand.opacity
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


def draw_fist(random: Random) -> Layer:
    """Draw a hand as a lump of skin with dark gaps between its fingers, seen in no clear pose."""
    color = skin_color(random)
    outline = blob(random, near_mouth(random, 0.45), random.uniform(0.3, 0.8) * UNIT, 0.25)
    opacity = polygon(outline)
    round_ = np.clip(grown(opacity, 14) * 2 - 1, 0, 1)
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
        dark = grown(
            line(rotate(gap.astype(np.float32), center, angle), random.uniform(1.5, 4)), random.uniform(0.6, 3)
        )
        image = blend(image, image * 0.4, np.clip(dark, 0, 1))
    return Layer(np.clip(image, 0, 255), opacity)


def draw_fingers(random: Random) -> Layer:
    """Draw one to three fingers side by side that lie on the lips or the chin, mostly from below."""
    color = skin_color(random)
    angle = np.radians(random.normal(-90, 35) if random.random() < 0.8 else random.uniform(0, 360))
    forward = np.array([np.cos(angle), np.sin(angle)])
    side = np.array([-forward[1], forward[0]])
    width, count = random.uniform(0.07, 0.14) * UNIT, int(random.choice([1, 2, 2, 3]))
    tip, length = near_mouth(random, 0.3), random.uniform(0.7, 2.5) * UNIT
    fingers = Layer(_skin(random, color), np.zeros((CANVAS, CANVAS), np.float32))
    # From hardly any to strong: the light may come from the camera or from the side.
    dark, power, light = random.uniform(0.1, 0.5), random.uniform(1, 4), random.normal(0, 0.25)
    for number in random.permutation(count):
        offset = (number - (count - 1) / 2) * width * random.uniform(1.8, 2.2)
        end = np.asarray(tip + side * offset + forward * random.normal(0, 0.06) * UNIT, np.float32)
        root = np.asarray(end - forward * length + side * random.normal(0, 0.08) * UNIT, np.float32)
        opacity, facing = capsule(root, end, width * random.uniform(0.95, 1.15), width * 0.92)
        skin = _skin(random, color * random.uniform(0.95, 1.05))
        shaded = skin * (1.03 - dark * np.abs(facing - light) ** power)[..., None]
        finger = Layer(_with_details(random, shaded, color, (root, end), width), opacity)
        edge = np.clip(grown(opacity, 1.6) - opacity, 0, 1) * fingers.opacity
        below = blend(fingers.image, fingers.image * (1 - dark), edge)
        fingers = finger.over(Layer(below, fingers.opacity))
    return Layer(np.clip(fingers.image, 0, 255), fingers.opacity)


def _with_details(random: Random, skin: Array, color: Array, axis: tuple[Array, Array], width: float) -> Array:
    """Draw the creases of the joints of a straight finger, and its nail or its pad."""
    root, end = axis
    forward = (end - root) / np.linalg.norm(end - root)
    side = np.array([-forward[1], forward[0]])
    for distance in np.cumsum(random.uniform(1.8, 3.2, 2)) * width:
        for shift in (0.0, 2.5)[: random.integers(1, 3)]:
            middle = end - forward * (distance + shift)
            crease = np.stack(
                [middle - side * width * 0.8, middle + forward * random.normal(0, 1), middle + side * width]
            )
            ink = random.uniform(0.1, 0.5) * line(crease.astype(np.float32), random.uniform(1, 2))
            skin = blend(skin, flat(color * 0.6), ink)
    if random.random() < 0.6:
        around = np.linspace(0, 2 * np.pi, 24)[:, None]
        outline = end + width * (0.75 * np.cos(around) * forward + 0.6 * np.sin(around) * side - 0.05 * forward)
        shiny = color * random.uniform(1, 1.15) + random.uniform(0, 18)
        nail = np.clip(shiny, 0, 255) if random.random() < 0.75 else random_color(random)
        skin = blend(skin, flat(nail), random.uniform(0.3, 1) * polygon(outline.astype(np.float32), 0.8))
    return skin
