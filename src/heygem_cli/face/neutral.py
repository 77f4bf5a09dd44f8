"""The closed mouth of a person, which lip offsets are relative to, in training and in rendering."""

from __future__ import annotations

import numpy as np

from heygem_cli.face.geometry import Array

MAX_CLOSED_OPENING = 0.012
"""Opening of the inner lips, in inter-ocular distances, up to which the mouth counts as closed."""
CLOSED_SHARE = 0.1
"""Share of the frames, those with the smallest opening, that the closed mouth is computed from."""
MIN_CLOSED_FRAMES = 3

# The nine columns between the two corners, in the order of geometry.LIPS.
_OUTER_LOWER, _OUTER_UPPER = slice(11, 20), slice(1, 10)
_INNER_LOWER, _INNER_UPPER = slice(31, 40), slice(21, 30)
_CHIN = 40
_LOWER_SHARE = 0.75
"""Share of a gap that the jaw closes; the upper lip closes the rest."""


def closed_mouth(points: Array, openings: Array) -> Array:
    """Estimate the closed mouth of a person: the median of the frames with the smallest opening.

    These are a tenth of the frames, but at least 3, so that one bad frame has no effect. If the mouth is open in all of
    them (a photograph of a smile), it is closed by moving the lips and the chin together.

    Args:
        points: (frames, 41, 2 or 3) lip points and chin in the canonical frame.
        openings: (frames,) see :func:`heygem_cli.face.geometry.mouth_opening`.

    Returns:
        (41, 2 or 3).
    """
    count = min(len(openings), max(MIN_CLOSED_FRAMES, round(CLOSED_SHARE * len(openings))))
    smallest = np.argsort(openings, kind="stable")[:count]
    mouth = np.asarray(np.median(points[smallest], axis=0), np.float32)
    return mouth if float(np.median(openings[smallest])) <= MAX_CLOSED_OPENING else close_mouth(mouth, np.float32(1))


def close_mouth(mouth: Array, share: Array | np.float32) -> Array:
    """Move the lips and the chin together.

    Args:
        mouth: (…, 41, 2 or 3) lip points and chin, or their offsets from a closed mouth.
        share: (…) of the gap between the inner lips that is closed, 0 … 1.
    """
    closed = mouth.copy()
    gaps = np.maximum(mouth[..., _INNER_LOWER, 1] - mouth[..., _INNER_UPPER, 1], 0) * np.asarray(share)[..., None]
    for lower, upper in ((_INNER_LOWER, _INNER_UPPER), (_OUTER_LOWER, _OUTER_UPPER)):
        closed[..., lower, 1] -= _LOWER_SHARE * gaps
        closed[..., upper, 1] += (1 - _LOWER_SHARE) * gaps
    closed[..., _CHIN, 1] -= _LOWER_SHARE * gaps.max(-1)
    return closed
