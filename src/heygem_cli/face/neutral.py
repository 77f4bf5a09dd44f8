"""The closed mouth of a person: what every lip offset is measured from, in training and in rendering."""

from __future__ import annotations

import numpy as np

from heygem_cli.face.geometry import Array

CLOSED = 0.012
"""Inter-ocular distances. Below this opening the tracker sees closed lips."""
SHARE = 0.1
"""Share of the frames that is taken for closed where the mouth never closes: those of the smallest opening."""
FEWEST = 3


def closed_mouth(points: Array, openings: Array) -> Array:
    """The person's closed mouth: the median of the frames with the smallest opening.

    A tenth of the frames, but at least 3 (or all there are), so that one bad frame does not decide. Where the mouth
    never closes the result is the least open mouth there is; compare its opening with ``CLOSED``.

    Args:
        points: (frames, points, 2 or 3) in the canonical frame.
        openings: (frames,) see :func:`heygem_cli.face.geometry.mouth_opening`.

    Returns:
        (points, 2 or 3).
    """
    fewest = min(len(openings), max(FEWEST, round(SHARE * len(openings))))
    least = np.argsort(openings, kind="stable")[:fewest]
    return np.asarray(np.median(points[least], axis=0), np.float32)
