import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.face.geometry import CHIN, LIPS, canonical_face, head_pose
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP, OUTER_BOTTOM, OUTER_TOP
from heygem_cli.mesh.targets import (
    ClosedMouth,
    close_lips,
    compute_targets,
    max_opening,
    opening_mask,
    swing_jaw,
    visible_lips,
    yaw_weight,
)
from heygem_cli.mesh.warp import Box

SIZE = 100.0
"""Inter-ocular distance in pixels."""
DOWN = np.float32([0, 1])
CHIN_ROW = 40
CLOSED_GAPS = np.zeros(11, np.float32)


def turned(yaw=0.0):
    """Return landmarks of the mean face turned by ``yaw`` degrees."""
    angle = np.radians(yaw)
    rotation = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return (SIZE * canonical_face() @ rotation.T + np.array([320, 200, 0])).astype(np.float32)


def gaps(lips):
    return (lips[INNER_BOTTOM] - lips[INNER_TOP])[:, 1]


def lips_apart(by):
    """Return lips 50 px wide that are ``by`` px apart in the middle."""
    lips = np.zeros((40, 2), np.float32)
    for rows, side in ((range(11), -9), ([0, *range(11, 20), 10], 9), (INNER_TOP, -by / 2), (INNER_BOTTOM, by / 2)):
        bow = np.sin(np.linspace(0, np.pi, 11))
        lips[rows] = np.column_stack([np.linspace(0, 50, 11), side * bow])
    return lips + np.float32([100, 100])


def motion(opened):
    offsets = np.zeros((41, 3), np.float32)
    offsets[31:40, 1] = opened * np.sin(np.linspace(0.1, 0.9, 9) * np.pi)
    offsets[CHIN_ROW, 1] = 0.8 * opened
    return offsets


def targets_for(opened, yaw=0.0):
    landmarks = turned(yaw)
    pose = head_pose(landmarks, canonical_face())
    points = pose.to_canonical(landmarks[[*LIPS, CHIN]])
    points[INNER_BOTTOM] = points[INNER_TOP]
    landmarks[list(LIPS)] = pose.to_image(points[:40])
    return compute_targets(
        landmarks, pose, ClosedMouth(points, np.float32([0, 0]), np.zeros((2, 41, 3), np.float32)), motion(opened)
    )


@given(st.floats(-5, 30), st.floats(0.5, 4))
def test_closing_never_crosses_lips_and_never_opens_them(by, touch):
    lips = lips_apart(by)
    closed = close_lips(lips, DOWN, CLOSED_GAPS, touch, 0)
    assert (gaps(closed) > -1e-4).all()
    assert (gaps(closed) <= np.maximum(gaps(lips), 0) + 1e-4).all()
    assert closed[:20] == pytest.approx(lips[:20])


@given(st.floats(0, 10), st.floats(0.01, 0.2))
def test_closing_is_continuous_in_the_opening(by, more):
    narrower, wider = (gaps(close_lips(lips_apart(width), DOWN, CLOSED_GAPS, 2.5, 0)) for width in (by, by + more))
    assert (wider - narrower > -1e-4).all()
    assert (wider - narrower < 3 * more + 1e-4).all()


def test_nearly_closed_lips_touch_and_open_lips_stay():
    assert gaps(close_lips(lips_apart(0.3), DOWN, CLOSED_GAPS, 2.5, 0)).max() < 0.02
    assert gaps(close_lips(lips_apart(5), DOWN, CLOSED_GAPS, 2.5, 0)).max() == pytest.approx(5, abs=1e-3)


def test_tracked_gap_of_the_closed_mouth_is_no_opening():
    lips = lips_apart(1)
    assert max_opening(lips, DOWN, gaps(lips)) == pytest.approx(0, abs=1e-4)
    assert gaps(close_lips(lips, DOWN, gaps(lips), 2.5, 0)).max() == pytest.approx(0, abs=1e-4)


def test_touching_lips_have_an_empty_opening_mask():
    box = Box(90, 80, 70, 40)
    assert opening_mask(lips_apart(0), box, 0.8).max() == 0
    assert opening_mask(lips_apart(0.4), box, 0.8).max() < 0.1
    assert opening_mask(lips_apart(12), box, 0.8).max() > 0.95


def test_opening_mask_has_the_area_of_the_opening():
    mask = opening_mask(lips_apart(12), Box(90, 80, 70, 40), 0.8)
    assert mask.sum() == pytest.approx(12 * 50 * 2 / np.pi, rel=0.15)


@pytest.fixture
def as_tracked(monkeypatch):
    """Draw lips as far apart as they are tracked."""
    monkeypatch.setattr("heygem_cli.mesh.targets.visible_lips", lambda lips: lips)


@pytest.mark.usefixtures("as_tracked")
def test_closed_mouth_at_rest_does_not_move():
    targets = targets_for(0)
    assert (targets.lips == targets.tracked).all()
    assert gaps(targets_for(0.1).lips).max() == pytest.approx(0.1 * SIZE, rel=0.05)


