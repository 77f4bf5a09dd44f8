"""The shape of a mouth, as far as it tells what shows between the lips.

The same opening shows other teeth if the lips are spread or rounded, if the upper lip is raised or the jaw lowered, or
if the lower lip is drawn in.
"""

from __future__ import annotations

import numpy as np

from heygem_cli.face.geometry import CHIN, LIPS, Array, canonical_face, head_pose
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP, OUTER_BOTTOM

# Differences that count alike, in inter-ocular distances: fitted to how well the inside of one mouth stands for that of
# another in GRID and in ten public clips; what is fitted to one of them serves the other as well.
UPPER_LINE = 0.007
"""Of the upper inner lip from the corners, in the root mean square along the mouth."""
LOWER_LINE = 0.004
"""Likewise of the lower inner lip."""
HALF_WIDTH = 0.007
"""Of half the width of the mouth."""
UPPER_LIP = 0.009
"""Of the height of the upper lip on the skull, and so on the upper teeth."""
JAW = 0.012
"""Of the height of the chin."""
LOWER_THICKNESS = 0.0066
"""Of the height of the lower lip itself, in the root mean square along its middle."""

LINES = 22
"""Length of the part of a shape that describes the inner lips; what follows describes the face around them."""
DISTINCT = 1.5
"""Distance between shapes that are worth a picture each."""


def tracked_shape(landmarks: Array) -> Array:
    """Describe the mouths of landmarks (…, 478, 3) in pixels, see :func:`mouth_shape`."""
    return mouth_shape(head_pose(landmarks, canonical_face()).to_canonical(landmarks[..., [*LIPS, CHIN], :]))


def mouth_shape(points: Array) -> Array:
    """Describe mouths by vectors (…, 30) whose distance tells how different their insides are; 1 is hardly seen.

    Args:
        points: (…, 41, 3) lip points and chin in the canonical frame.
    """
    x, y = points[..., 0], points[..., 1]
    left, right = INNER_TOP[0], INNER_TOP[-1]
    corners = (y[..., [left]] + y[..., [right]]) / 2
    middle = slice(3, 8)
    thickness = y[..., OUTER_BOTTOM[middle]] - y[..., INNER_BOTTOM[middle]]
    parts = (
        ((y[..., INNER_TOP] - corners) / np.sqrt(len(INNER_TOP)), UPPER_LINE),
        ((y[..., INNER_BOTTOM] - corners) / np.sqrt(len(INNER_BOTTOM)), LOWER_LINE),
        ((x[..., [right]] - x[..., [left]]) / 2, HALF_WIDTH),
        (y[..., [INNER_TOP[5]]], UPPER_LIP),
        (y[..., [40]], JAW),
        (thickness / np.sqrt(thickness.shape[-1]), LOWER_THICKNESS),
    )
    return np.asarray(np.concatenate([part / unit for part, unit in parts], -1), np.float32)


def typical_open_shape(points: Array, opening: float) -> Array | None:
    """Return the mean shape (30,) of mouths that are open by ``opening`` or more, None if there are none.

    Args:
        points: (frames, 41, 3) lip points and chins in the canonical frame.
        opening: In inter-ocular distances.
    """
    middle = len(INNER_TOP) // 2
    wide = points[:, INNER_BOTTOM[middle], 1] - points[:, INNER_TOP[middle], 1] >= opening
    return np.asarray(mouth_shape(points[wide]).mean(0), np.float32) if wide.any() else None


def distances(shapes: Array, shape: Array) -> Array:
    """Return the squared distances (mouths,) of shapes (mouths, 30) from one (30,)."""
    apart = shapes - shape
    return np.asarray(np.einsum("ij,ij->i", apart, apart))


def spread(shapes: Array, count: int) -> list[int]:
    """Choose up to ``count`` of the shapes (mouths, 30), each as different as possible from those before it.

    Those that are less than :data:`DISTINCT` from a chosen one are left out.
    T. F. Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical Computer Science 1985.
    """
    chosen: list[int] = []
    nearest = np.full(len(shapes), np.inf)
    while len(chosen) < count and nearest.max(initial=0) >= DISTINCT**2:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, distances(shapes, shapes[chosen[-1]]))
    return chosen
