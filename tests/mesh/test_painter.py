from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from drawn_mouth import lip_points, mouth_frame
from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame
from heygem_cli.mesh.crop import CENTER, SCALE, MouthCrop
from heygem_cli.mesh.interior import Interior, LipLines, extract_interior, fit_interiors
from heygem_cli.mesh.painter import Opening, Painter, extract_detail, paint_mask, visibility
from heygem_cli.mesh.warp import Box
from heygem_cli.runtime import read_settings


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter("cpu", read_settings(os.environ))


def make_interior(opening: float, eye_distance: float = 120.0) -> Interior:
    frame, points = mouth_frame(opening, eye_distance)
    return extract_interior(frame, points, eye_distance)


@pytest.mark.parametrize("eye_distance", [60.0, 120.0, 400.0])
@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2])
def test_crop_is_upright_and_at_a_fixed_scale(eye_distance: float, angle: float) -> None:
    frame, points = mouth_frame(0.2, eye_distance, angle)
    crop = MouthCrop.from_lips(points, eye_distance)
    assert crop.lips == pytest.approx(lip_points(0.2) * SCALE + CENTER, abs=0.01)
    luma = crop.sample(frame)[..., 0].astype(int)
    column = int(CENTER[0])
    assert luma[int(CENTER[1]) - 5, column] > 150, "no teeth above the centre"
    assert luma[int(CENTER[1]) + 6, column] < 60, "not dark below the centre"


def test_crop_can_be_resampled_to_the_frame() -> None:
    frame, points = mouth_frame(0.2, 90, 0.3)
    crop = MouthCrop.from_lips(points, 90)
    box = Box(160, 130, 80, 40)
    resampled = crop.to_frame(crop.sample(frame)[..., 0].astype(np.float32), box)
    original = frame[130:170, 160:240].astype(np.float32)
    assert np.abs(resampled - original).mean() < 8


def test_interior_fits_its_own_lips() -> None:
    frame, points = mouth_frame(0.2, SCALE)
    crop = MouthCrop.from_lips(points, SCALE)
    interior = extract_interior(frame, points, SCALE)
    (fit,) = fit_interiors([interior], LipLines.from_lips(crop.lips, SCALE), interior.brightness)
    luma = fit.render()[..., 0]
    inside = paint_mask(crop.lips, 0) > 0.99
    assert luma[inside].max() > 130
    assert luma[inside].min() < 50


def opening(frame: Frame, lips: Array, interiors: Sequence[Interior], box: Box) -> Opening:
    mask = np.ones((box.height, box.width), np.float32)
    references = [[(interior, 1.0)] for interior in interiors]
    return Opening(frame, lips, eye_distance=150, brightness=80, references=references, box=box, mask=mask)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_painting_has_the_size_of_the_box(painter: Painter, count: int) -> None:
    frame, points = mouth_frame(0.2, 150)
    interiors = [make_interior(0.1 + n / 40) for n in range(count)]
    (image,) = painter.paint([opening(frame, points, interiors, Box(160, 120, 80, 60))])
    assert image.shape == (60, 80, 3)
    assert np.isfinite(image).all()
    assert -20 < image.min() < image.max() < 275


def test_teeth_of_the_person_are_painted(painter: Painter) -> None:
    frame, points = mouth_frame(0.2, 150)
    interiors = [make_interior(0.2, 150)] * 2
    (image,) = painter.paint([opening(frame, points, interiors, Box(160, 120, 80, 60))])
    upper, lower = image[30 - 8, 40, 0], image[30 + 9, 40, 0]
    assert upper > lower + 60


def test_input_between_the_lips_is_ignored(painter: Painter) -> None:
    frame, points = mouth_frame(0.2, SCALE)
    crop = MouthCrop.from_lips(points, SCALE)
    image = crop.sample(frame)
    changed = image.copy()
    changed[paint_mask(crop.lips) > 0.999] = 255
    first, second = (painter.predict(each, crop.lips, []) for each in (image, changed))
    assert np.abs(first - second).max() < 4


@pytest.mark.parametrize("shift", [[-200, 0], [0, 155], [5000, 5000], [-225, -160]])
def test_mouth_outside_the_frame_can_be_painted(painter: Painter, shift: list[float]) -> None:
    frame, points = mouth_frame(0.2, 150)
    moved = points + np.float32(shift)
    (image,) = painter.paint([opening(frame, moved, [make_interior(0.15)], Box(0, 0, 20, 20))])
    assert image.shape == (20, 20, 3)


def test_brighter_surroundings_give_a_brighter_painting(painter: Painter) -> None:
    frame, points = mouth_frame(0.2, SCALE)
    crop = MouthCrop.from_lips(points, SCALE)
    bright = crop.sample(frame).astype(np.float32)
    dark = bright.copy()
    dark[..., 0] = 16 + (dark[..., 0] - 16) * 0.5
    inside = paint_mask(crop.lips, 0) > 0.9
    brighter, darker = (painter.predict(image.astype(np.uint8), crop.lips, [])[..., 0] for image in (bright, dark))
    assert brighter[inside].mean() - 16 > 1.3 * (darker[inside].mean() - 16)


def test_mixture_keeps_the_strength_of_detail() -> None:
    lines = LipLines.from_lips(lip_points(0.2), 1.0)
    grain = np.random.default_rng(5)
    interiors = [
        replace(make_interior(0.2), image=grain.integers(80, 160, (110, 110, 3), np.uint8), scale=SCALE)
        for _ in range(2)
    ]
    fits = fit_interiors(interiors, lines, interiors[0].brightness)
    top, rows = fits[0].top, len(fits[0].positions)
    inside = paint_mask(lip_points(0.2) * SCALE + CENTER, 0)[top : top + rows] > 0.99
    single, mixed = (
        extract_detail([(fit, weight) for fit, weight in zip(fits, weights, strict=False)], 1.2)[inside]
        for weights in ([1.0], [0.5, 0.5])
    )
    assert single.std() > 10
    assert mixed.std() == pytest.approx(single.std(), rel=0.15)


def test_narrow_opening_shows_no_teeth() -> None:
    openings = [0.0, 0.005, 0.02, 0.04, 0.2]
    shares = [visibility(lip_points(opening) * SCALE + CENTER) for opening in openings]
    assert shares == sorted(shares)
    assert shares[1] < 0.1
    assert shares[-1] == 1
