"""What covers the lower face in a frame: found by a network, kept steady over time, and put back over what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import LIPS, Array, Pose, canonical_face, head_pose
from heygem_cli.media.types import Frame, planes
from heygem_cli.mesh.controls import LOWER_OUTLINE, OUTER_BOTTOM, OUTER_TOP, background_ring
from heygem_cli.mesh.cover_network import SCALE, SIDE, CoverNetwork, cover_matrix, resample_to_frame
from heygem_cli.mesh.crop import sample_crop
from heygem_cli.mesh.field import smoothstep
from heygem_cli.mesh.warp import Box, blend_box

# Likelihoods are the network's, lengths are in pixels of its image, unless stated otherwise.
CERTAIN, LIKELY = 0.6, 0.4
"""A cover has a pixel that is certain, or was covered in the frame before; all of its pixels are likely."""
INSIDE = 0.9
"""Radius of the part of the face that a cover has to reach, relative to the face outline: the tracker is not exact."""
MIN_AREA = 12
"""Smallest cover of the face: less is noise of the network."""
PERSISTENCE = 0.7
"""Share of the likelihood that stays in the next frame, against flicker."""
HELD = 0.2
"""Likelihood from which a pixel that was covered in the frame before stays so."""
GROWTH = 1
"""How far a cover is widened, since its edges are not exact."""
GAP = 4
"""Gaps up to twice as wide are closed: between letters and fingers."""
SOFTNESS = 1.0
"""Standard deviation of its soft edge."""
SOLID = 0.5
"""Opacity of the soft edge from which pixels are the source's own."""
JUMP = 0.4
"""Inter-ocular distances. A face that moves further within a frame is another one, or after a cut."""
FADE_START, FADE_END = 0.65, 0.9
"""Covered shares of the lips from which the speech fades, and at which the frame is left unchanged."""
FADE_FRAMES = 3
"""Frames within which the speech comes back."""
THUMBNAIL = 24
"""Width and height of a thumbnail of the lower face."""
SUDDEN = 28.0
"""Levels of luma by which a place of it changes for a single frame if something may pass; in speech few places do."""
NEARNESS = 8.0
"""See :func:`fill`, for skin that goes on behind a cover."""
SMOOTHINGS = 4
"""How often that skin is smoothed by a square of 3 pixels."""
NOTHING = np.zeros((0, 0), np.float32)
"""The likelihood and the opacity where nothing is covered."""


