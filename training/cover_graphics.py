"""Occluders that are added to a picture: captions, bars, boxes, logos."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from heygem_cli.face.geometry import Array
from training.cover_data import CANVAS
from training.cover_shapes import (
    MIDDLE,
    UNIT,
    Layer,
    Random,
    blend,
    blob,
    flat,
    polygon,
    random_color,
    rotate,
    skin_color,
    texture,
)

FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
OTHERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!?.,:;-'\"&%#ÄÖÉÑßøåжщиюяфλπΩ"


@cache
def font_files() -> list[str]:
    """Return the fonts of this machine; without any, Pillow's own is used."""
    return sorted(str(path) for folder in FONT_FOLDERS for path in Path(folder).rglob("*.ttf"))


def _font(random: Random, size: float) -> ImageFont.FreeTypeFont:
    names = font_files()
    if names and random.random() < 0.85:
        return ImageFont.truetype(str(random.choice(names)), size)
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _words(random: Random) -> str:
    count, words = random.integers(1, 7), []
    for _ in range(count):
        letters = list(random.choice(list(LETTERS if random.random() < 0.8 else OTHERS), random.integers(2, 10)))
        words.append("".join(letters))
    text = " ".join(words)
    return str(random.choice([text, text.upper(), text.title()]))


def _write(random: Random, size: float, position: tuple[float, float]) -> tuple[Array, Array]:
    """Write one to three lines of random words."""
    return _written(random, "\n".join(_words(random) for _ in range(random.integers(1, 4))), size, position)


def _written(random: Random, text: str, size: float, position: tuple[float, float]) -> tuple[Array, Array]:
    """Return the opacities (CANVAS, CANVAS) of the letters of a text and of their outline."""
    font = _font(random, size)
    stroke = random.choice([0.0, 0.0, size * random.uniform(0.04, 0.14)])
    letters, outline = (Image.new("L", (CANVAS, CANVAS)) for _ in range(2))
    spacing = size * random.uniform(0, 0.6)
    for image, width in ((letters, 0.0), (outline, stroke)):
        ImageDraw.Draw(image).multiline_text(
            position, text, 255, font, anchor="mm", align="center", spacing=spacing, stroke_width=width
        )
    return tuple(np.asarray(image, np.float32) / 255 for image in (letters, outline))  # type: ignore[return-value]


def _strokes(random: Random, size: float, position: tuple[float, float]) -> tuple[Array, Array]:
    """Write signs of short strokes, as dense as Chinese, Korean or Thai ones."""
    letters = np.zeros((CANVAS, CANVAS), np.uint8)
    count = int(random.integers(2, 14))
    width = max(1, round(size * random.uniform(0.06, 0.13)))
    for number in range(count):
        corner = np.array([position[0] + (number - count / 2) * size * 1.08, position[1] - size / 2])
        for _ in range(random.integers(3, 9)):
            start = corner + random.uniform(0.05, 0.95, 2) * size
            straight = (
                size * random.uniform(0.2, 0.7) * (np.array([1, 0]) if random.random() < 0.5 else np.array([0, 1]))
            )
            end = start + (straight if random.random() < 0.75 else random.uniform(-0.4, 0.4, 2) * size)
            cv2.line(letters, start.astype(int).tolist(), end.astype(int).tolist(), [255], width, cv2.LINE_AA)
    grown = cv2.dilate(letters, np.ones((3, 3), np.uint8), iterations=int(random.integers(0, 4)))
    return letters.astype(np.float32) / 255, grown.astype(np.float32) / 255


def draw_caption(random: Random) -> Layer:
    """Draw text, often with an outline, a shadow or a box."""
    size = float(np.exp(random.uniform(np.log(9), np.log(70))))
    x, y = MIDDLE + random.normal(0, (0.5, 0.45)) * UNIT
    letters, outline = (_strokes if random.random() < 0.25 else _write)(random, size, (float(x), float(y)))
    return _printed(random, letters, outline, size)


def draw_word(random: Random) -> Layer:
    """Draw a single short word, number or letter on the mouth or the chin, as captions that show word by word."""
    size = float(np.exp(random.uniform(np.log(14), np.log(70))))
    x, y = MIDDLE + random.normal((0, 0.25), (0.25, 0.35)) * UNIT
    signs = list(LETTERS + OTHERS) if random.random() < 0.3 else list(LETTERS)
    word = "".join(random.choice(signs, random.integers(1, 7)))
    text = str(random.choice([word.upper(), word, word.title()]))
    letters, outline = _written(random, text, size, (float(x), float(y)))
    return _printed(random, letters, outline, size)


