"""Lessons for the painter: a real mouth, two other pictures of it, and everything that must not matter varied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame
from heygem_cli.mesh.painter import REFERENCES, RIM, hidden
from heygem_cli.mesh.person import RANKS
from heygem_cli.mesh.view import HEIGHT, MIDDLE, WIDTH
from training.painter_data import APART, Mouth, keep, references, widest

Random = np.random.Generator

LEAST = 0.02
"""Inner lip opening in inter-ocular distances from which there is something to paint."""
DRAWS = 2
"""How often other pictures are chosen for each mouth."""
ALONE, ONE = 0.25, 0.05
"""Share of the lessons without any reference and with the first only."""


@dataclass(frozen=True)
class Lesson:
    """A mouth to paint: pictures uint8 (HEIGHT, WIDTH, 3), references (2, HEIGHT, WIDTH, 3), lips (40, 2) of the view.

    ``weight`` says how often it is drawn.
    """

    picture: Frame
    lips: Array
    references: Frame
    weight: float


@dataclass(frozen=True)
class Batch:
    """Lessons side by side, float32: see :class:`training.painter_network.Painter`; ``wanted`` is the real picture."""

    picture: Array
    references: Array
    hidden: Array
    known: Array
    wanted: Array


def make_lessons(clips: Sequence[Sequence[Mouth]], random: Random) -> Iterator[Lesson]:
    """Pair every mouth with other pictures of the same clip, as the program would choose them from a whole video.

    A speaker counts as the square root of the number of his clips.
    """
    counts = Counter(clip[0].clip.split("_")[0] for clip in clips)
    for clip in clips:
        weight = counts[clip[0].clip.split("_")[0]] ** -0.5
        for mouth in clip:
            others = [other for other in widest(clip) if abs(other.frame - mouth.frame) > APART]
            if mouth.opening < LEAST or len(others) < 3:
                continue
            for _ in range(DRAWS):
                ranks = np.clip(RANKS + random.normal(0, 0.05, len(RANKS)), 0, 1)
                shown = references(keep(others, ranks), mouth)
                yield Lesson(mouth.picture, mouth.lips, np.stack([shown[0], shown[-1]]), weight)


def batches(lessons: Sequence[Lesson], size: int, random: Random) -> Generator[Batch, None, None]:
    """Endless batches of varied lessons."""
    weights = np.array([lesson.weight for lesson in lessons])
    weights /= weights.sum()
    while True:
        drawn = [vary(lessons[index], random) for index in random.choice(len(lessons), size, p=weights)]
        yield Batch(*(np.stack(part) for part in zip(*drawn, strict=True)))


def vary(lesson: Lesson, random: Random) -> tuple[Array, Array, Array, Array, Array]:
    """One lesson, varied: place, size, light, camera, skin, compression, and how much of the person is known."""
    matrix = _placing(random)
    lips = lesson.lips @ matrix[:, :2].T + matrix[:, 2]
    pictures = [_placed(picture, matrix) for picture in (lesson.picture, *lesson.references)]
    if random.random() < 0.5:
        pictures = [np.ascontiguousarray(picture[:, ::-1]) for picture in pictures]
        lips = _mirrored(lips)
    mask = hidden(lips, RIM * random.uniform(0, 2.0))[..., None]
    light = _light(random)
    blur = random.uniform(0, 1) if random.random() < 0.25 else 0.0
    wanted, *shown = (_softened(light(picture), blur) for picture in pictures)
    visible = _skin(wanted, mask, random)
    wanted = visible + (wanted - visible) * mask
    # The light on the inside is not quite that on the lips; but it is the same camera.
    others = [_channels_first(picture + random.normal(0, (1.5, 0.5, 0.5))) for picture in shown]
    seen = _channels_first(_recorded(visible, random))
    return seen, np.stack(others), _channels_first(mask), _known(random), _channels_first(wanted)


def _known(random: Random) -> Array:
    """Which references there are, 1 or 0 each."""
    known = np.ones(REFERENCES, np.float32)
    chance = random.random()
    if chance < ALONE:
        known[:] = 0
    elif chance < ALONE + ONE:
        known[1:] = 0
    return known


def _channels_first(picture: Array) -> Array:
    return np.ascontiguousarray(np.clip(np.moveaxis(picture, -1, 0), 0, 255), np.float32)


def _placing(random: Random) -> Array:
    """Turn, scale and move a view a little: (2, 3)."""
    angle, size = np.radians(random.uniform(-6, 6)), np.exp(random.uniform(np.log(0.6), np.log(1.15)))
    stretch = random.uniform(0.92, 1.08)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * size
    turn = turn @ np.diag([stretch, 1 / stretch])
    shift = MIDDLE - turn @ MIDDLE + random.uniform(-1.5, 1.5, 2)
    return np.column_stack([turn, shift]).astype(np.float32)


def _placed(picture: Frame, matrix: Array) -> Frame:
    moved = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


_MIRROR = [*range(10, -1, -1), *range(19, 10, -1), *range(30, 19, -1), *range(39, 30, -1)]


def _mirrored(lips: Array) -> Array:
    """Lips seen in a mirror; the rows still run from the left corner to the right one."""
    flipped = lips[_MIRROR]
    return np.column_stack([WIDTH - 1 - flipped[:, 0], flipped[:, 1]])


def _light(random: Random) -> Callable[[Frame], Array]:
    """One light and one camera for all pictures of a lesson."""
    gamma, gain = random.uniform(0.65, 1.5), random.uniform(0.5, 1.35)
    lift = random.uniform(0, 12) if random.random() < 0.3 else 0.0
    colour, tint = random.uniform(0.5, 1.4), random.uniform(-10, 10, 2)
    levels = np.arange(256) / 255
    luma = 16 + lift + 219 * np.clip(np.clip((levels * 255 - 16) / 219, 0, 1) ** gamma * gain, 0, 1)
    blue, red = (128 + (levels * 255 - 128) * colour + shift for shift in tint)
    table = np.stack([luma, blue, red], -1).astype(np.float32)
    return lambda picture: np.stack([table[picture[..., channel], channel] for channel in range(3)], -1)


def _skin(picture: Array, mask: Array, random: Random) -> Array:
    """Another skin around the same teeth: lips and skin darker or lighter, and of another hue."""
    if random.random() < 0.5:
        return picture
    tone = np.array([random.uniform(0.4, 1.15), 1, 1], np.float32)
    hue = np.array([0, *random.uniform(-8, 8, 2)], np.float32)
    middle = np.array([16, 0, 0], np.float32)
    return np.asarray(picture + ((picture - middle) * (tone - 1) + hue) * (1 - mask))


def _softened(picture: Array, blur: float) -> Array:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), blur), np.float32) if blur > 0.2 else picture


def _recorded(picture: Array, random: Random) -> Array:
    """Noise and compression of a camera."""
    strength = np.array([1, 0.4, 0.4], np.float32) * np.float32(random.uniform(0, 3))
    noisy = picture + random.standard_normal(picture.shape, np.float32) * strength
    if random.random() < 0.2:
        quality = int(random.integers(30, 85))
        packed = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(packed, cv2.IMREAD_COLOR).astype(np.float32)
    return np.asarray(noisy)
