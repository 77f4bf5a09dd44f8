"""Bridge short gaps in the landmarks of one face and remove jitter, without lag."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from heygem_cli.face.geometry import Array, interocular

MAX_GAP = 5
"""Frames. A gap that is not longer is a failure of the tracker; else the face has left."""
MAX_JUMP = 2.0
"""Inter-ocular distances that a face can move in a gap."""
RADIUS = 3
"""Frames on each side that a landmark is averaged with."""
JITTER = 0.006
"""Inter-ocular distances. Differences of this size are noise of the tracker; larger ones are motion."""


def bridge_gaps(rows: Array, max_gap: int = MAX_GAP, max_jump: float = MAX_JUMP) -> Array:
    """Fill gaps of up to ``max_gap`` frames by linear interpolation.

    Args:
        rows: Landmarks (frames, 478, 3), NaN without a face.
        max_gap: Length of the longest gap that is filled.
        max_jump: Inter-ocular distances. A gap across which a landmark moves farther (a cut) is not filled.
    """
    filled = rows.copy()
    present = np.flatnonzero(~np.isnan(rows[:, 0, 0]))
    for before, after in pairwise(present):
        gap = after - before - 1
        if not 0 < gap <= max_gap:
            continue
        if np.abs(rows[after] - rows[before])[:, :2].max() <= max_jump * interocular(rows[before]):
            share = (np.arange(1, gap + 1, dtype=np.float32) / np.float32(gap + 1))[:, None, None]
            filled[before + 1 : after] = (1 - share) * rows[before] + share * rows[after]
    return filled


def smooth(rows: Array, radius: int = RADIUS) -> Array:
    """Smooth landmarks (frames, 478, 3) over ±``radius`` frames without lag; frames without a face are NaN.

    A bilateral filter in time (C. Tomasi and R. Manduchi, "Bilateral filtering for gray and color images", ICCV 1998):
    each landmark is averaged with itself in the neighbouring frames, weighted by distance in time and in space, so that
    jitter is removed and motion is preserved. Frames beyond one without a face are no neighbours.
    """
    jitter = (JITTER * interocular(rows))[:, None]
    present = ~np.isnan(rows[:, 0, 0])
    # Coordinates come first: NumPy is slow where the last axis is short.
    points = np.where(present[:, None], np.moveaxis(rows, -1, 0), 0)
    total, weights = points.copy(), np.ones(rows.shape[:2], np.float32)
    after, before = present.copy(), present.copy()
    for distance in range(1, min(radius, len(rows) - 1) + 1):
        early, late = slice(None, -distance), slice(distance, None)
        squared = (points[0, late] - points[0, early]) ** 2 + (points[1, late] - points[1, early]) ** 2
        after[early] &= present[late]
        before[late] &= present[early]
        for middle, neighbour, reached in ((early, late, after), (late, early, before)):
            weight = np.exp(-squared / (2 * jitter[middle] ** 2) - distance**2 / (radius**2 / 2))
            weight[~reached[middle]] = 0
            total[:, middle] += weight * points[:, neighbour]
            weights[middle] += weight
    total /= weights
    total[:, ~present] = np.nan
    return np.ascontiguousarray(np.moveaxis(total, 0, -1))
