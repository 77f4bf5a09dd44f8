"""Training examples for the network that finds what covers a face: varied faces with occluders drawn over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import LIPS, Array, canonical_face
from heygem_cli.media.types import Frame
from heygem_cli.mesh.controls import background_ring
from heygem_cli.mesh.cover_network import CENTER, SCALE, SIDE
from heygem_cli.mesh.crop import sample_crop
from training.cover_data import CANVAS, CANVAS_SCALE, LowerFace, tint
from training.cover_faces import VIEW, View, vary_face
from training.cover_graphics import draw_bar, draw_caption, draw_logo, draw_word
from training.cover_hands import draw_fingers, draw_fist, draw_hand
from training.cover_objects import draw_lump, draw_microphone, draw_rod, draw_thing
from training.cover_shapes import Layer, Random
from training.cover_worn import draw_chin_mask, draw_hair, draw_headset, draw_mask

CLEAN = 0.4
"""Share of examples without an occluder."""
COVERED = 0.12
"""Opacity from which a pixel counts as covered."""
OUTSIDE_WEIGHT, LIPS_WEIGHT = 0.2, 3.0
"""Weights of pixels outside the part of the face that moves, and of those around the lips; the others have 1."""


@dataclass(frozen=True)
class Kind:
    """A kind of occluder.

    Attributes:
        draw: Draws one.
        share: Relative frequency.
        turn: Standard deviation of its random rotation in degrees.
        shift: That of its random shift in inter-ocular distances.
        is_skin: Whether it takes the skin colour of the person, mostly.
    """

    draw: Callable[[Random], Layer]
    share: float
    turn: float
    shift: float
    is_skin: bool = False


KINDS = (
    Kind(draw_caption, 0.16, 3, 0.3),
    Kind(draw_word, 0.13, 3, 0.1),
    Kind(draw_bar, 0.07, 2, 0.25),
    Kind(draw_logo, 0.04, 20, 0.3),
    Kind(draw_microphone, 0.12, 20, 0.25),
    Kind(draw_rod, 0.07, 30, 0.25),
    Kind(draw_headset, 0.06, 3, 0.06),
    Kind(draw_hand, 0.11, 25, 0.2, is_skin=True),
    Kind(draw_fist, 0.05, 30, 0.2, is_skin=True),
    Kind(draw_fingers, 0.12, 10, 0.1, is_skin=True),
    Kind(draw_thing, 0.06, 15, 0.3),
    Kind(draw_lump, 0.05, 40, 0.25),
    Kind(draw_mask, 0.08, 3, 0.03),
    Kind(draw_chin_mask, 0.06, 3, 0.05),
    Kind(draw_hair, 0.03, 5, 0.2),
)


@dataclass(frozen=True)
class Occluder:
    """A drawing: uint8 (CANVAS, CANVAS, 4) BGR and opacity."""

    kind: Kind
    image: Frame


def draw_occluders(count: int, random: Random) -> list[Occluder]:
    """Draw occluders of all kinds, which examples place, flip and colour anew each time."""
    shares = np.array([kind.share for kind in KINDS])
    drawn = []
    for number in random.choice(len(KINDS), count, p=shares / shares.sum()):
        layer = KINDS[number].draw(random)
        image = np.dstack([layer.image, 255 * layer.opacity])
        drawn.append(Occluder(KINDS[number], np.clip(np.rint(image), 0, 255).astype(np.uint8)))
    return drawn


def place(occluder: Occluder, view: View, random: Random) -> Layer:
    """Place an occluder over a face."""
    kind = occluder.kind
    angle, size = random.normal(0, kind.turn), random.uniform(*((0.75, 1.3) if kind.turn > 3 else (0.93, 1.07)))
    matrix = np.array(cv2.getRotationMatrix2D((CANVAS / 2, CANVAS / 2), angle, size), np.float32)
    matrix[:, 2] += (VIEW - CANVAS) / 2 + random.normal(0, kind.shift, 2) * CANVAS_SCALE
    if kind.turn > 3 and random.random() < 0.5:
        matrix = matrix @ np.array([[-1, 0, CANVAS - 1], [0, 1, 0], [0, 0, 1]])
    moved = cv2.warpAffine(occluder.image, matrix, (VIEW, VIEW), flags=cv2.INTER_LINEAR).astype(np.float32)
    if random.random() < 0.25:
        moved = _motion_blur(moved, random)
    image, opacity = moved[..., :3], moved[..., 3] / 255
    # Where nothing was drawn the colours are meaningless; the blur mixes them in.
    if kind.is_skin and random.random() < 0.75 and (opacity > 0.9).any():
        image = image * (view.skin * random.normal(1, 0.06, 3) / np.maximum(image[opacity > 0.9].mean(0), 20))
    image = image * random.uniform(0.7, 1.15) + random.normal(0, 3, 3)
    return Layer(np.asarray(np.clip(image, 0, 255), np.float32), opacity)


def _motion_blur(image: Array, random: Random) -> Array:
    length = int(random.integers(3, 17))
    kernel = np.zeros((length, length), np.float32)
    angle = random.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    middle = (length - 1) / 2
    start, end = (np.round(middle + sign * reach).astype(int).tolist() for sign in (-1, 1))
    cv2.line(kernel, start, end, [1.0])
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.float32)


@dataclass(frozen=True)
class Batch:
    """Examples: ``image`` uint8 (batch, SIDE, SIDE, 3) Y, U and V, and ``covered`` (batch, SIDE, SIDE), 0 or 1."""

    image: Frame
    covered: Frame


def make_example(face: LowerFace, occluders: Sequence[Occluder], random: Random) -> tuple[Frame, Frame]:
    """Return the arrays of a :class:`Batch` for one face and some of the occluders."""
    view = vary_face(face, random)
    image, covered = view.image, np.zeros((VIEW, VIEW), np.float32)
    count = 0 if random.random() < CLEAN else int(random.choice([1, 1, 1, 2]))
    for number in random.choice(len(occluders), count):
        layer = place(occluders[number], view, random)
        if random.random() < 0.4:
            image = _cast_shadow(image, layer.opacity, random)
        image = image + (layer.image - image) * layer.opacity[..., None]
        covered = np.maximum(covered, layer.opacity)
    small = cv2.resize(covered, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    closed = cv2.morphologyEx((small > COVERED).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return record(_take(image, random)), np.asarray(closed, np.uint8)


def _cast_shadow(image: Array, opacity: Array, random: Random) -> Array:
    blurred = cv2.GaussianBlur(opacity, (0, 0), random.uniform(2, 10))
    shift = np.array([[1, 0, random.normal(0, 7)], [0, 1, random.normal(3, 6)]], np.float32)
    moved = np.asarray(cv2.warpAffine(np.asarray(blurred, np.float32), shift, (VIEW, VIEW)), np.float32)
    return np.asarray(image * (1 - random.uniform(0.1, 0.5) * moved)[..., None], np.float32)


def pixel_weights() -> Array:
    """Return how much each pixel (SIDE, SIDE) counts: the lips most, and what is beside the face least."""
    points = (canonical_face() - CENTER)[:, :2] * SCALE + SIDE / 2
    weights = np.full((SIDE, SIDE), OUTSIDE_WEIGHT, np.float32)
    for area, weight in ((background_ring(points), 1.0), (points[list(LIPS)], LIPS_WEIGHT)):
        cv2.fillConvexPoly(weights, cv2.convexHull(np.round(area).astype(np.int32)), [weight])
    # Faces are moved a little.
    return np.asarray(cv2.dilate(weights, np.ones((9, 9), np.uint8)), np.float32)


def _take(image: Array, random: Random) -> Array:
    """Take a picture with some camera: blurred, noisy, compressed."""
    if random.random() < 0.4:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), random.uniform(0.3, 2.5)), np.float32)
    image = image + random.standard_normal(image.shape, np.float32) * np.float32(random.uniform(0.3, 7))
    if random.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 90))]
        packed = cv2.imencode(".jpg", np.clip(image, 0, 255).astype(np.uint8), quality)[1]
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.float32)
    return image


def record(image: Array) -> Frame:
    """Return the network's input for a BGR picture (VIEW, VIEW, 3)."""
    picture = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    frame = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)
    half = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25]], np.float32)
    return sample_crop(frame, half, SIDE, SIDE)


