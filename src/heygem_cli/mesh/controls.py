"""Control points of the face warp."""

from __future__ import annotations

import numpy as np

from heygem_cli.face.geometry import CHIN, Array

# The jaw line from ear to ear and the share of the chin's motion that each landmark takes: bell-shaped, 0 at the ears.
_RIGHT_JAW = ((234, 0.0), (93, 0.02), (132, 0.06), (58, 0.14), (172, 0.3), (136, 0.48), (150, 0.68), (149, 0.84))
_RIGHT_CHIN = ((176, 0.93), (148, 0.98))
_LEFT_JAW = ((454, 0.0), (323, 0.02), (361, 0.06), (288, 0.14), (397, 0.3), (365, 0.48), (379, 0.68), (378, 0.84))
_LEFT_CHIN = ((400, 0.93), (377, 0.98))
# The front of the chin moves with the jaw bone.
_CHIN_FRONT = ((CHIN, 1.0), (175, 1.0), (199, 1.0), (200, 0.95), (208, 0.85), (428, 0.85))
JAW_WEIGHTS: dict[int, float] = dict((*_RIGHT_JAW, *_RIGHT_CHIN, *_CHIN_FRONT, *_LEFT_JAW, *_LEFT_CHIN))

CHIN_FRONT = [list(JAW_WEIGHTS).index(landmark) for landmark, _ in _CHIN_FRONT]
"""Indices of the front of the chin in an array of jaw points, the tip first."""

FIXED = (1, 2, 4, 5, 98, 327, 64, 294, 50, 280, 123, 352, 116, 345, 119, 348, 6, 33, 263)
"""Landmarks that speech does not move: nose, cheekbones, the skin under the eyes."""

LOWER_OUTLINE = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454)
RING_SCALE = 1.3
"""Radius of the ring around the face at which the background stays still, relative to the face outline."""

LIP_SIDES = np.array([+1.0] * 11 + [-1.0] * 9 + [+1.0] * 11 + [-1.0] * 9, np.float32)
"""+1 for each point of the upper lip, −1 for the lower lip. The corners count as upper: both sides coincide there."""

INNER_TOP = list(range(20, 31))
INNER_BOTTOM = [20, *range(31, 40), 30]
"""Indices of the inner lip lines in an array of lip points, from corner to corner."""
OUTER_TOP = list(range(11))
OUTER_BOTTOM = [0, *range(11, 20), 10]
"""Indices of the outer lip lines, in the same columns."""


def background_ring(landmarks: Array) -> Array:
    """Return points (…, 21, 2) around the lower face where the background must not move."""
    center = landmarks[..., [1, 152, 10, 234, 454], :2].mean(-2)[..., None, :]
    return np.asarray(center + RING_SCALE * (landmarks[..., LOWER_OUTLINE, :2] - center), np.float32)
