from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn_mouth import lip_points, mouth_frame
from heygem_cli.face.geometry import Array
from heygem_cli.mesh.interior import Interior, extract_interior
from heygem_cli.mesh.mouth_shape import LINES, mouth_shape, typical_open_shape
from heygem_cli.mesh.open_mouths import REFERENCES, OpenMouths


def shape_of(opening: float, half: float = 0.25, chin: float = 0.0) -> Array:
    points = np.concatenate([lip_points(opening, half), [[0, 0.5 + chin]]])
    return mouth_shape(np.column_stack([points, np.zeros(41)]))


def interior_of(opening: float) -> Interior:
    frame, points = mouth_frame(opening, 120)
    return extract_interior(frame, points, 120)


def open_mouths(openings: list[float]) -> OpenMouths:
    shapes = np.array([shape_of(each) for each in openings])
    return OpenMouths(tuple(interior_of(opening) for opening in openings), shapes, shapes.mean(0))


@given(st.lists(st.floats(0.04, 0.3), min_size=1, max_size=8), st.floats(0.02, 0.3))
@settings(max_examples=30, deadline=None)
def test_weights_sum_to_one(openings: list[float], target: float) -> None:
    mouths = open_mouths(sorted(openings))
    references = mouths.choose(shape_of(target))
    assert len(references) == min(REFERENCES, len(openings))
    for mixture in references:
        assert sum(weight for _, weight in mixture) == pytest.approx(1)
        assert all(weight >= 0 for _, weight in mixture)
    if len(references) > 1:
        assert references[1][0][0] is mouths.interiors[-1]


def test_weights_change_continuously() -> None:
    mouths = open_mouths([0.05, 0.055, 0.06, 0.09, 0.095, 0.13, 0.2])
    numbers = {id(interior): number for number, interior in enumerate(mouths.interiors)}
    before: Array | None = None
    for opening in np.arange(0.03, 0.24, 0.0002):
        weights = np.zeros(len(numbers))
        for interior, weight in mouths.choose(shape_of(float(opening)))[0]:
            weights[numbers[id(interior)]] += weight
        assert before is None or np.abs(weights - before).max() < 0.25
        before = weights


@pytest.mark.parametrize("differing", [{"half": 0.22}, {"chin": 0.05}])
def test_similar_lips_come_before_a_similar_opening(differing: dict[str, float]) -> None:
    """Which teeth show depends on how spread the lips are, and on the jaw."""
    own, other = interior_of(0.11), interior_of(0.1)
    shapes = np.array([shape_of(0.1), shape_of(0.11, **differing)])
    mouths = OpenMouths((other, own), shapes, shapes.mean(0))
    ((interior, weight),) = mouths.choose(shape_of(0.1, **differing))[0]
    assert interior is own
    assert weight == pytest.approx(1)


def test_lips_that_are_always_wider_than_the_motion_are_adapted_to() -> None:
    """The network's motion is that of a mean person, whose mouth is narrower."""
    openings = [0.08, 0.12]
    shapes = np.array([shape_of(0.08, half) for half in (0.25, 0.3)])
    mouths = OpenMouths(tuple(interior_of(each) for each in openings), shapes, shapes.mean(0))
    expected = np.array([shape_of(0.08, half) for half in (0.18, 0.23)])
    adapted = mouths.adapt(expected.mean(0))
    assert [adapted.choose(shape)[0][0][0] for shape in expected] == list(mouths.interiors)


def test_opening_is_not_adapted() -> None:
    mouths = open_mouths([0.06, 0.1, 0.2])
    assert (mouths.adapt(shape_of(0.3)).shapes[:, :LINES] == mouths.shapes[:, :LINES]).all()


def test_typical_shape_is_that_of_open_mouths() -> None:
    points = np.array([np.concatenate([lip_points(opening), [[0, 0.5]]]) for opening in (0.0, 0.01, 0.1)])
    points = np.concatenate([points, np.zeros((3, 41, 1))], -1)
    assert typical_open_shape(points, 0.04) == pytest.approx(mouth_shape(points[2]), abs=1e-4)
    assert typical_open_shape(points[:2], 0.04) is None