def make_examples(
    faces: Sequence[LowerFace], donors: Sequence[LowerFace], occluders: Sequence[Occluder], count: int, random: Random
) -> Batch:
    """Draw examples, every person as often as the others; grey pictures take the hues of donors."""
    counts = Counter(face.speaker for face in faces)
    shares = np.array([1 / counts[face.speaker] for face in faces])
    chosen = random.choice(len(faces), count, p=shares / shares.sum())
    image = np.empty((count, SIDE, SIDE, 3), np.uint8)
    covered = np.empty((count, SIDE, SIDE), np.uint8)
    for row, number in enumerate(chosen):
        face = tint(faces[number], donors[random.integers(len(donors))])
        image[row], covered[row] = make_example(face, occluders, random)
    return Batch(image, covered)


def joined(first: Batch, second: Batch) -> Batch:
    """Return the examples of both."""
    return Batch(np.concatenate([first.image, second.image]), np.concatenate([first.covered, second.covered]))


def make_batches(examples: Batch, size: int, random: Random) -> Generator[Batch, None, None]:
    """Yield endless batches of examples that are mirrored and relit anew each time."""
    while True:
        for rows in np.array_split(random.permutation(len(examples.image)), len(examples.image) // size):
            yield Batch(
                *(np.stack(part) for part in zip(*(_again(examples, row, random) for row in rows), strict=True))
            )


def _again(examples: Batch, row: int, random: Random) -> tuple[Frame, Frame]:
    flip = -1 if random.random() < 0.5 else 1
    image, covered = (part[row][:, ::flip] for part in (examples.image, examples.covered))
    gains = np.array([random.uniform(0.8, 1.15), *random.uniform(0.8, 1.2, 2)])
    zeros = np.array([16, 128, 128])
    levels = zeros + (np.arange(256)[:, None] - zeros) * gains + random.normal(0, (4, 4, 4))
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(np.ascontiguousarray(image), table[:, None]), np.uint8), covered
