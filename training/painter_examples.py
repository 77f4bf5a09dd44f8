"""Training examples for the painter: a real mouth, references from the same clip, and random variation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame
from heygem_cli.mesh.crop import CENTER, HEIGHT, WIDTH
from heygem_cli.mesh.open_mouths import REFERENCES
from heygem_cli.mesh.painter import RIM, paint_mask, render_mixture
from training.clips import speaker_of
from training.painter_data import Mouth, fit_own, reference_candidates, to_uint8

Random = np.random.Generator

MIN_OPENING = 0.02
"""Smallest inner lip opening of an example, in inter-ocular distances."""
DRAWS_PER_MOUTH = 2
"""Examples for each mouth, with different references."""
KNOWN_SHARE = 0.5
"""Share of the other frames from which the references of an example are chosen."""
NO_REFERENCE, ONE_REFERENCE = 0.25, 0.05
"""Shares of examples without references and with the first one only."""


@dataclass(frozen=True)
class PainterExample:
    """A mouth to paint.

    Attributes:
        image: uint8 (HEIGHT, WIDTH, 3).
        lips: (40, 2) in pixels of the crop.
        references: uint8 (2, HEIGHT, WIDTH, 3).
        weight: Relative frequency in training.
    """

    image: Frame
    lips: Array
    references: Frame
    weight: float


@dataclass(frozen=True)
class Batch:
    """Network inputs, float32, see :class:`training.painter_network.Painter`; ``target`` is the real image."""

    image: Array
    references: Array
    mask: Array
    known: Array
    target: Array


def make_examples(clips: Sequence[Sequence[Mouth]], random: Random) -> Iterator[PainterExample]:
    """Pair every mouth with references from the same clip, chosen as the program would.

    A speaker's weight is the square root of the number of their clips.
    """
    counts = Counter(speaker_of(clip[0].clip) for clip in clips)
    for clip in clips:
        weight = counts[speaker_of(clip[0].clip)] ** -0.5
        for mouth in clip:
            candidates = reference_candidates(clip, mouth)
            if mouth.opening < MIN_OPENING or len(candidates) < 3:
                continue
            for _ in range(DRAWS_PER_MOUTH):
                known = [each for each in candidates if random.random() < KNOWN_SHARE] or candidates
                references = [to_uint8(render_mixture(mixture)) for mixture in fit_own(known, mouth)]
                yield PainterExample(mouth.image, mouth.lips, np.stack([references[0], references[-1]]), weight)


def make_batches(examples: Sequence[PainterExample], size: int, random: Random) -> Generator[Batch, None, None]:
    """Yield endless batches of augmented examples."""
    weights = np.array([example.weight for example in examples])
    weights /= weights.sum()
    while True:
        drawn = [augment(examples[index], random) for index in random.choice(len(examples), size, p=weights)]
        yield Batch(*(np.stack(part) for part in zip(*drawn, strict=True)))


def augment(example: PainterExample, random: Random) -> tuple[Array, Array, Array, Array, Array]:
    """Vary position, scale, lighting, camera, skin, compression and the number of references.

    Returns:
        The arrays of a :class:`Batch` for one example.
    """
    matrix = _random_transform(random)
    lips = example.lips @ matrix[:, :2].T + matrix[:, 2]
    images = [_transform(image, matrix) for image in (example.image, *example.references)]
    if random.random() < 0.5:
        images = [np.ascontiguousarray(image[:, ::-1]) for image in images]
        lips = _mirror_lips(lips)
    mask = paint_mask(lips, RIM * random.uniform(0, 2.0))[..., None]
    lighting = _random_lighting(random)
    sigma = random.uniform(0, 1) if random.random() < 0.25 else 0.0
    target, *references = (_blur(lighting(image), sigma) for image in images)
    visible = _vary_skin(target, mask, random)
    target = visible + (target - visible) * mask
    # The camera is the same in all images, the lighting inside the mouth varies a little.
    references = [_channels_first(image + random.normal(0, (1.5, 0.5, 0.5))) for image in references]
    image = _channels_first(_vary_recording(visible, random))
    return image, np.stack(references), _channels_first(mask), _random_known(random), _channels_first(target)


def _random_known(random: Random) -> Array:
    known = np.ones(REFERENCES, np.float32)
    chance = random.random()
    if chance < NO_REFERENCE:
        known[:] = 0
    elif chance < NO_REFERENCE + ONE_REFERENCE:
        known[1:] = 0
    return known


def _channels_first(image: Array) -> Array:
    return np.ascontiguousarray(np.clip(np.moveaxis(image, -1, 0), 0, 255), np.float32)


def _random_transform(random: Random) -> Array:
    """Return a small random affine transform (2, 3) of a crop."""
    angle, size = np.radians(random.uniform(-6, 6)), np.exp(random.uniform(np.log(0.6), np.log(1.15)))
    stretch = random.uniform(0.92, 1.08)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * size
    turn = turn @ np.diag([stretch, 1 / stretch])
    shift = CENTER - turn @ CENTER + random.uniform(-1.5, 1.5, 2)
    return np.column_stack([turn, shift]).astype(np.float32)


def _transform(image: Frame, matrix: Array) -> Frame:
    moved = cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


_MIRROR = [*range(10, -1, -1), *range(19, 10, -1), *range(30, 19, -1), *range(39, 30, -1)]


def _mirror_lips(lips: Array) -> Array:
    """Mirror lip points; the rows still run from the left corner to the right one."""
    flipped = lips[_MIRROR]
    return np.column_stack([WIDTH - 1 - flipped[:, 0], flipped[:, 1]])


def _random_lighting(random: Random) -> Callable[[Frame], Array]:
    """Return a function that applies the same random lighting and camera to all images of an example."""
    gamma, gain = random.uniform(0.65, 1.5), random.uniform(0.5, 1.35)
    lift = random.uniform(0, 12) if random.random() < 0.3 else 0.0
    saturation, tint = random.uniform(0.5, 1.4), random.uniform(-10, 10, 2)
    levels = np.arange(256) / 255
    luma = 16 + lift + 219 * np.clip(np.clip((levels * 255 - 16) / 219, 0, 1) ** gamma * gain, 0, 1)
    u, v = (128 + (levels * 255 - 128) * saturation + shift for shift in tint)
    table = np.stack([luma, u, v], -1).astype(np.float32)
    return lambda image: np.stack([table[image[..., channel], channel] for channel in range(3)], -1)


def _vary_skin(image: Array, mask: Array, random: Random) -> Array:
    """Change the tone and hue of lips and skin, but not of the teeth."""
    if random.random() < 0.5:
        return image
    tone = np.array([random.uniform(0.4, 1.15), 1, 1], np.float32)
    hue = np.array([0, *random.uniform(-8, 8, 2)], np.float32)
    black = np.array([16, 0, 0], np.float32)
    return np.asarray(image + ((image - black) * (tone - 1) + hue) * (1 - mask))


def _blur(image: Array, sigma: float) -> Array:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32) if sigma > 0.2 else image


def _vary_recording(image: Array, random: Random) -> Array:
    """Add camera noise and, sometimes, compression artefacts."""
    strength = np.array([1, 0.4, 0.4], np.float32) * np.float32(random.uniform(0, 3))
    noisy = image + random.standard_normal(image.shape, np.float32) * strength
    if random.random() < 0.2:
        quality = int(random.integers(30, 85))
        packed = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(packed, cv2.IMREAD_COLOR).astype(np.float32)
    return np.asarray(noisy)
