"""What the painter learns from: real mouths as the program will show them to it, the inside hidden."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heygem_cli.face.canonical import canonical_face
from heygem_cli.face.geometry import LIPS, Array, head_pose, mouth_opening
from heygem_cli.face.smooth import smooth
from heygem_cli.media.probe import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import Frame
from heygem_cli.mesh.interior import SHOWS, Curves, Interior, fit, fitted, lip_light, take_interior
from heygem_cli.mesh.painter import chosen, mixed
from heygem_cli.mesh.view import SCALE, View

APART = 5
"""Frames that a picture of the open mouth must be away from the frame to paint."""


@dataclass(frozen=True)
class Mouth:
    """A real mouth.

    Attributes:
        clip: its name.
        frame: its number in the clip.
        picture: uint8 (HEIGHT, WIDTH, 3), see :meth:`View.picture`.
        lips: (40, 2) in pixels of the view.
        opening: of the inner lips in inter-ocular distances.
        light: see :func:`lip_light`.
        interior: what it shows, None where it shows nothing.
    """

    clip: str
    frame: int
    picture: Frame
    lips: Array
    opening: float
    light: float
    interior: Interior | None


def read_mouths(path: Path, tracked: Array) -> list[Mouth]:
    """Read the mouths of a clip.

    Args:
        path: of the clip.
        tracked: landmarks (frames, 478, 3) in pixels, as tracked.
    """
    landmarks = np.array(list(smooth(list(tracked))))
    openings = mouth_opening(landmarks)
    units = head_pose(landmarks, canonical_face()).scale
    mouths = []
    with closing(read_frames(probe_video(path), count=len(landmarks))) as frames:
        for number, frame in enumerate(frames):
            lips, unit, opening = landmarks[number, list(LIPS), :2], float(units[number]), float(openings[number])
            view = View.of(lips, unit)
            interior = take_interior(frame, lips, unit) if opening >= SHOWS else None
            light = lip_light(frame, lips)
            mouths.append(Mouth(path.name, number, view.picture(frame), view.lips, opening, light, interior))
    return mouths


def widest(mouths: Sequence[Mouth]) -> list[Mouth]:
    """The mouths of a clip that show their inside, the widest last."""
    return sorted((mouth for mouth in mouths if mouth.interior is not None), key=lambda mouth: mouth.opening)


def inside_of(shown: Mouth, mouth: Mouth) -> Frame:
    """The inside of one mouth, which shows it, brought between the lips of another: uint8 (HEIGHT, WIDTH, 3)."""
    assert shown.interior is not None
    return rounded(fitted(shown.interior, fit(shown.interior, Curves.of(mouth.lips, SCALE), mouth.light)))


def references(interiors: Sequence[Interior], mouth: Mouth) -> list[Frame]:
    """What the program would show the painter of a person: see :func:`heygem_cli.mesh.painter.choose`."""
    return [rounded(mixed(mixture)) for mixture in chosen(interiors, mouth.lips, mouth.light)]


def rounded(picture: Array) -> Frame:
    """Colours as a picture has them."""
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def keep(shown: Sequence[Mouth], ranks: Iterable[float]) -> list[Interior]:
    """The insides that stand at some ranks, 0 … 1, among mouths in the order of their opening; none of them twice."""
    chosen = dict.fromkeys(int(rank * (len(shown) - 1)) for rank in sorted(ranks) if shown)
    return [interior for index in chosen if (interior := shown[index].interior) is not None]
