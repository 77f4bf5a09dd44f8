from __future__ import annotations

import numpy as np
import pytest

from heygem_cli.face.geometry import CHIN, INNER_LOWER_MID, INNER_UPPER_MID, LIPS, Array, canonical_face
from heygem_cli.face.neutral import MAX_CLOSED_OPENING, closed_mouth

UPPER, LOWER = LIPS.index(INNER_UPPER_MID), LIPS.index(INNER_LOWER_MID)
JAW = [*range(11, 20), *range(31, 40), 40]


def mouths(openings: Array) -> Array:
    """The mouth of the mean face, with the jaw lowered to each opening of the inner lips."""
    mouth = canonical_face()[[*LIPS, CHIN]]
    points = np.repeat(mouth[None], len(openings), axis=0)
    points[:, JAW, 1] += (openings - (mouth[LOWER, 1] - mouth[UPPER, 1]))[:, None]
    return points


def gap(mouth: Array) -> float:
    return float(mouth[LOWER, 1] - mouth[UPPER, 1])


def test_closed_mouth_is_computed_from_closed_frames() -> None:
    openings = np.array([0.2] * 90 + [0.004] * 10, np.float32)
    assert np.isclose(gap(closed_mouth(mouths(openings), openings)), 0.004, atol=1e-5)


def test_one_bad_frame_has_no_effect() -> None:
    openings = np.array([0.01] * 30, np.float32)
    points = mouths(openings)
    points[4] += 5
    bad = openings.copy()
    bad[4] = 0
    assert np.abs(closed_mouth(points, bad) - points[0]).max() < 1e-5


@pytest.mark.parametrize("frames", [1, 2, 50])
@pytest.mark.parametrize("smallest", [0.03, 0.15])
def test_mouth_that_is_always_open_is_closed(frames: int, smallest: float) -> None:
    openings = np.linspace(smallest, smallest + 0.01, frames, dtype=np.float32)
    points = mouths(openings)
    closed = closed_mouth(points, openings)
    assert abs(gap(closed)) < MAX_CLOSED_OPENING
    assert closed[40, 1] < points[0, 40, 1]
    assert np.allclose(closed[[0, 10, 20, 30]], points[:, [0, 10, 20, 30]].mean(0), atol=0.01)
