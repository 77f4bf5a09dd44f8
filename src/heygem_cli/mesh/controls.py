"""Which points of a face hold the warp, and how each of them moves with speech."""

from __future__ import annotations

import numpy as np

from heygem_cli.face.geometry import CHIN, Array

# Jaw line from one ear to the other, and how much of the chin's motion each point takes: a bell with its top at the
# chin. The ears stay.
_HALF_JAW = ((234, 0.0), (93, 0.02), (132, 0.06), (58, 0.14), (172, 0.3), (136, 0.48), (150, 0.68), (149, 0.84))
_HALF_CHIN = ((176, 0.93), (148, 0.98))
_OTHER_HALF = ((454, 0.0), (323, 0.02), (361, 0.06), (288, 0.14), (397, 0.3), (365, 0.48), (379, 0.68), (378, 0.84))
_OTHER_CHIN = ((400, 0.93), (377, 0.98))
# The front of the chin moves with the jaw bone.
_CHIN_FRONT = ((CHIN, 1.0), (175, 1.0), (199, 1.0), (200, 0.95), (208, 0.85), (428, 0.85))
JAW: dict[int, float] = dict((*_HALF_JAW, *_HALF_CHIN, *_CHIN_FRONT, *_OTHER_HALF, *_OTHER_CHIN))

# What speech leaves alone: nose, cheekbones, the skin under the eyes.
STILL = (1, 2, 4, 5, 98, 327, 64, 294, 50, 280, 123, 352, 116, 345, 119, 348, 6, 33, 263)

OVAL_LOWER = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454)
RING_SCALE = 1.3
"""Where the ring outside the face that holds the background still stands, in distances from the face's middle."""

SIDE_UPPER = np.array([+1.0] * 11 + [-1.0] * 9 + [+1.0] * 11 + [-1.0] * 9, np.float32)
"""For each lip point whether it belongs to the upper (+1) or the lower lip (−1); corners are told apart by place."""

INNER_TOP = list(range(20, 31))
INNER_BOTTOM = [20, *range(31, 40), 30]
"""Rows of the inner lip line among the lip points, from one corner to the other."""
OUTER_TOP = list(range(11))
OUTER_BOTTOM = [0, *range(11, 20), 10]
"""Rows of the outer lip line, in the same columns."""


def ring(landmarks: Array) -> Array:
    """Points (21, 2) outside the lower face that stay where they are."""
    middle = landmarks[[1, 152, 10, 234, 454], :2].mean(0)
    return np.asarray(middle + RING_SCALE * (landmarks[list(OVAL_LOWER), :2] - middle), np.float32)
