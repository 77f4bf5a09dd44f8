import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.face.canonical import canonical_face
from heygem_cli.face.geometry import CHIN, LIPS, head_pose
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP, OUTER_BOTTOM, OUTER_TOP
from heygem_cli.mesh.targets import UNSEEN, ClosedMouth, aim, as_drawn, meet, opening, opening_cover, turned_away
from heygem_cli.mesh.warp import Box

SIZE = 100.0
"""Pixels between the eyes."""
DOWN = np.float32([0, 1])
NOWHERE = np.zeros(11, np.float32)


def turned(yaw=0.0):
    """Landmarks of the mean face, its head turned by some degrees."""
    angle = np.radians(yaw)
    rotation = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return (SIZE * canonical_face() @ rotation.T + np.array([320, 200, 0])).astype(np.float32)


def gaps(lips):
    return (lips[INNER_BOTTOM] - lips[INNER_TOP])[:, 1]


def lips_apart(by):
    """A mouth of 50 px that is open by some pixels in the middle."""
    lips = np.zeros((40, 2), np.float32)
    for rows, side in ((range(11), -9), ([0, *range(11, 20), 10], 9), (INNER_TOP, -by / 2), (INNER_BOTTOM, by / 2)):
        bow = np.sin(np.linspace(0, np.pi, 11))
        lips[rows] = np.column_stack([np.linspace(0, 50, 11), side * bow])
    return lips + np.float32([100, 100])


def motion(opened):
    made = np.zeros((41, 3), np.float32)
    made[31:40, 1] = opened * np.sin(np.linspace(0.1, 0.9, 9) * np.pi)
    made[CHIN_ROW, 1] = 0.8 * opened
    return made


CHIN_ROW = 40


def aimed(opened, yaw=0.0):
    landmarks = turned(yaw)
    pose = head_pose(landmarks, canonical_face())
    points = pose.to_canonical(landmarks[[*LIPS, CHIN]])
    points[INNER_BOTTOM] = points[INNER_TOP]
    landmarks[list(LIPS)] = pose.to_image(points[:40])
    return aim(
        landmarks, pose, ClosedMouth(points, np.float32([0, 0]), np.zeros((2, 41, 3), np.float32)), motion(opened)
    )


@given(st.floats(-5, 30), st.floats(0.5, 4))
def test_lips_never_cross_and_never_open_further(by, touch):
    lips = lips_apart(by)
    met = meet(lips, DOWN, NOWHERE, touch, 0)
    assert (gaps(met) > -1e-4).all()
    assert (gaps(met) <= np.maximum(gaps(lips), 0) + 1e-4).all()
    assert met[:20] == pytest.approx(lips[:20])


@given(st.floats(0, 10), st.floats(0.01, 0.2))
def test_a_little_more_opening_never_makes_a_jump(by, more):
    one, other = (gaps(meet(lips_apart(width), DOWN, NOWHERE, 2.5, 0)) for width in (by, by + more))
    assert (other - one > -1e-4).all()
    assert (other - one < 3 * more + 1e-4).all()


def test_lips_that_almost_touch_do_and_open_lips_stay():
    assert gaps(meet(lips_apart(0.3), DOWN, NOWHERE, 2.5, 0)).max() < 0.02
    assert gaps(meet(lips_apart(5), DOWN, NOWHERE, 2.5, 0)).max() == pytest.approx(5, abs=1e-3)


def test_what_the_tracker_sees_of_a_closed_mouth_is_no_opening():
    lips = lips_apart(1)
    assert opening(lips, DOWN, gaps(lips)) == pytest.approx(0, abs=1e-4)
    assert gaps(meet(lips, DOWN, gaps(lips), 2.5, 0)).max() == pytest.approx(0, abs=1e-4)


def test_lips_that_touch_have_no_line_between_them():
    box = Box(90, 80, 70, 40)
    assert opening_cover(lips_apart(0), box, 0.8).max() == 0
    assert opening_cover(lips_apart(0.4), box, 0.8).max() < 0.1
    assert opening_cover(lips_apart(12), box, 0.8).max() > 0.95


def test_the_cover_is_as_large_as_the_opening():
    cover = opening_cover(lips_apart(12), Box(90, 80, 70, 40), 0.8)
    assert cover.sum() == pytest.approx(12 * 50 * 2 / np.pi, rel=0.15)


