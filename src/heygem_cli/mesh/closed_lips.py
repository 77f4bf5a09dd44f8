"""A person's closed lips, from one frame of the face video, drawn where the warp closes an open mouth.

What the warp makes of the lips of an open mouth is not what closed lips look like: the teeth leave a light rim, and
lips that were drawn apart stay thin.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import LIPS, Array, Pose
from heygem_cli.media.types import Frame, planes
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP, OUTER_BOTTOM, OUTER_TOP
from heygem_cli.mesh.field import MouthFrame, fit_field, sample_field, smoothstep, upsample
from heygem_cli.mesh.warp import Box, polygon_mask, warp_box

# Lengths are in inter-ocular distances unless stated otherwise.
MARGIN = 0.03
"""Width of the skin around the lips that is drawn with them."""
WIDE_MARGIN = 0.13
"""Likewise where a wide open mouth closes: the skin around it is creased and in its shadow."""
WIDE_START, WIDE_END = 0.1, 0.25
"""How far the warp closes the mouth where the margin begins to grow, and where it is the wide one."""
REACH = 0.27
"""Distance from the lips up to which they are cut out."""
SOFTNESS = 0.02
"""Standard deviation of the soft edge of the drawn region."""
LIGHT_SIGMA = 0.08
"""Reach of the light that they get from what the frame shows around the rim of the lips."""
RIM = 0.5
"""Share of the height of each lip, from the line between them, that may be teeth in the frame."""
GAIN_LIMITS = 0.6, 1.6
"""Largest change of their luma."""
GRID_NODES = 9
"""Nodes of the displacement grid per inter-ocular distance."""
CLOSING_START, CLOSING_END = 0.01, 0.03
"""How far the warp closes the mouth where the lips begin to show, and where they are opaque."""
OPEN_START, OPEN_END = 0.05, 0.15
"""Openings at which they begin to fade, and at which they are gone."""
SEAM_START, SEAM_END = 0.004, 0.02
"""Openings up to which nothing is painted between them, and from which all is."""
YAW_START, YAW_END = 15.0, 30.0
"""Degrees that the head is turned to the side, from where the lips were seen, at which they fade."""
SCALE_START, SCALE_END = 0.4, 0.7
"""Sizes of the face in which they were seen, relative to the frame, at which they are too blurred and sharp enough."""
SAMPLED = 0.6
"""Share of the height of each lip that :func:`seam_contrast` looks at, from the line between them."""


@dataclass(frozen=True)
class ClosedLips:
    """Closed lips.

    Attributes:
        picture: I420, the lips and the skin around them.
        lips: (40, 2) in pixels of the picture.
        scale: The inter-ocular distance there.
        yaw: How far the head is turned there, in degrees.
    """

    picture: Frame
    lips: Array
    scale: float
    yaw: float

    @staticmethod
    def extract(frame: Frame, landmarks: Array, pose: Pose) -> ClosedLips:
        """Cut the lips out of an I420 frame with landmarks (478, 3) in pixels."""
        lips, scale = landmarks[list(LIPS), :2], float(pose.scale)
        box = Box.around(np.concatenate([lips - REACH * scale, lips + REACH * scale]), frame, 2)
        return ClosedLips(cut_out(frame, box), np.asarray(lips - box.corner, np.float32), scale, float(pose.yaw))

    def shares(self, pose: Pose, before: Array, after: Array) -> Array:
        """Return how opaque the lips are (…), 0 … 1.

        Args:
            pose: The head poses.
            before: (…) opening of the mouth in the frame, in inter-ocular distances.
            after: (…) the one that it gets.
        """
        closes = smoothstep((before - after - CLOSING_START) / (CLOSING_END - CLOSING_START))
        opens = smoothstep((after - OPEN_START) / (OPEN_END - OPEN_START))
        turned = smoothstep((np.abs(pose.yaw - self.yaw) - YAW_START) / (YAW_END - YAW_START))
        sharp = smoothstep((self.scale / pose.scale - SCALE_START) / (SCALE_END - SCALE_START))
        return np.asarray(closes * (1 - opens) * (1 - turned) * sharp, np.float32)

    def draw(self, output: Frame, lips: Array, eye_distance: float, share: float, closes: float = 0.0) -> None:
        """Draw the lips into an I420 frame in the light of the skin around them.

        Args:
            output: Changed around the lips.
            lips: (40, 2) where they go, in pixels.
            eye_distance: The inter-ocular distance in pixels.
            share: Their opacity, 0 … 1.
            closes: How far the mouth of the frame closes, in inter-ocular distances.
        """
        wide = float(smoothstep((closes - WIDE_START) / (WIDE_END - WIDE_START)))
        margin = MARGIN + wide * (WIDE_MARGIN - MARGIN)
        reach = (margin + 3 * SOFTNESS + wide * LIGHT_SIGMA) * eye_distance
        step = max(2, int(eye_distance / GRID_NODES) // 2 * 2)
        # The box ends at a multiple of the step, which must not cut the soft edge off.
        box = Box.around(np.concatenate([lips - reach, lips + reach + step]), output, step)
        if not box.width or not box.height:
            return
        mask, below = lips_coverage(lips, box, eye_distance, margin), cut_out(output, box)
        hidden = np.maximum(rim_coverage(lips, box), wide * mask)
        drawn = match_light(self._place(lips, box, step), below, hidden, (1 + wide) * LIGHT_SIGMA * eye_distance)
        for channel, (plane, old) in enumerate(zip(planes(output), planes(below), strict=True)):
            opacity = share * (mask[::2, ::2] if channel else mask)
            size = 1 if channel == 0 else 2
            part = plane[box.top // size :, box.left // size :][: old.shape[0], : old.shape[1]]
            part[:] = np.clip(np.rint(old + opacity * (drawn[channel] - old)), 0, 255)

    def _place(self, lips: Array, box: Box, step: int) -> Frame:
        """Warp the lips to lip points (40, 2) in pixels of a frame: I420, of the size of the box."""
        mouth = MouthFrame.between(lips[0], lips[10])
        field = fit_field(mouth, lips, self.lips - lips, np.zeros(len(lips), np.float32))
        nodes = np.ones((box.height // step, box.width // step), bool)
        displacement = upsample(sample_field(field, box, step, nodes).upper, box) + box.corner[:, None, None]
        placed = np.empty((box.height * 3 // 2, box.width), np.uint8)
        warp_box(self.picture, placed, Box(0, 0, box.width, box.height), displacement)
        return placed


def painted_share(share: Array, opening: Array) -> Array:
    """Return how much (…) of the inside of the mouth is painted over closed lips with shares and openings (…)."""
    seam = 1 - smoothstep((opening - SEAM_START) / (SEAM_END - SEAM_START))
    return np.asarray(1 - share * seam, np.float32)


def cut_out(frame: Frame, box: Box) -> Frame:
    """Return a box of an I420 frame as an I420 frame."""
    parts = []
    for plane, size in zip(planes(frame), (1, 2, 2), strict=True):
        rows = slice(box.top // size, (box.top + box.height) // size)
        parts.append(plane[rows, box.left // size : (box.left + box.width) // size].ravel())
    return np.asarray(np.concatenate(parts).reshape(box.height * 3 // 2, box.width))


def lips_coverage(lips: Array, box: Box, eye_distance: float, margin: float = MARGIN) -> Array:
    """Return the soft mask (height, width), 0 … 1, of lip points (40, 2) in pixels and a margin around them."""
    outline = np.round((lips[[*OUTER_TOP, *OUTER_BOTTOM[-2:0:-1]]] - box.corner) * 16).astype(np.int32)
    mask = np.zeros((box.height, box.width), np.uint8)
    cv2.fillPoly(mask, [outline], [255], cv2.LINE_AA, 4)
    thickness = max(1, round(2 * margin * eye_distance))
    cv2.polylines(mask, [outline], isClosed=True, color=[255], thickness=thickness, shift=4)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), SOFTNESS * eye_distance), np.float32) / 255


def rim_coverage(lips: Array, box: Box) -> Array:
    """Return the mask (height, width), 0 … 1, of the part :data:`RIM` of the lips."""
    middle = (lips[INNER_TOP] + lips[INNER_BOTTOM]) / 2
    upper, lower = (middle + RIM * (lips[row] - middle) for row in (OUTER_TOP, OUTER_BOTTOM))
    return polygon_mask(np.concatenate([upper, lower[-2:0:-1]]), box)


def match_light(picture: Frame, surroundings: Frame, hidden: Array, sigma: float) -> list[Array]:
    """Give a picture the light of another one of the same size, both I420.

    Args:
        picture: What is drawn.
        surroundings: Where.
        hidden: (height, width) in 0 … 1, where the two show different things, so that the light comes from around it.
        sigma: Reach of the light in pixels.

    Returns:
        float32 Y (height, width), U and V (height / 2, width / 2).
    """
    shrink = max(2, int(sigma / 1.5))
    size = max(1, hidden.shape[1] // shrink), max(1, hidden.shape[0] // shrink)
    known = 1 - cv2.resize(hidden, size, interpolation=cv2.INTER_AREA)
    given, wanted = (
        cv2.merge([cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes(frame)])
        for frame in (picture, surroundings)
    )
    given, wanted = (continue_smoothly(image.astype(np.float32), known, sigma / shrink) for image in (given, wanted))
    luma, *chroma = planes(picture)
    gain = np.clip((wanted[..., 0] - 15) / (given[..., 0] - 15), *GAIN_LIMITS)
    matched = [16 + (luma.astype(np.float32) - 16) * cv2.resize(gain, luma.shape[::-1])]
    for plane, change in zip(chroma, np.moveaxis(wanted - given, -1, 0)[1:], strict=True):
        matched.append(plane + cv2.resize(np.ascontiguousarray(change), plane.shape[::-1]))
    return [np.asarray(plane, np.float32) for plane in matched]


def continue_smoothly(image: Array, known: Array, sigma: float) -> Array:
    """Blur an image (rows, columns, 3) where it is known, and continue it from there.

    Args:
        image: float32.
        known: (rows, columns) in 0 … 1.
        sigma: In pixels.
    """
    share = known[..., None]
    total, weight = cv2.GaussianBlur(image * share, (0, 0), sigma), cv2.GaussianBlur(known, (0, 0), sigma)[..., None]
    mean = (image * share).sum((0, 1)) / max(float(known.sum()), 1e-3)
    return np.asarray((total + 1e-3 * mean) / (weight + 1e-3), np.float32)


def seam_contrast(frame: Frame, lips: Array) -> float:
    """Return how much the line between the lips differs from them, relative to them, where it differs most.

    It is small for lips that touch, however exactly they are tracked: teeth are bright, the dark of an open mouth is
    wide, and both are less red than lips.

    Args:
        frame: I420.
        lips: (40, 2) in pixels.
    """
    middle = ((lips[INNER_TOP] + lips[INNER_BOTTOM]) / 2)[2:9]
    above, below = (lips[row][2:9] - middle for row in (OUTER_TOP, OUTER_BOTTOM))
    heights = np.linspace(-SAMPLED, SAMPLED, 25, dtype=np.float32)[:, None, None]
    points = middle + np.maximum(-heights, 0) * above + np.maximum(heights, 0) * below
    luma, _, redness = planes(frame)
    brightness, red = _sample(luma, points) - 16, _sample(redness, points / 2 - 0.25) - 128
    upper, lower, between = brightness[:5].mean(0), brightness[-5:].mean(0), brightness[5:-5]
    scale = np.maximum((upper + lower) / 2, 20)
    dark = np.maximum(np.minimum(upper, lower) - between, 0).mean(0) / scale
    bright = np.maximum(between - np.maximum(upper, lower), 0).mean(0) / scale
    lips_red = float(np.concatenate([red[:5], red[-5:]]).mean())
    pale = (lips_red - float(red[5:-5].mean(1).min())) / max(lips_red, 4.0)
    return float(dark.max() + bright.max()) + pale


def _sample(plane: Frame, points: Array) -> Array:
    x, y = np.moveaxis(points.astype(np.float32), -1, 0)
    return cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