@pytest.mark.parametrize(("opened", "share"), [(0, 0), (0.006, 0.5), (0.012, 1), (0.05, 1)])
def test_mouth_ajar_at_rest_is_closed(opened, share):
    landmarks = turned()
    pose = head_pose(landmarks, canonical_face())
    closed = pose.to_canonical(landmarks[[*LIPS, CHIN]])
    closed[INNER_BOTTOM] = closed[INNER_TOP]
    ajar = closed.copy()
    for row in (INNER_BOTTOM, OUTER_BOTTOM):
        ajar[row[1:-1], 1] += opened
    landmarks[list(LIPS)] = pose.to_image(ajar[:40])
    person = ClosedMouth(closed, np.float32([0, 0]), np.zeros((2, 41, 3), np.float32))
    targets = compute_targets(landmarks, pose, person, motion(0))
    raised = (targets.tracked - targets.lips)[OUTER_BOTTOM[5], 1]
    assert raised == pytest.approx(share * opened * SIZE, abs=0.1)


def test_sideways_position_of_the_mouth_is_kept():
    landmarks = turned()
    pose = head_pose(landmarks, canonical_face())
    closed = ClosedMouth(
        pose.to_canonical(landmarks[[*LIPS, CHIN]]), np.float32([0, 0]), np.zeros((2, 41, 3), np.float32)
    )
    straight = compute_targets(landmarks, pose, closed, motion(0.1)).lips
    landmarks[list(LIPS), 0] += 4
    shifted = compute_targets(landmarks, pose, closed, motion(0.1)).lips
    assert shifted == pytest.approx(straight + np.float32([4, 0]), abs=0.05)


def visible_opening(by):
    return float(gaps(visible_lips(lips_apart(by))).max())


@pytest.mark.parametrize(("by", "visible"), [(0, 0), (2, 3.6), (5, 5 + 0.48 * 6.5), (14, 14 + 0.48 * 2)])
def test_lips_are_seen_farther_apart_than_they_are_tracked(by, visible):
    assert visible_opening(by) == pytest.approx(visible, abs=0.01)


@given(st.floats(0, 15), st.floats(0.05, 1))
def test_visible_opening_is_monotonic_and_continuous(by, more):
    assert 0 < visible_opening(by + more) - visible_opening(by) < 2.5 * more


@pytest.mark.parametrize("opened", [0.03, 0.08, 0.2])
def test_mouth_that_stays_as_far_open_is_unchanged(opened):
    landmarks = turned()
    pose = head_pose(landmarks, canonical_face())
    closed = pose.to_canonical(landmarks[[*LIPS, CHIN]])
    closed[INNER_BOTTOM] = closed[INNER_TOP]
    offsets = motion(opened)
    offsets[OUTER_BOTTOM[1:-1]] = offsets[INNER_BOTTOM[1:-1]]
    landmarks[[*LIPS, CHIN]] = pose.to_image(closed + offsets)
    person = ClosedMouth(closed, np.float32([0, 0]), np.zeros((2, 41, 3), np.float32))
    targets = compute_targets(landmarks, pose, person, offsets)
    assert targets.lips == pytest.approx(targets.tracked, abs=0.1)
    assert gaps(targets.lips).max() > 1.1 * gaps(landmarks[list(LIPS), :2]).max()


@pytest.mark.usefixtures("as_tracked")
@pytest.mark.parametrize(("pitch", "factor"), [(0, 1), (15, 1.04), (-15, 0.89)])
def test_opening_of_a_pitched_head_is_that_of_a_turning_jaw(pitch, factor):
    angle = np.radians(pitch)
    raised = np.array([[1, 0, 0], [0, np.cos(angle), np.sin(angle)], [0, -np.sin(angle), np.cos(angle)]])
    landmarks = (SIZE * canonical_face() @ raised.T).astype(np.float32)
    pose = head_pose(landmarks, canonical_face())
    assert pose.pitch == pytest.approx(pitch, abs=0.1)
    points = pose.to_canonical(landmarks[[*LIPS, CHIN]])
    points[INNER_BOTTOM] = points[INNER_TOP]
    closed = ClosedMouth(points, np.float32([0, pitch]), np.zeros((2, 41, 3), np.float32))
    lips = compute_targets(landmarks, pose, closed, swing_jaw(motion(0.1))).lips
    assert gaps(lips)[5] == pytest.approx(0.1 * SIZE * factor, abs=0.15)


def test_jaw_swings_back_but_the_upper_lip_and_the_corners_do_not():
    depth = swing_jaw(motion(0.1))[:, 2]
    assert depth[[INNER_BOTTOM[5], CHIN_ROW]] == pytest.approx([0.03, 0.03], abs=1e-6)
    assert (depth[[*INNER_TOP, *OUTER_TOP]] == 0).all()
    assert (depth[OUTER_BOTTOM[1:-1]] > 0).all()
    assert (swing_jaw(motion(0)) == motion(0)).all()


@given(st.floats(-90, 90))
def test_effect_fades_with_yaw(yaw):
    weight = yaw_weight(yaw)
    assert (weight == 1) == (abs(yaw) <= 45)
    assert (weight == 0) == (abs(yaw) >= 65)
    assert weight == yaw_weight(-yaw)


@pytest.mark.usefixtures("as_tracked")
@pytest.mark.parametrize(("yaw", "share"), [(30, 1), (55, 0.5), (-55, 0.5), (70, 0)])
def test_lips_move_less_as_the_head_turns(yaw, share):
    moved = np.linalg.norm(targets_for(0.1, yaw).lips - targets_for(0, yaw).tracked, axis=1).max()
    assert moved == pytest.approx(share * 0.1 * SIZE, abs=0.6)
