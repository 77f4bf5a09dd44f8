"""Describe what a face looks like, so that the same person is recognised in another shot.

The description consists of histograms of oriented gradients (N. Dalal and B. Triggs, "Histograms of oriented gradients
for human detection", CVPR 2005) around landmarks of the upper face, which speech does not move. They follow the surface
of the face when it turns, and do not depend on brightness and contrast.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import LIPS, Array, canonical_face, head_pose
from heygem_cli.face.region import face_region
from heygem_cli.media.types import Frame

POINTS = 110
"""Landmarks around which histograms are taken."""
BINS = 8
"""Directions of a histogram."""
LENGTH = POINTS * BINS + 2
"""Numbers in a description: the histograms, the share of the landmarks that are seen, and the yaw in degrees."""
SCALE = 32
"""Pixels per inter-ocular distance of the picture that is described."""
RADIUS = 3.0
"""Standard deviation of the weights of a histogram, in these pixels."""
FAINT = 2.0
"""Strength of a gradient, in levels, below which its direction counts little."""
SAME = 3.1
"""Distance between histograms at which a face is as likely that of the same person as that of another."""
TURN = 30.0
"""Degrees between two faces that double the distance which the same person may have."""
EYES = -0.05
"""Height in the canonical frame above which landmarks are those of eyes, brows and forehead, which no mask covers."""
EYES_WEIGHT = 1.2
"""What the distance of this part is multiplied by, so that it is seldom that of somebody else."""
WHOLE = 0.95
"""Share of the landmarks that are in the picture if the whole face is."""
SIDE = 96
"""Rows and columns of this picture."""
_EYES = 1.5, 1.0
"""Where the eyes are in it, from the left and the upper edge, in inter-ocular distances."""


def describe(frame: Frame, landmarks: Array, *, hidden: bool = False) -> Array:
    """Describe the face with these landmarks (478, 3) in pixels: (:data:`LENGTH`,).

    Args:
        frame: The frame.
        landmarks: Those of the face.
        hidden: Whether something may hide part of it.
    """
    pose = head_pose(landmarks, canonical_face())
    region = replace(face_region(landmarks), side=SIDE / SCALE * float(pose.scale))
    luma = np.asarray(cv2.cvtColor(region.picture(frame, SIDE), cv2.COLOR_RGB2GRAY), np.float32)
    points = region.to_picture(landmarks[:, :2], SIDE)
    matrix = _to_front(points)
    aligned = cv2.warpAffine(luma, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    places = np.asarray(points[_points()] @ matrix[:, :2].T + matrix[:, 2], np.float32)
    histograms = np.stack(
        [
            cv2.remap(each, places[:, None, 0], places[:, None, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for each in _direction_maps(np.asarray(aligned, np.float32))
        ],
        -1,
    )[:, 0]
    chosen = landmarks[_points(), :2]
    inside = ((chosen >= 0) & (chosen < (frame.shape[1], frame.shape[0] * 2 // 3))).all(1).mean()
    norms = np.sqrt((histograms**2).sum(-1, keepdims=True)) + FAINT
    described = np.concatenate([np.sqrt(histograms / norms).ravel(), [0 if hidden else inside, pose.yaw]])
    return np.asarray(described, np.float32)


def distance(one: Array, other: Array) -> float:
    """Return how different two descriptions are: below 1 they are of the same person, as far as can be seen."""
    return float(distances(one[None], other[None])[0, 0])


def distances(some: Array, others: Array) -> Array:
    """Return the distances (n, m) of all pairs of descriptions (n, LENGTH) and (m, LENGTH).

    It is that of all points or that of those around the eyes, whichever is less: a mask or a hand may hide the rest.
    """
    turned = np.abs(np.subtract.outer(some[:, -1], others[:, -1]))
    whole = _apart(some[:, :-2], others[:, :-2])
    eyes = _apart(*(each[:, :-2].reshape(-1, POINTS, BINS)[:, _eye_points()] for each in (some, others)))
    eyes *= EYES_WEIGHT * np.sqrt(POINTS / len(_eye_points()))
    return np.asarray(np.minimum(whole, eyes) / (SAME * (1 + turned / TURN)), np.float32)


def _apart(some: Array, others: Array) -> Array:
    """Return the Euclidean distances (n, m) of all pairs of (n, …) and (m, …)."""
    flat, other = some.reshape(len(some), -1), others.reshape(len(others), -1)
    squared = np.add.outer((flat**2).sum(1), (other**2).sum(1)) - 2 * flat @ other.T
    return np.asarray(np.sqrt(np.maximum(squared, 0)))


def described_points(landmarks: Array) -> Array:
    """Return the points (:data:`POINTS`, 2), of landmarks (478, 3), that a description is about."""
    return np.asarray(landmarks[_points(), :2])


def point_distances(one: Array, other: Array) -> Array:
    """Return how different two descriptions are around each of the points: (:data:`POINTS`,)."""
    apart = (one - other)[:-2].reshape(POINTS, BINS)
    return np.asarray(np.linalg.norm(apart, axis=1), np.float32)


def are_whole(samples: Array) -> npt.NDArray[np.bool_]:
    """Return which of some descriptions (n, LENGTH) are of faces that are seen wholly."""
    return np.asarray(samples[:, -2] > WHOLE)


@cache
def _upper_face() -> list[int]:
    """Return the landmarks above the mouth."""
    face = canonical_face()[:468]
    return [int(point) for point in np.flatnonzero(face[:, 1] < canonical_face()[list(LIPS), 1].min() - 0.05)]


@cache
def _points() -> list[int]:
    """Return landmarks that are spread over the upper face: each is the farthest from those before."""
    face = canonical_face()
    candidates = np.array([point for point in _upper_face() if abs(face[point, 0]) < 0.78])
    places = face[candidates, :2]
    chosen = [int(np.argmin(np.abs(places).sum(1)))]
    distances = np.linalg.norm(places - places[chosen[0]], axis=1)
    while len(chosen) < POINTS:
        chosen.append(int(np.argmax(distances)))
        distances = np.minimum(distances, np.linalg.norm(places - places[chosen[-1]], axis=1))
    return [int(point) for point in candidates[chosen]]


@cache
def _eye_points() -> npt.NDArray[np.int64]:
    """Return which of the landmarks of a description are around the eyes."""
    return np.flatnonzero(canonical_face()[_points(), 1] < EYES)


def _to_front(points: Array) -> Array:
    """Return the affine transform (2, 3) that moves a face (478, 2) to that of the canonical face."""
    known = np.column_stack([points[_upper_face()], np.ones(len(_upper_face()), np.float32)])
    wanted = (canonical_face()[_upper_face(), :2] + _EYES) * SCALE - 0.5
    return np.asarray(np.linalg.solve(known.T @ known, known.T @ wanted).T, np.float32)


def _direction_maps(luma: Array) -> list[Array]:
    """Return for each direction how strong the gradients in it are around each pixel: (height, width)."""
    soft = cv2.GaussianBlur(luma, (0, 0), 0.8)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=1), cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=1)
    strength, angle = cv2.cartToPolar(across, down)
    position = angle * np.float32(BINS / (2 * np.pi))
    maps = []
    for direction in range(BINS):
        apart = np.abs((position - direction + BINS / 2) % BINS - BINS / 2)
        maps.append(cv2.GaussianBlur(strength * np.maximum(1 - apart, 0), (0, 0), RADIUS))
    return maps