def _printed(random: Random, letters: Array, outline: Array, size: float) -> Layer:
    """Colour letters of a size in pixels; behind them is nothing, a shadow or a box."""
    color = _ink(random)
    edge = 255 - color if random.random() < 0.3 else color * random.uniform(0, 0.25)
    image, opacity = blend(flat(edge), flat(color), letters), np.maximum(letters, outline)
    chance = random.random()
    if chance < 0.3 and opacity.any():
        rows, columns = np.flatnonzero(opacity.any(1)), np.flatnonzero(opacity.any(0))
        pad = size * random.uniform(0.1, 0.6)
        low, high = ((part[0] - pad, part[-1] + pad) for part in (columns, rows))
        box = polygon(
            np.array([[low[0], high[0]], [low[1], high[0]], [low[1], high[1]], [low[0], high[1]]], np.float32)
        )
        return Layer(image, opacity).over(Layer(texture(random, random_color(random)), box * random.uniform(0.4, 1)))
    if chance < 0.5:
        by = int(size * 0.06) + 1
        shadow = np.roll(opacity, (by, by), (0, 1))
        return Layer(image, opacity).over(Layer(flat(np.zeros(3, np.float32)), shadow * random.uniform(0.5, 1)))
    return Layer(image, opacity)


def _ink(random: Random) -> Array:
    """Return a colour that text has: often white, yellow or red, sometimes that of skin or lips."""
    white, yellow = np.full(3, 250.0), np.array([40.0, 220.0, 250.0])
    red = np.array([random.uniform(0, 80), random.uniform(0, 80), random.uniform(140, 255)])
    choices = [white, yellow, red, skin_color(random), random_color(random)]
    return np.asarray(choices[random.choice(5, p=[0.25, 0.15, 0.15, 0.1, 0.35])], np.float32)


def draw_bar(random: Random) -> Layer:
    """Draw a band or a panel across the picture, with text on it or without."""
    top = CANVAS / 2 + random.normal(0.25, 0.4) * UNIT
    height = random.uniform(0.08, 1.2) * UNIT
    left = random.choice([-20.0, random.uniform(-20, CANVAS / 2)])
    right = random.choice([CANVAS + 20.0, random.uniform(CANVAS / 2, CANVAS + 20)])
    slant = random.choice([0.0, 0.0, random.uniform(-0.5, 0.5) * height])
    corners = [[left, top], [right, top], [right - slant, top + height], [left - slant, top + height]]
    image = texture(random, random_color(random))
    if random.random() < 0.3:
        ramp = np.linspace(0, 1, CANVAS, dtype=np.float32)[None].repeat(CANVAS, 0)
        image = blend(image, flat(random_color(random)), ramp)
    bar = polygon(rotate(np.array(corners, np.float32), MIDDLE, random.normal(0, 2)))
    panel = Layer(image, bar * np.float32(random.choice([1, 1, random.uniform(0.4, 1)])))
    if random.random() < 0.7:
        size = min(60.0, height * random.uniform(0.3, 0.7))
        x = CANVAS / 2 + random.normal(0, 0.5) * UNIT
        letters, _ = (_strokes if random.random() < 0.2 else _write)(random, size, (x, float(top + height / 2)))
        return Layer(flat(random_color(random)), letters * bar).over(panel)
    return panel


def draw_logo(random: Random) -> Layer:
    """Draw a sign: a disc, a star or another flat shape with an edge and a mark."""
    center = MIDDLE + random.normal(0, 0.5, 2) * UNIT
    radius = random.uniform(0.08, 0.6) * UNIT
    corners = int(random.choice([3, 4, 5, 6, 48, 48, 48]))
    reach = np.ones(2 * corners)
    if random.random() < 0.4:
        reach[::2] = random.uniform(0.4, 0.9)
    angles = np.linspace(0, 2 * np.pi, 2 * corners, endpoint=False) + random.uniform(0, 2 * np.pi)
    outline = center + radius * reach[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    layer = Layer(texture(random, random_color(random)), polygon(outline.astype(np.float32)))
    for _ in range(random.integers(0, 4)):
        place = (center + random.uniform(-0.5, 0.5, 2) * radius).astype(np.float32)
        mark = polygon(blob(random, place, radius * random.uniform(0.1, 0.4), 0.2))
        layer = Layer(flat(random_color(random)), mark * (layer.opacity > 0.5)).over(layer)
    return layer
