"""A drawn mouth for people who never show theirs: upper teeth on the skull, lower teeth and tongue on the jaw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import LIPS, Array, PerFrame, Pose, interocular
from heygem_cli.media.types import Frame
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.face_light import measure_light
from heygem_cli.mesh.field import MouthFrame, smoothstep
from heygem_cli.mesh.interior import HALF_WIDTH, Interior, LipLines, lip_brightness
from heygem_cli.mesh.targets import ClosedMouth
from heygem_cli.mesh.teeth import Mouth
from heygem_cli.mesh.teeth_drawing import Layer, draw_teeth, draw_tongue

# Lengths are in inter-ocular distances.
SCALE_LIMITS = 80.0, 400.0
"""Pixels per inter-ocular distance at which mouths are drawn."""
BEHIND = 0.06
"""How far the front teeth lie behind the line between the lips."""
FREEWAY = 0.02
"""Distance by which the rows of teeth part while the lips are still closed."""
UNDER_LIP, OVER_LIP, AT_CORNERS, NEARLY_CLOSED = 0.34, 0.22, 0.55, 0.25
"""Shares of the light missing close to the upper and the lower lip, in the corners, and in a narrow opening."""
MARGIN = 0.06
"""What is drawn beyond the opening: the rim that the painter covers."""


@dataclass(frozen=True)
class Bones(PerFrame):
    """Where the skull and the jaw are in a frame.

    Attributes:
        axes: (…, 2, 2) columns: pixels per inter-ocular distance to the person's left and downwards.
        skull: (…, 2) where the line between the closed lips crosses the midline, at the depth of the teeth, in pixels.
        drop: (…) how far the jaw is lowered from where it is with closed lips.
    """

    axes: Array
    skull: Array
    drop: Array


def place_bones(pose: Pose, closed: ClosedMouth, motion: Array, weight: Array) -> Bones:
    """Find the skull and the jaw.

    Args:
        pose: The head poses.
        closed: The person's closed mouth.
        motion: (…, 41, 3) offsets from it.
        weight: (…) strength with which the motion is drawn, see :class:`heygem_cli.mesh.targets.Targets`.
    """
    points = closed.points_at(pose)
    middle = points[..., [INNER_TOP[5], INNER_BOTTOM[5]], :].mean(-2)
    middle = middle + np.array([0, 0, BEHIND], np.float32)
    skull = pose.to_image(middle[..., None, :])[..., 0, :2]
    axes = pose.scale[..., None, None] * pose.rotation[..., :2, :2]
    return Bones(axes, skull, np.asarray(weight * motion[..., 40, 1], np.float32))


@dataclass(frozen=True)
class DrawnMouth:
    """The mouth of one person.

    Attributes:
        mouth: What it is like.
        upper: The upper teeth.
        lower: The lower teeth.
        tongue: The tongue.
        throat: (3,) Y, U and V of the dark behind them.
        brightness: Of the lips in the light in which they are drawn, see :func:`lip_brightness`.
    """

    mouth: Mouth
    upper: Layer
    lower: Layer
    tongue: Layer
    throat: Array
    brightness: float

    def between(self, lips: Array, eye_distance: float, bones: Bones) -> Interior:
        """Return what shows between lip points (40, 2) in pixels."""
        lines = LipLines.from_lips(lips, eye_distance)
        scale = self.upper.scale
        side = int(2 * HALF_WIDTH * scale) // 2 * 2 + 2
        image = np.empty((side, side, 3), np.uint8)
        image[:] = np.round(self.throat)
        rows, columns = (
            slice(max(0, int(side / 2 + low * scale)), min(side, int(side / 2 + high * scale) + 2))
            for low, high in (
                (lines.top.min() - MARGIN, lines.bottom.max() + MARGIN),
                (lines.along[0] - MARGIN, lines.along[-1] + MARGIN),
            )
        )
        if rows.start < rows.stop and columns.start < columns.stop:
            corner = np.array([columns.start, rows.start], np.float32) - side / 2
            level = _level(lines.mouth, scale / eye_distance)
            # From inter-ocular distances on the skull to pixels of the region.
            axes = level @ bones.axes
            skull = level @ (bones.skull - lines.mouth.center) - corner
            region = self._compose(axes, skull, bones.drop, (columns.stop - columns.start, rows.stop - rows.start))
            region[..., 0] *= _shade(lines, *_places(corner, region, scale))
            image[rows, columns] = np.clip(region + np.array([16.5, 128.5, 128.5], np.float32), 0, 255)
        return Interior(image, scale, lines.along, lines.top, lines.bottom, self.brightness, self.throat)

    def _compose(self, axes: Array, skull: Array, drop: Array, size: tuple[int, int]) -> Array:
        """Put the layers on top of each other: (rows, columns, 3) Y above black, U and V relative to grey."""
        mouth = self.mouth
        lower = mouth.show - mouth.overbite + FREEWAY
        places = (
            (self.tongue, lower - mouth.tongue + mouth.tongue_share * drop),
            (self.lower, lower + drop),
            (self.upper, mouth.show),
        )
        image = np.empty((size[1], size[0], 3), np.float32)
        image[:] = self.throat
        for layer, below in places:
            matrix = axes / np.float32(layer.scale)
            shift = skull + below * axes[:, 1] - matrix @ layer.origin
            placed = np.column_stack([matrix, shift]).astype(np.float32)
            seen = np.asarray(cv2.warpAffine(layer.image, placed, size, borderValue=[0]), np.float32)
            image += seen[..., 3:] * np.float32(1 / 255) * (seen[..., :3] - image)
        return image - np.array([16, 128, 128], np.float32)


def _level(mouth: MouthFrame, scale: float) -> Array:
    """Return the matrix (2, 2) that turns and scales a frame so that the corners of a mouth are level."""
    cosine, sine = mouth.axis / np.linalg.norm(mouth.axis) * np.float32(scale)
    return np.array([[cosine, sine], [-sine, cosine]], np.float32)


def _places(corner: Array, region: Array, scale: float) -> Iterator[Array]:
    """Yield x and y of the columns and rows of a region, in inter-ocular distances from the centre of the mouth."""
    for start, length in zip(corner, region.shape[1::-1], strict=True):
        yield (np.arange(length, dtype=np.float32) + start) / np.float32(scale)


def _shade(lines: LipLines, x: Array, y: Array) -> Array:
    """Return the share of the light (rows, columns) that falls between lips: less close to them and in the corners."""
    top, bottom = (np.interp(x, lines.along, line).astype(np.float32) for line in (lines.top, lines.bottom))
    below, above = y[:, None] - top, bottom - y[:, None]
    light = 1 - UNDER_LIP * (1 - smoothstep((below + 0.01) / 0.045))
    light *= 1 - OVER_LIP * (1 - smoothstep((above + 0.01) / 0.04))
    corners = 1 - AT_CORNERS * (1 - smoothstep((lines.along[-1] - np.abs(x)) / 0.1))
    opening = float((lines.bottom - lines.top).max())
    return np.asarray(light * corners * (1 - NEARLY_CLOSED * (1 - smoothstep(opening / 0.07))), np.float32)


def draw_mouth(mouth: Mouth, frame: Frame, landmarks: Array) -> DrawnMouth:
    """Draw a mouth for the person with landmarks (478, 3) in an I420 frame, in the light of that frame."""
    light = measure_light(frame, landmarks)
    scale = float(np.clip(interocular(landmarks[:, :2]), *SCALE_LIMITS))
    throat = np.array([16 + 0.13 * light.skin, *(128 + light.lip_chroma * (0.4, 0.6))], np.float32)
    return DrawnMouth(
        mouth,
        draw_teeth(mouth.upper, light, mouth.warmth, scale, -1),
        draw_teeth(mouth.lower, light, mouth.warmth, scale, 1),
        draw_tongue(light, scale),
        throat,
        lip_brightness(frame, landmarks[list(LIPS), :2]),
    )