def test_a_closed_mouth_at_rest_goes_nowhere():
    targets = aimed(0)
    assert (targets.lips == targets.own).all()
    assert gaps(aimed(0.1).lips).max() == pytest.approx(0.1 * SIZE, rel=0.05)


@pytest.mark.parametrize(("seen", "share"), [(0, 0), (0.006, 0.5), (0.012, 1), (0.05, 1)])
def test_at_rest_a_mouth_that_is_seen_ajar_is_closed(seen, share):
    landmarks = turned()
    pose = head_pose(landmarks, canonical_face())
    closed = pose.to_canonical(landmarks[[*LIPS, CHIN]])
    closed[INNER_BOTTOM] = closed[INNER_TOP]
    ajar = closed.copy()
    for row in (INNER_BOTTOM, OUTER_BOTTOM):
        ajar[row[1:-1], 1] += seen
    landmarks[list(LIPS)] = pose.to_image(ajar[:40])
    person = ClosedMouth(closed, np.float32([0, 0]), np.zeros((2, 41, 3), np.float32))
    targets = aim(landmarks, pose, person, motion(0))
    raised = (targets.own - targets.lips)[OUTER_BOTTOM[5], 1]
    assert raised == pytest.approx(share * seen * SIZE, abs=0.1)


def test_a_mouth_that_the_tracker_sees_to_the_side_stays_there():
    landmarks = turned()
    pose = head_pose(landmarks, canonical_face())
    closed = ClosedMouth(
        pose.to_canonical(landmarks[[*LIPS, CHIN]]), np.float32([0, 0]), np.zeros((2, 41, 3), np.float32)
    )
    straight = aim(landmarks, pose, closed, motion(0.1)).lips
    landmarks[list(LIPS), 0] += 4
    assert aim(landmarks, pose, closed, motion(0.1)).lips == pytest.approx(straight + np.float32([4, 0]), abs=0.05)


def drawn_opening(opened):
    drawn = as_drawn(motion(opened))
    return float((drawn[INNER_BOTTOM, 1] - drawn[INNER_TOP, 1]).max())


@pytest.mark.parametrize(("opened", "more"), [(0, 0), (0.008, 0), (0.035, UNSEEN), (0.11, 0), (0.3, 0)])
def test_what_the_tracker_hardly_sees_is_drawn_wider(opened, more):
    assert drawn_opening(opened) == pytest.approx(opened + more, abs=1e-4)


@given(st.floats(0, 0.2), st.floats(0.0005, 0.01))
def test_what_opens_further_is_drawn_wider(opened, by):
    assert 0 < drawn_opening(opened + by) - drawn_opening(opened) < 3 * by


def test_both_lips_and_the_chin_part_and_the_corners_stay():
    before = motion(0.035)
    added = as_drawn(before) - before
    middle = len(INNER_TOP) // 2
    assert added[INNER_TOP[middle], 1] < 0 < added[INNER_BOTTOM[middle], 1]
    assert added[CHIN_ROW, 1] == pytest.approx(added[INNER_BOTTOM[middle], 1])
    assert added[OUTER_TOP] == pytest.approx(added[INNER_TOP], abs=1e-6)
    assert added[OUTER_BOTTOM] == pytest.approx(added[INNER_BOTTOM], abs=1e-6)
    assert (added[[INNER_TOP[0], INNER_TOP[-1]]] == 0).all()


@given(st.floats(-90, 90))
def test_the_effect_fades_with_the_turn(yaw):
    weight = turned_away(yaw)
    assert (weight == 1) == (abs(yaw) <= 45)
    assert (weight == 0) == (abs(yaw) >= 65)
    assert weight == turned_away(-yaw)


@pytest.mark.parametrize(("yaw", "share"), [(30, 1), (55, 0.5), (-55, 0.5), (70, 0)])
def test_lips_move_less_the_more_the_head_is_turned(yaw, share):
    moved = np.linalg.norm(aimed(0.1, yaw).lips - aimed(0, yaw).own, axis=1).max()
    assert moved == pytest.approx(share * 0.1 * SIZE, abs=0.6)
