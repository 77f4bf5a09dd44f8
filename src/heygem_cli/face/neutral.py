"""The closed mouth of a person: what every lip offset is measured from, in training and in rendering."""

from __future__ import annotations

import numpy as np

from heygem_cli.face.geometry import Array

CLOSED = 0.012
"""Inter-ocular distances. Up to this opening of the inner lips the tracker sees a closed mouth."""
SHARE = 0.1
"""Share of the frames that is taken for closed: those of the smallest opening."""
FEWEST = 3

# The two corners and nine columns between them, in the order of geometry.LIPS.
_OUTER_LOWER, _OUTER_UPPER = slice(11, 20), slice(1, 10)
_INNER_LOWER, _INNER_UPPER = slice(31, 40), slice(21, 30)
_CHIN = 40
_LOWER_SHARE = 0.75
"""Share of a gap that the jaw closes; the upper lip does the rest."""


def closed_mouth(points: Array, openings: Array) -> Array:
    """The person's closed mouth: the median of the frames with the smallest opening.

    A tenth of the frames, but at least 3 (or all there are), so that one bad frame does not decide. A mouth that is
    open in all of them (a photograph of a smile) is closed by moving the lips and the chin together.

    Args:
        points: (frames, 41, 2 or 3) lip points and chin in the canonical frame.
        openings: (frames,) see :func:`heygem_cli.face.geometry.mouth_opening`.

    Returns:
        (41, 2 or 3).
    """
    fewest = min(len(openings), max(FEWEST, round(SHARE * len(openings))))
    least = np.argsort(openings, kind="stable")[:fewest]
    mouth = np.asarray(np.median(points[least], axis=0), np.float32)
    return mouth if float(np.median(openings[least])) <= CLOSED else _shut(mouth)


def _shut(mouth: Array) -> Array:
    shut = mouth.copy()
    gaps = np.maximum(mouth[_INNER_LOWER, 1] - mouth[_INNER_UPPER, 1], 0)
    for lower, upper in ((_INNER_LOWER, _INNER_UPPER), (_OUTER_LOWER, _OUTER_UPPER)):
        shut[lower, 1] -= _LOWER_SHARE * gaps
        shut[upper, 1] += (1 - _LOWER_SHARE) * gaps
    shut[_CHIN, 1] -= _LOWER_SHARE * gaps.max()
    return shut
