from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn_mouth import lips, photographed
from heygem_cli.face.geometry import Array
from heygem_cli.mesh.interior import Curves, Interior, fit, fitted, take_interior
from heygem_cli.mesh.painter import ALIKE, REFERENCES, Painter, choose, detail, hidden, shown_by
from heygem_cli.mesh.view import MIDDLE, SCALE, View
from heygem_cli.mesh.warp import Box
from heygem_cli.runtime import read_settings


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter("cpu", read_settings(os.environ))


def printable(opening: float, unit: float = 120.0) -> Interior:
    frame, points = photographed(opening, unit)
    return take_interior(frame, points, unit)


@pytest.mark.parametrize("unit", [60.0, 120.0, 400.0])
@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2])
def test_a_view_is_upright_and_of_one_size(unit: float, angle: float) -> None:
    frame, points = photographed(0.2, unit, angle)
    view = View.of(points, unit)
    assert view.lips == pytest.approx(lips(0.2) * SCALE + MIDDLE, abs=0.01)
    luma = view.picture(frame)[..., 0].astype(int)
    middle = int(MIDDLE[0])
    assert luma[int(MIDDLE[1]) - 5, middle] > 150, "teeth above the middle"
    assert luma[int(MIDDLE[1]) + 6, middle] < 60, "dark below it"


def test_what_was_seen_can_be_put_back() -> None:
    frame, points = photographed(0.2, 90, 0.3)
    view = View.of(points, 90)
    box = Box(160, 130, 80, 40)
    back = view.enlarged(view.picture(frame)[..., 0].astype(np.float32), box)
    there = frame[130:170, 160:240].astype(np.float32)
    assert np.abs(back - there).mean() < 8


def test_an_interior_fits_its_own_lips() -> None:
    frame, points = photographed(0.2, SCALE)
    view = View.of(points, SCALE)
    interior = take_interior(frame, points, SCALE)
    drawn = fitted(interior, fit(interior, Curves.of(view.lips, SCALE), interior.light))[..., 0]
    inside = hidden(view.lips, 0) > 0.99
    assert drawn[inside].max() > 130
    assert drawn[inside].min() < 50


@given(st.lists(st.floats(0.04, 0.3), min_size=1, max_size=8), st.floats(0.02, 0.3))
@settings(max_examples=30, deadline=None)
def test_references_are_mixtures_whose_weights_sum_to_one(openings: list[float], wanted: float) -> None:
    interiors = [printable(opening) for opening in sorted(openings)]
    chosen = choose(interiors, Curves.of(lips(wanted), 1.0))
    assert len(chosen) == min(REFERENCES, len(interiors))
    for mixture in chosen:
        assert sum(weight for _, weight in mixture) == pytest.approx(1)
        assert all(weight >= 0 for _, weight in mixture)
    if len(chosen) > 1:
        assert chosen[1][0][0] is interiors[-1]


def test_references_change_without_a_jump() -> None:
    interiors = [printable(opening) for opening in (0.05, 0.09, 0.13, 0.2)]
    places = {id(interior): number for number, interior in enumerate(interiors)}
    before: Array | None = None
    for opening in np.arange(0.03, 0.24, ALIKE / 10):
        weights = np.zeros(len(interiors))
        for interior, weight in choose(interiors, Curves.of(lips(float(opening)), 1.0))[0]:
            weights[places[id(interior)]] += weight
        assert before is None or np.abs(weights - before).max() < 0.25
        before = weights


@pytest.mark.parametrize("known", [0, 1, 4])
def test_the_inside_is_painted_at_the_size_of_the_frame(painter: Painter, known: int) -> None:
    frame, points = photographed(0.2, 150)
    interiors = [printable(0.1 + n / 40) for n in range(known)]
    made = painter.paint(frame, points, 150, light=80, interiors=interiors, box=Box(160, 120, 80, 60))
    assert made.shape == (60, 80, 3)
    assert np.isfinite(made).all()
    assert -20 < made.min() < made.max() < 275


def test_teeth_of_the_person_are_seen_again(painter: Painter) -> None:
    frame, points = photographed(0.2, 150)
    made = painter.paint(frame, points, 150, light=80, interiors=[printable(0.2, 150)] * 3, box=Box(160, 120, 80, 60))
    upper, lower = made[30 - 8, 40, 0], made[30 + 9, 40, 0]
    assert upper > lower + 60


def test_what_lies_between_the_lips_is_not_looked_at(painter: Painter) -> None:
    frame, points = photographed(0.2, SCALE)
    view = View.of(points, SCALE)
    seen = view.picture(frame)
    other = seen.copy()
    other[hidden(view.lips) > 0.999] = 255
    one, another = (painter.see(picture, view.lips, [])[0] for picture in (seen, other))
    assert np.abs(one - another).max() < 4


@pytest.mark.parametrize("shift", [[-200, 0], [0, 155], [5000, 5000], [-225, -160]])
def test_a_mouth_outside_the_frame_can_be_painted(painter: Painter, shift: list[float]) -> None:
    frame, points = photographed(0.2, 150)
    moved = points + np.float32(shift)
    made = painter.paint(frame, moved, 150, light=80, interiors=[printable(0.15)], box=Box(0, 0, 20, 20))
    assert made.shape == (20, 20, 3)


def test_brighter_light_paints_brighter(painter: Painter) -> None:
    frame, points = photographed(0.2, SCALE)
    view = View.of(points, SCALE)
    seen = view.picture(frame).astype(np.float32)
    dim = seen.copy()
    dim[..., 0] = 16 + (dim[..., 0] - 16) * 0.5
    inside = hidden(view.lips, 0) > 0.9
    bright, darker = (painter.see(picture.astype(np.uint8), view.lips, [])[0][..., 0] for picture in (seen, dim))
    assert bright[inside].mean() - 16 > 1.3 * (darker[inside].mean() - 16)


def test_detail_of_a_mixture_is_as_strong_as_that_of_its_pictures() -> None:
    curves = Curves.of(lips(0.2), 1.0)
    grain = np.random.default_rng(5)
    pictures = [
        replace(printable(0.2), picture=grain.integers(80, 160, (110, 110, 3), np.uint8), scale=SCALE) for _ in range(2)
    ]
    fits = [(picture, fit(picture, curves, picture.light)) for picture in pictures]
    top, rows = fits[0][1].top, len(fits[0][1].places)
    inside = hidden(lips(0.2) * SCALE + MIDDLE, 0)[top : top + rows] > 0.99
    alone, mixed = (
        detail([(picture, how, weight) for (picture, how), weight in zip(fits, weights, strict=False)], 1.2)[inside]
        for weights in ([1.0], [0.5, 0.5])
    )
    assert alone.std() > 10
    assert mixed.std() == pytest.approx(alone.std(), rel=0.15)


def test_lips_that_hardly_part_show_no_teeth() -> None:
    openings = [0.0, 0.005, 0.02, 0.04, 0.2]
    shares = [shown_by(lips(opening) * SCALE + MIDDLE) for opening in openings]
    assert shares == sorted(shares)
    assert shares[1] < 0.1
    assert shares[-1] == 1
