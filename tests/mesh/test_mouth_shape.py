import cv2
import numpy as np
import pytest

from heygem_cli.face.geometry import CHIN, INNER_LOWER, INNER_UPPER, OUTER_LOWER, canonical_face
from heygem_cli.mesh.mouth_shape import DISTINCT, distances, spread, tracked_shape

FACE = 100 * canonical_face() + np.float32([320, 200, 0])


def turned(landmarks, yaw, pitch, scale):
    turn = cv2.Rodrigues(np.float32([pitch, yaw, 0.2]))[0].astype(np.float32)
    return landmarks @ turn.T * np.float32(scale) + np.float32([500, -90, 20])


@pytest.mark.parametrize("pose", [(0.0, 0.0, 1.0), (0.3, -0.2, 1.0), (-0.4, 0.1, 4.2), (0.0, 0.3, 0.4)])
def test_shape_does_not_depend_on_where_the_head_is(pose):
    assert tracked_shape(turned(FACE, *pose)) == pytest.approx(tracked_shape(FACE), abs=0.05)


@pytest.mark.parametrize(
    ("points", "move"),
    [
        (INNER_UPPER[1:-1], (0, -1)),
        (INNER_LOWER[1:-1], (0, 1)),
        (OUTER_LOWER[1:-1], (0, 1)),
        ([INNER_UPPER[-1]], (2, 0)),
        ([CHIN], (0, 2)),
    ],
)
def test_each_part_of_the_mouth_counts(points, move):
    moved = FACE.copy()
    moved[list(points), :2] += np.float32(move)
    assert np.sqrt(distances(tracked_shape(FACE[None]), tracked_shape(moved))) > 1


def test_skin_around_the_mouth_does_not_count():
    moved = FACE.copy()
    moved[205] += 5  # on the cheek
    assert tracked_shape(moved) == pytest.approx(tracked_shape(FACE), abs=1e-4)


def test_chosen_shapes_are_spread():
    shapes = np.zeros((50, 30), np.float32)
    shapes[:, 3] = np.linspace(0, 49, 50) ** 2
    chosen = shapes[spread(shapes, 5), 3]
    assert chosen.min() == 0
    assert chosen.max() == 49**2
    assert np.diff(np.sort(chosen)).min() > 200


def test_equal_shapes_are_chosen_once():
    shapes = np.repeat(np.float32([0, 0.9, 5, 20])[:, None] * DISTINCT, 3, 0)
    assert len(spread(shapes, 8)) == 3
    assert spread(shapes[:0], 8) == []
