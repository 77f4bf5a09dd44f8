"""Landmark indices, the canonical frame, head pose and mouth opening.

Landmarks are MediaPipe Face Mesh's 478 points (x, y, z) in pixels: y points down, z away from the camera, on about the
scale of x. In the canonical frame the head is upright and frontal, the origin is the midpoint of the outer eye corners,
and the unit is the distance between them (the inter-ocular distance).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from heygem_cli.onnx import model_path

Array = npt.NDArray[np.float32]

LANDMARKS = 478

LEFT_EYE, RIGHT_EYE = 33, 263
CHIN = 152
INNER_UPPER_MID, INNER_LOWER_MID = 13, 14
OUTER_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
OUTER_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
INNER_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
# 20 outer and 20 inner points, without repeating the corners: the order of every array of lip points.
LIPS = OUTER_UPPER + OUTER_LOWER[1:-1] + INNER_UPPER + INNER_LOWER[1:-1]
# Points that do not move in speech: eye corners, nose bridge, temples, brows.
STABLE = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 127, 356, 234, 454, 70, 300, 107, 336)


@cache
def canonical_face() -> Array:
    """Return the landmarks (478, 3) of the mean face in the canonical frame, which head poses are relative to."""
    return np.asarray(np.load(model_path("canonical_face.npy")), np.float32)


_PerFrame = TypeVar("_PerFrame", bound="PerFrame")


@dataclass(frozen=True)
class PerFrame:
    """Arrays, or other such dataclasses, of one frame, or of several, which are then their first axis."""

    def __getitem__(self: _PerFrame, index: int) -> _PerFrame:
        """Return the values of one of several frames."""
        return replace(self, **{each.name: getattr(self, each.name)[index] for each in fields(self)})


@dataclass(frozen=True)
class Pose(PerFrame):
    """Similarity transforms to image coordinates: ``image = scale * rotation @ canonical + translation``.

    Shapes: scale (…,), rotation (…, 3, 3), translation (…, 3).
    """

    scale: Array
    rotation: Array
    translation: Array

    def to_image(self, points: Array) -> Array:
        """Transform canonical points (…, points, 3) to pixels."""
        rotated = points @ np.swapaxes(self.rotation, -1, -2)
        return np.asarray(self.scale[..., None, None] * rotated + self.translation[..., None, :], np.float32)

    def to_canonical(self, points: Array) -> Array:
        """Transform points (…, points, 3) in pixels to the canonical frame."""
        scaled = (points - self.translation[..., None, :]) / self.scale[..., None, None]
        return np.asarray(scaled @ self.rotation, np.float32)

    @property
    def yaw(self) -> Array:
        """Rotation to the side in degrees, 0 when frontal."""
        return np.asarray(np.degrees(np.arctan2(self.rotation[..., 0, 2], self.rotation[..., 2, 2])), np.float32)

    @property
    def pitch(self) -> Array:
        """Rotation up or down in degrees, 0 when frontal."""
        return np.asarray(np.degrees(np.arcsin(np.clip(self.rotation[..., 1, 2], -1, 1))), np.float32)


def similarity(source: Array, target: Array) -> Pose:
    """Fit the similarity transforms that map ``source`` to ``target`` in the least-squares sense.

    S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991.

    Args:
        source: Points (points, 3).
        target: Points (…, points, 3).
    """
    source_mean, target_mean = source.mean(0), target.mean(-2)
    source_zero, target_zero = source - source_mean, target - target_mean[..., None, :]
    covariance = np.swapaxes(target_zero, -1, -2) @ source_zero / len(source)
    left, singular, right = np.linalg.svd(covariance.astype(np.float64))
    sign = np.ones_like(singular)
    sign[..., -1] = np.sign(np.linalg.det(left) * np.linalg.det(right))
    rotation = (left * sign[..., None, :]) @ right
    scale = (singular * sign).sum(-1) / source_zero.var(0).sum()
    translation = target_mean - scale[..., None] * (rotation @ source_mean)
    return Pose(*(np.asarray(part, np.float32) for part in (scale, rotation, translation)))


def head_pose(landmarks: Array, canonical: Array) -> Pose:
    """Fit the head poses of landmarks (…, 478, 3) to the points of the canonical face that do not move in speech."""
    return similarity(canonical[list(STABLE)], landmarks[..., STABLE, :])


def interocular(landmarks: Array) -> Array:
    """Return the distance between the outer eye corners, in the unit of ``landmarks`` (…, 478, 3)."""
    return np.asarray(np.linalg.norm(landmarks[..., LEFT_EYE, :] - landmarks[..., RIGHT_EYE, :], axis=-1))


def bounds(points: Array) -> tuple[Array, Array]:
    """Return the upper left and the lower right corner (2,) of the box around points (points, 2 or more)."""
    x, y = points[:, 0], points[:, 1]  # along the long axis of a narrow array, NumPy takes five times as long
    return np.array([x.min(), y.min()], np.float32), np.array([x.max(), y.max()], np.float32)


def mouth_opening(landmarks: Array) -> Array:
    """Return the opening of the inner lips of landmarks (…, 478, 3), in inter-ocular distances."""
    gap = landmarks[..., INNER_UPPER_MID, :2] - landmarks[..., INNER_LOWER_MID, :2]
    return np.asarray(np.linalg.norm(gap, axis=-1) / interocular(landmarks))
