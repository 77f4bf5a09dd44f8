import numpy as np
import pytest

from heygem_cli.face.outline import FILL, View, are_inside, outline
from heygem_cli.face.region import Region

SQUARE = np.float32([[10, 10], [30, 10], [30, 30], [10, 30]])
REGION = Region(20, 20, 40)


def picture():
    return np.full((40, 40, 3), 200, np.uint8)


def test_outline_grows_around_its_middle():
    points = np.column_stack([SQUARE, np.zeros(4, np.float32)])
    corners = outline(points, 1.5)
    assert sorted(map(tuple, corners)) == [(5, 5), (5, 35), (35, 5), (35, 35)]


@pytest.mark.parametrize("corners", [SQUARE, SQUARE[::-1]])
def test_points_are_inside_whichever_way_the_outline_turns(corners):
    assert are_inside(np.float32([[20, 20], [31, 20], [20, 9]]), corners).tolist() == [True, False, False]


def test_hidden_part_is_grey_and_the_rest_is_seen():
    seen = View([SQUARE]).limit(picture(), REGION)
    assert (seen[12:29, 12:29] == FILL).all()
    assert (seen[:9] == 200).all()
    assert (seen[:, 32:] == 200).all()


def test_only_one_part_is_seen_without_what_is_hidden():
    seen = View([SQUARE + np.float32([10, 0])], only=SQUARE).limit(picture(), REGION)
    assert (seen[12:29, 12:18] == 200).all()
    assert (seen[12:29, 22:] == FILL).all()
    assert (seen[:8] == FILL).all()


def test_everything_is_seen_as_it_is():
    assert (View().limit(picture(), REGION) == 200).all()