@dataclass(frozen=True)
class Cover:
    """What covers the lower face in one frame.

    Attributes:
        matrix: (2, 3), see :func:`cover_matrix`.
        opacity: (SIDE, SIDE) in 0 … 1, with soft edges; empty where nothing is covered.
        strength: How much of the speech may show, 0 … 1: 0 if the mouth is hidden.
    """

    matrix: Array
    opacity: Array
    strength: float

    def __bool__(self) -> bool:
        return bool(self.opacity.size)

    def box(self, frame: Frame) -> Box:
        """Return the box of the frame that the cover lies in."""
        rows, columns = (np.flatnonzero(self.opacity.any(axis)) for axis in (1, 0))
        low, high = np.array([columns[0], rows[0]]) - 1, np.array([columns[-1], rows[-1]]) + 2
        corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]], np.float32)
        back = cv2.invertAffineTransform(self.matrix)
        return Box.around(np.asarray(corners @ back[:, :2].T + back[:, 2], np.float32), frame, 2)

    def without(self, frame: Frame) -> Frame:
        """Return an I420 frame in which what is covered is filled with the colours around it."""
        box, filled = self.box(frame), frame.copy()
        if box.width and box.height:
            image = sample_crop(frame, self.matrix, SIDE, SIDE).astype(np.float32)
            hidden = resample_to_frame(self.opacity, self.matrix, box)
            smooth = continue_over(image, np.minimum(1, self.opacity * 20))
            blend_box(filled, box, resample_to_frame(smooth, self.matrix, box), np.minimum(1, hidden * 8))
        return filled

    def restore(self, frame: Frame, output: Frame) -> None:
        """Put the pixels of an I420 frame back into an output where something covers the face."""
        box = self.box(frame)
        if not box.width or not box.height:
            return
        weight = np.minimum(1, resample_to_frame(self.opacity, self.matrix, box) / SOLID)
        halved = weight.reshape(box.height // 2, 2, box.width // 2, 2).max((1, 3))
        for source, target, step in zip(planes(frame), planes(output), (1, 2, 2), strict=True):
            opacity = weight if step == 1 else halved
            rows, columns = opacity.shape
            own, part = (plane[box.top // step :, box.left // step :][:rows, :columns] for plane in (source, target))
            part[:] = np.rint(part + opacity * (own.astype(np.float32) - part))


def continue_over(image: Array, hidden: Array) -> Array:
    """Fill hidden pixels so that the colours beside them go on: where they end, the edge would show as a line.

    Args:
        image: float32 (rows, columns, 3).
        hidden: (rows, columns) in 0 … 1.
    """
    color = fill(image, hidden, NEARNESS)
    for _ in range(SMOOTHINGS):
        color = np.where(hidden[..., None] > 0, cv2.blur(color, (3, 3)), image)
    return np.asarray(color, np.float32)


def fill(image: Array, hidden: Array, nearness: float = 1.0) -> Array:
    """Fill hidden pixels smoothly from those around them.

    Each level of an image pyramid fills its gaps from the next coarser one (S. Gortler et al., "The Lumigraph",
    SIGGRAPH 1996).

    Args:
        image: float32 (rows, columns, 3).
        hidden: (rows, columns) in 0 … 1.
        nearness: 1 for the mean colour of all around; the more, the more the nearest colours prevail.
    """
    known = (1 - hidden)[..., None]
    levels = [np.concatenate([image * known, known], -1)]
    while min(levels[-1].shape[:2]) > 2:
        level = cv2.pyrDown(levels[-1], borderType=cv2.BORDER_REPLICATE)
        weight = np.maximum(level[..., 3:], 1e-6)
        levels.append(level * (np.minimum(1, nearness * weight) / weight))
    color = levels[-1][..., :3] / np.maximum(levels[-1][..., 3:], 1e-6)
    for level in levels[-2::-1]:
        coarse = cv2.pyrUp(color, dstsize=level.shape[1::-1])
        weight = np.clip(level[..., 3:], 0, 1)
        color = coarse * (1 - weight) + level[..., :3]
    return np.asarray(color, np.float32)


class CoverFinder:
    """Finds what covers one person's lower face in successive frames.

    Args:
        network: Finds it in a single frame.
    """

    def __init__(self, network: CoverNetwork) -> None:
        self._network = network
        self._before: _Before | None = None

    def find(self, frames: Sequence[Frame], numbers: Sequence[int], landmarks: Array, pose: Pose) -> list[Cover]:
        """Return what covers the face in each of some successive frames.

        The network does not look at a frame with an even number that is given together with the next one, if nothing
        covers the face before and after it, and it looks like one of the two.

        Args:
            frames: I420.
            numbers: The number of each frame in the output.
            landmarks: (frames, 478, 3) in pixels.
            pose: The head poses.
        """
        views = [
            _View(self._network, *each, pose[index])
            for index, each in enumerate(zip(frames, numbers, landmarks, strict=True))
        ]
        return [self._find(*pair) for pair in zip_longest(views, views[1:])]

    def _find(self, view: _View, following: _View | None) -> Cover:
        before = self._before if self._before and is_near(self._before.pose, view.pose) else None
        covered: npt.NDArray[np.bool_] | None = None
        likelihood = NOTHING
        if before is None or following is None or not _is_between_clear(before, view, following):
            likelihood = view.likelihood
            certain = likelihood > CERTAIN
            if before is not None and before.likelihood.size:
                certain |= before.likelihood > 0
                stays = np.where(likelihood > HELD, 1, PERSISTENCE)
                likelihood = np.maximum(likelihood, stays * before.likelihood)
            covered = find_covers(likelihood, certain, view.points)
        strength, opacity, kept = 1.0, NOTHING, NOTHING
        if covered is not None:
            lips = lips_mask(view.points)
            strength = fade(float(covered[lips].mean()) if lips.any() else 0.0)
            opacity, kept = soften(covered), likelihood * covered
        if before is not None:
            strength = min(strength, before.strength + 1 / FADE_FRAMES)
        self._before = _Before(view.number, view.pose, view.thumbnail, kept, strength)
        return Cover(view.matrix, opacity, strength)


@dataclass(frozen=True)
class _View:
    """The lower face in one frame, at which the network looks when it has to."""

    network: CoverNetwork
    frame: Frame
    number: int
    landmarks: Array
    pose: Pose

    @cached_property
    def matrix(self) -> Array:
        return cover_matrix(self.pose)

    @cached_property
    def points(self) -> Array:
        return np.asarray(self.landmarks[:, :2] @ self.matrix[:, :2].T + self.matrix[:, 2], np.float32)

    @cached_property
    def likelihood(self) -> Array:
        return self.network.predict(self.frame, self.matrix)

    @cached_property
    def thumbnail(self) -> Array:
        """The luma (THUMBNAIL, THUMBNAIL) of the lower face."""
        luma, matrix = planes(self.frame)[0], cover_matrix(self.pose, SCALE * THUMBNAIL / SIDE, THUMBNAIL)
        size = THUMBNAIL, THUMBNAIL
        return np.asarray(cv2.warpAffine(luma, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.float32)


@dataclass(frozen=True)
class _Before:
    """What was found in the frame before."""

    number: int
    pose: Pose
    thumbnail: Array
    likelihood: Array
    strength: float


def is_near(before: Pose, after: Pose) -> bool:
    """Return whether a face can have moved so within a frame."""
    moved = float(np.abs(after.translation - before.translation)[:2].max())
    return moved < JUMP * float(before.scale) and abs(float(after.scale / before.scale) - 1) < JUMP


def _is_between_clear(before: _Before, view: _View, after: _View) -> bool:
    """Return whether a frame with an even number is between two like it in which nothing covers the same face."""
    if view.number % 2 or (before.number, after.number) != (view.number - 1, view.number + 1):
        return False
    if before.likelihood.size or not is_near(view.pose, after.pose):
        return False
    change = np.minimum(np.abs(view.thumbnail - before.thumbnail), np.abs(view.thumbnail - after.thumbnail))
    if cv2.blur(change, (3, 3)).max() > SUDDEN:
        return False
    return find_covers(after.likelihood, after.likelihood > CERTAIN, after.points) is None


def find_covers(likelihood: Array, certain: npt.NDArray[np.bool_], points: Array) -> npt.NDArray[np.bool_] | None:
    """Return which pixels (SIDE, SIDE) are covered, None if none is.

    What lies between the lips only are teeth and tongue, and what reaches neither the face nor the neck is
    beside it.

    Args:
        likelihood: (SIDE, SIDE), see :meth:`CoverNetwork.predict`.
        certain: (SIDE, SIDE) where there surely is one.
        points: (478, 2) the landmarks in its pixels.
    """
    if not certain.any():
        return None
    near, lips = polygon(_near_mouth(points)), lips_mask(points)
    likely = likelihood > LIKELY
    count, labels = cv2.connectedComponents(close_gaps(likely))
    kept = np.zeros(count, bool)
    for label in range(1, count):
        here = (labels == label) & likely
        matters = bool((certain & here).any()) and np.count_nonzero(here & near) >= MIN_AREA
        kept[label] = matters and bool((here & ~lips).any())
    return kept[labels] if kept.any() else None


def _near_mouth(points: Array) -> Array:
    """Return points around the face, a little inside its outline, and the neck below the chin."""
    outline = points[list(LOWER_OUTLINE)]
    center = outline.mean(0)
    neck = background_ring(np.asarray(points, np.float32))[8:13]
    return np.concatenate([center + INSIDE * (outline - center), neck])


def polygon(points: Array) -> npt.NDArray[np.bool_]:
    """Return which pixels (SIDE, SIDE) lie in the convex hull of points (points, 2)."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points * 16).astype(np.int32)), [1], cv2.LINE_8, 4)
    return mask > 0


def lips_mask(points: Array) -> npt.NDArray[np.bool_]:
    """Return which pixels (SIDE, SIDE) are lips or between them, from landmarks (478, 2)."""
    lips = points[list(LIPS)]
    return polygon(lips[[*OUTER_TOP, *OUTER_BOTTOM]])


def close_gaps(covered: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Close the gaps between the parts of a cover (SIDE, SIDE): 0 or 1."""
    padded = np.pad(covered.astype(np.uint8), GAP)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, _disc(GAP))
    return np.asarray(closed[GAP:-GAP, GAP:-GAP], np.uint8)


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def soften(covered: npt.NDArray[np.bool_]) -> Array:
    """Widen a cover and give it a soft edge: (SIDE, SIDE) in 0 … 1."""
    grown = cv2.dilate(covered.astype(np.float32), _disc(GROWTH))
    opacity = cv2.GaussianBlur(grown, (0, 0), SOFTNESS)
    return np.asarray(np.where(opacity < 0.05, 0, opacity), np.float32)


def fade(share: float) -> float:
    """Return the strength of the speech for the covered share of the lips."""
    return float(1 - smoothstep((share - FADE_START) / (FADE_END - FADE_START)))


def covers_mouth(network: CoverNetwork, frame: Frame, landmarks: Array, around: float = 0.0) -> bool:
    """Return whether anything covers the mouth of a single frame, see :meth:`CoverFinder.find`.

    ``around`` is the width of the skin around the lips that counts, too, in inter-ocular distances.
    """
    (cover,) = CoverFinder(network).find([frame], [0], landmarks[None], head_pose(landmarks[None], canonical_face()))
    if not cover:
        return False
    points = landmarks[:, :2] @ cover.matrix[:, :2].T + cover.matrix[:, 2]
    mouth = cv2.dilate(lips_mask(points).astype(np.uint8), _disc(round(around * SCALE)))
    return bool((cover.opacity[mouth > 0] > SOLID).any())
