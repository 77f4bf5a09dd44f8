import math

import numpy as np
import pytest

from heygem_cli.face.box import Box
from heygem_cli.face.detector import FaceDetector, merge_overlapping
from heygem_cli.runtime import Settings
from portrait import i420, portrait, scene


@pytest.fixture(scope="module")
def detector():
    return FaceDetector("cpu", Settings())


def faces(*boxes):
    points = np.zeros((len(boxes), 8, 2), np.float32)
    points[:, :2] = np.reshape(boxes, (-1, 2, 2))
    return points


def test_overlapping_faces_are_merged_by_their_scores():
    given = faces((50, 50, 20, 20), (150, 50, 20, 20), (54, 50, 20, 20))
    first, second = merge_overlapping(given, np.float32([0.6, 0.7, 0.9]))
    assert first[0, 0] == pytest.approx((0.9 * 54 + 0.6 * 50) / 1.5)
    assert second[0, 0] == 150


def test_no_faces_are_merged():
    assert list(merge_overlapping(faces(), np.zeros(0, np.float32))) == []


def test_several_faces_are_found_where_they_are(detector):
    found = detector.detect(i420(scene(1280, 720, (300, 400, 500), (950, 350, 300))))
    left, right = sorted(found, key=lambda box: box.x)
    # The face is in the upper half of the portrait, which has 600 rows.
    assert (left.x, left.y) == pytest.approx((315, 350), abs=25)
    assert (right.x, right.y) == pytest.approx((959, 320), abs=20)
    assert left.size / right.size == pytest.approx(5 / 3, rel=0.15)


def test_small_face_is_found_in_a_tile(detector):
    frame = i420(scene(1920, 1080, (1300, 500, 170)))
    assert detector.detect(frame) == []
    (box,) = detector.detect(frame, tiled=True)
    assert (box.x, box.y) == pytest.approx((1305, 480), abs=15)


def test_nothing_is_found_in_a_grey_frame(detector):
    for size in ((64, 48), (1280, 720), (300, 2000)):
        assert detector.detect(i420(scene(*size)), tiled=True) == []


def test_face_near_another_place_is_not_taken_for_it(detector):
    frame = i420(scene(1280, 720, (300, 400, 500)))
    (box,) = detector.detect(frame)
    assert detector.detect_near(frame, Box(box.x + 20, box.y - 10, box.size)).x == pytest.approx(box.x, abs=8)
    assert detector.detect_near(frame, Box(box.x + 250, box.y, box.size)) is None
    assert detector.detect_near(frame, Box(box.x, box.y, box.size / 4)) is None


@pytest.mark.parametrize("degrees", [-25, 25])
def test_angle_is_that_of_the_eyes(detector, degrees):
    import cv2

    matrix = cv2.getRotationMatrix2D((256, 200), -degrees, 1)
    turned = cv2.warpAffine(portrait(), matrix, (512, 600), borderValue=(90, 90, 90))
    (upright,), (box,) = (detector.detect(i420(image)) for image in (portrait(), turned))
    assert math.degrees(box.angle - upright.angle) == pytest.approx(degrees, abs=6)
