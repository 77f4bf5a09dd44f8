"""Mouths of real clips, as the program presents them to the painter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from heygem_cli.mesh.painter import fit_references, render_mixture

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
        interior: The inside of the mouth, None if it is not visible.
    """

    clip: str
    frame: int
    image: Frame
    lips: Array
    opening: float
    brightness: float
    interior: Interior | None


def read_mouths(path: Path, tracked: Array) -> list[Mouth]:
    """Read the mouths of a clip with landmarks (frames, 478, 3) in pixels, not smoothed yet."""
    landmarks = smooth(tracked)
    openings = mouth_opening(landmarks)
    eye_distances = head_pose(landmarks, canonical_face()).scale
    mouths = []
    with closing(read_frames(probe_video(path), count=len(landmarks))) as frames:
        for index, frame in enumerate(frames):
            lips, eye_distance = landmarks[index, list(LIPS), :2], float(eye_distances[index])
            opening, brightness = float(openings[index]), lip_brightness(frame, lips)
            interior = extract_interior(frame, lips, eye_distance) if opening >= MIN_OPENING else None
            crop = MouthCrop.from_lips(lips, eye_distance)
            mouths.append(Mouth(path.name, index, crop.sample(frame), crop.lips, opening, brightness, interior))
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


def render_references(interiors: Sequence[Interior], mouth: Mouth) -> list[Frame]:
    """Render the references that the program would choose for a mouth."""
    return [to_uint8(render_mixture(mixture)) for mixture in fit_references(interiors, mouth.lips, mouth.brightness)]


def to_uint8(image: Array) -> Frame:
    """Round to uint8."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def select_interiors(mouths: Sequence[Mouth], ranks: Iterable[float]) -> list[Interior]:
    """Return the distinct interiors at the given quantiles, 0 … 1, of mouths sorted by opening."""
    indices = dict.fromkeys(int(rank * (len(mouths) - 1)) for rank in sorted(ranks) if mouths)
    return [interior for index in indices if (interior := mouths[index].interior) is not None]
