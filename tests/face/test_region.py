import math

import cv2
import numpy as np
import pytest

from heygem_cli.face.geometry import LANDMARKS
from heygem_cli.face.region import MARGIN, Region, face_region
from portrait import i420

RED, WHITE, GREY = (40, 40, 220), (240, 240, 240), (90, 90, 90)


def frame_with_disc(x, y, radius, color):
    image = np.full((480, 640, 3), GREY, np.uint8)
    cv2.circle(image, (round(x * 16), round(y * 16)), round(radius * 16), color, -1, cv2.LINE_AA, shift=4)
    return i420(image)


def center_of(picture):
    """Return the centre (x, y) of what is brighter than the background."""
    weights = np.maximum(picture[..., 0].astype(int) - GREY[0] - 20, 0)
    rows, columns = np.mgrid[: len(picture), : len(picture)]
    return [(weights * axis).sum() / weights.sum() for axis in (columns, rows)]


@pytest.mark.parametrize("angle", [0, 0.4, -2.5])
@pytest.mark.parametrize("side", [60, 192, 250, 333, 520, 1000])
# OpenCV's own conversion to YUV shifts colours by half a pixel.
@pytest.mark.parametrize(("color", "tolerance"), [(WHITE, 0.1), (RED, 0.85)])
def test_points_of_the_picture_lie_where_they_are_in_the_frame(side, angle, color, tolerance):
    place = (313.5, 236.0)
    region = Region(300, 250, side, angle)
    picture = region.picture(frame_with_disc(*place, side / 16, color))
    found = region.to_frame(np.float32([[*center_of(picture), 7]]))[0]
    assert np.hypot(*(found[:2] - place)) < tolerance * max(1, side / 500)
    assert found[2] == pytest.approx(7 * side / 192)


@pytest.mark.parametrize("side", [50, 192, 400, 1100])
def test_picture_of_any_side_keeps_colours(side):
    frame = i420(np.full((90, 120, 3), RED, np.uint8))
    picture = Region(60, 45, side, 0.3).picture(frame, 64)
    assert picture.shape == (64, 64, 3)
    assert np.abs(picture.astype(int) - RED[::-1]).max() < 6


def test_outside_the_frame_is_black_or_repeats_the_edge():
    frame = i420(np.full((90, 120, 3), (200, 200, 200), np.uint8))
    repeated, black = (Region(0, 45, 80).picture(frame, black_outside=black) for black in (False, True))
    assert repeated.min() > 190
    assert black[:, :90].max() < 5
    assert black[:, 110:].min() > 190


@pytest.mark.parametrize("x", [-5000, -1, 125, 5000])
def test_region_beyond_the_frame_has_a_picture(x):
    frame = i420(np.full((90, 120, 3), RED, np.uint8))
    for side in (10, 700):
        assert Region(x, 2 * x, side, 1).picture(frame).shape == (192, 192, 3)


def test_fine_detail_is_averaged_rather_than_aliased():
    checks = (np.indices((960, 1280)).sum(0) % 2 * 255).astype(np.uint8)
    picture = Region(640, 480, 900).picture(i420(cv2.merge([checks] * 3)))
    assert picture.std() < 8


def test_region_of_a_face_is_upright_along_the_eyes():
    landmarks = np.zeros((LANDMARKS, 3), np.float32)
    landmarks[:, :2] = (150, 200)
    landmarks[33], landmarks[263] = (100, 180, 0), (180, 260, 0)
    region = face_region(landmarks)
    assert (region.x, region.y) == (140, 220)
    assert region.side == pytest.approx(MARGIN * 80)
    assert region.angle == pytest.approx(math.radians(45))
    back = region.to_frame(np.float32([[96, 96, 0], [192, 96, 0]]))
    assert np.allclose(back[0, :2], (140, 220))
    assert back[1, 1] - back[0, 1] == pytest.approx(back[1, 0] - back[0, 0])
