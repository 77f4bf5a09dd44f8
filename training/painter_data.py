"""Mouths of real clips, as the program presents them to the painter."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heygem_cli.face.geometry import LIPS, Array, canonical_face, head_pose, mouth_opening
from heygem_cli.face.smooth import smooth
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import Frame
from heygem_cli.mesh.crop import SCALE, MouthCrop
from heygem_cli.mesh.interior import MIN_OPENING, Interior, LipLines, extract_interior, fit_interiors, lip_brightness
from heygem_cli.mesh.mouth_shape import spread, tracked_shape
from heygem_cli.mesh.open_mouths import OpenMouths
from heygem_cli.mesh.painter import FittedMixture, fit_references
from heygem_cli.mesh.person import PICTURES, WIDEST

MIN_DISTANCE = 5
"""Frames closer than this to the target are not used as references for it."""


@dataclass(frozen=True)
class Mouth:
    """The mouth in one frame of a clip.

    Attributes:
        clip: Name of the clip.
        frame: Index of the frame.
        image: uint8 (HEIGHT, WIDTH, 3), see :meth:`MouthCrop.sample`.
        lips: (40, 2) in pixels of the crop.
        opening: Inner lip opening in inter-ocular distances.
        brightness: See :func:`lip_brightness`.
        shape: (30,) see :func:`heygem_cli.mesh.mouth_shape.mouth_shape`.
        interior: The inside of the mouth, None if it is not visible.
    """

    clip: str
    frame: int
    image: Frame
    lips: Array
    opening: float
    brightness: float
    shape: Array
    interior: Interior | None


def read_mouths(path: Path, tracked: Array) -> list[Mouth]:
    """Read the mouths of a clip with landmarks (frames, 478, 3) in pixels, not smoothed yet."""
    landmarks = smooth(tracked)
    openings = mouth_opening(landmarks)
    eye_distances, shapes = head_pose(landmarks, canonical_face()).scale, tracked_shape(landmarks)
    mouths = []
    with closing(read_frames(probe_video(path), count=len(landmarks))) as frames:
        for index, frame in enumerate(frames):
            lips, eye_distance = landmarks[index, list(LIPS), :2], float(eye_distances[index])
            opening, brightness = float(openings[index]), lip_brightness(frame, lips)
            interior = extract_interior(frame, lips, eye_distance) if opening >= MIN_OPENING else None
            crop = MouthCrop.from_lips(lips, eye_distance)
            image, shape = crop.sample(frame), shapes[index]
            mouths.append(Mouth(path.name, index, image, crop.lips, opening, brightness, shape, interior))
    return mouths


def reference_candidates(mouths: Sequence[Mouth], target: Mouth) -> list[Mouth]:
    """Return the mouths of the target's clip that may serve as its references, sorted by opening."""
    candidates = (mouth for mouth in mouths if mouth.interior is not None)
    distant = (mouth for mouth in candidates if abs(mouth.frame - target.frame) > MIN_DISTANCE)
    return sorted(distant, key=lambda mouth: mouth.opening)


def copy_interior(source: Mouth, target: Mouth) -> Frame:
    """Fit the inside of one mouth between the lips of another: uint8 (HEIGHT, WIDTH, 3)."""
    assert source.interior is not None
    (fit,) = fit_interiors([source.interior], LipLines.from_lips(target.lips, SCALE), target.brightness)
    return to_uint8(fit.render())


def fit_own(candidates: Sequence[Mouth], mouth: Mouth) -> list[FittedMixture]:
    """Fit the references that the program would choose for a mouth from candidates sorted by opening."""
    pictures = take_open_mouths(candidates)
    return fit_references(pictures.choose(mouth.shape) if pictures else [], mouth.lips, mouth.brightness)


def to_uint8(image: Array) -> Frame:
    """Round to uint8."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def take_open_mouths(mouths: Sequence[Mouth]) -> OpenMouths | None:
    """Take the pictures that the program would from mouths sorted by opening, None if there are none.

    The program takes the sharpest of similar ones instead of the first.
    """
    usable = mouths[: round(WIDEST * (len(mouths) - 1)) + 1]
    shapes = np.array([mouth.shape for mouth in usable])
    pictures = [
        (usable[index].shape, interior)
        for index in sorted(spread(shapes, PICTURES))
        if (interior := usable[index].interior) is not None
    ]
    if not pictures:
        return None
    chosen = np.array([shape for shape, _ in pictures])
    return OpenMouths(tuple(interior for _, interior in pictures), chosen, np.asarray(shapes.mean(0), np.float32))
