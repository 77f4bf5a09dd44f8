import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from heygem_cli.face.geometry import canonical_face, head_pose, interocular
from heygem_cli.mesh.idle import Idle, find_eyes
from heygem_cli.mesh.idle_head import HeadField
from heygem_cli.mesh.idle_lids import Eye
from heygem_cli.mesh.idle_motion import content_seed, make_idle_motion
from portrait import i420, other_portrait, scene, track_frame

HEIGHT, WIDTH = 720, 1280
STILL = np.zeros(3, np.float32)


@pytest.fixture(scope="module")
def frame():
    return i420(scene(WIDTH, HEIGHT, (500, 400, 700)))


@pytest.fixture(scope="module")
def landmarks(frame):
    return track_frame(frame)


@pytest.fixture(scope="module")
def field(frame, landmarks):
    return HeadField.build(frame, landmarks, [])


@pytest.fixture(scope="module")
def speech():
    """Two minutes of words and pauses, in decibels."""
    seconds = np.arange(25 * 120) / 25
    return np.float32(np.where(np.sin(seconds * 1.3) > 0, -25 + 8 * np.sin(seconds * 20), -70))


def opening(landmarks):
    lids = landmarks[[159, 386], :2] - landmarks[[145, 374], :2]
    return float(np.linalg.norm(lids, axis=1).mean() / interocular(landmarks))


def with_glasses(picture, points, level, opacity):
    """Return a picture in which plain glasses of a level of grey hide the eyes."""
    dark = picture.copy()
    for eye in (33, 133, 159, 145, 52, 230), (263, 362, 386, 374, 282, 450):
        center, reach = points[list(eye), :2].mean(0), 0.32 * float(interocular(points))
        cv2.circle(dark, tuple(map(int, center)), int(reach), (level, level, level), -1, cv2.LINE_AA)
    return i420(cv2.addWeighted(dark, opacity, picture, 1 - opacity, 0))


def test_a_blink_closes_both_eyes_and_nothing_else_changes(frame, landmarks):
    eyes = find_eyes(frame, landmarks)
    assert len(eyes) == 2
    closed = frame.copy()
    for eye in eyes:
        eye.close(closed, 1)
    assert opening(landmarks) > 0.06
    assert opening(track_frame(closed)) < 0.45 * opening(landmarks)
    changed = np.argwhere(closed[:HEIGHT] != frame[:HEIGHT])[:, ::-1]
    brows, cheeks = landmarks[[52, 282], 1].min(), landmarks[[50, 280], 1].max()
    assert len(changed) > 500
    assert changed[:, 1].min() > brows - 5
    assert changed[:, 1].max() < cheeks


def test_a_closed_lid_shows_no_white_of_the_eye():
    frame = i420(scene(WIDTH, HEIGHT, (500, 400, 700, other_portrait())))
    landmarks = track_frame(frame)
    eyes = find_eyes(frame, landmarks)
    assert len(eyes) == 2
    for side, eye in enumerate(eyes):
        closed = frame.copy()
        eye.close(closed, 1)
        drawn = Eye.find(closed, landmarks, side).image[..., 0]
        inside = (eye.x > 0.1) & (eye.x < 0.9) & (eye.y > eye.upper) & (eye.y < eye.lower)
        assert eye.image[inside, 0].std() > 2 * drawn[inside].std()
        assert drawn[inside].max() < eye.skin[inside, 0].max() + 10


def test_lids_come_down_steadily(frame, landmarks):
    covered = []
    for closure in (0, 0.25, 0.5, 0.75, 1):
        closing = frame.copy()
        for eye in find_eyes(frame, landmarks):
            eye.close(closing, closure)
        covered.append(int((closing != frame).sum()))
    assert covered[0] == 0
    assert covered == sorted(covered)
    assert len(set(covered)) == 5


def test_closed_or_hidden_or_tiny_eyes_do_not_blink(frame, landmarks):
    closed = frame.copy()
    for eye in find_eyes(frame, landmarks):
        eye.close(closed, 1)
    assert find_eyes(closed, track_frame(closed)) == ()
    picture = scene(WIDTH, HEIGHT, (500, 400, 700))
    assert find_eyes(with_glasses(picture, landmarks, 20, 0.8), landmarks) == ()
    assert find_eyes(with_glasses(picture, landmarks, 120, 0.95), landmarks) == ()
    assert len(find_eyes(with_glasses(picture, landmarks, 160, 0.2), landmarks)) == 2
    outside = landmarks - np.float32([landmarks[33, 0] + 20, 0, 0])
    assert find_eyes(frame, outside) == ()
    assert find_eyes(frame, landmarks * np.float32(0.15)) == ()


@pytest.mark.parametrize("turn", [[2, 0, 0], [0, 3, 0], [0, 0, 2], [-2, -3, -2]])
def test_the_head_turns_as_it_should(frame, landmarks, field, turn):
    pose = head_pose(track_frame(field.move(frame, np.float32(turn), 0)), canonical_face())
    before = head_pose(landmarks, canonical_face())
    roll = [np.degrees(np.arctan2(each.rotation[1, 0], each.rotation[0, 0])) for each in (before, pose)]
    turned = np.array([pose.pitch - before.pitch, pose.yaw - before.yaw, roll[1] - roll[0]])
    # The outline of the head keeps still, which the tracker takes for less of a turn.
    wanted = np.array(turn)
    assert (turned[wanted != 0] / wanted[wanted != 0] > 0.25).all()
    assert np.abs(turned).max() < 1.3 * np.abs(wanted).max()
    assert np.abs(turned[wanted == 0]).max(initial=0) < 0.5


def test_the_background_and_the_edges_keep_still(frame, landmarks, field):
    moved = field.move(frame, np.float32([2, 3, 2]), 1)
    changed = np.argwhere(moved[:HEIGHT] != frame[:HEIGHT])[:, ::-1]
    unit = float(interocular(landmarks))
    top, sides = landmarks[10, 1], landmarks[[234, 454], 0]
    assert changed[:, 1].min() > top - 1.2 * unit
    above_shoulders = changed[changed[:, 1] < landmarks[152, 1]]
    assert above_shoulders[:, 0].min() > sides.min() - 1.0 * unit
    assert above_shoulders[:, 0].max() < sides.max() + 1.0 * unit
    assert changed[:, 1].max() < HEIGHT - 2


def test_a_face_at_the_edge_brings_nothing_in_from_outside():
    near = i420(scene(480, 480, (170, 230, 700)))
    points = track_frame(near)
    moved = HeadField.build(near, points, []).move(near, np.float32([3, 3, 3]), 1)
    for edge in (np.s_[0], np.s_[479], np.s_[:480, 0], np.s_[:480, -1]):
        assert (moved[edge] == near[edge]).all()
    assert (moved != near).any()


def test_nothing_folds(field):
    for turn in np.float32([[3, 0, 0], [-3, 0, 0], [0, 4, 0], [0, -4, 0], [0, 0, 3], [0, 0, -3]]):
        shift = -np.tensordot(np.append(np.radians(turn), 1).astype(np.float32), field.motions, 1)
        slopes = np.gradient(shift[..., 0], field.step, axis=1), np.gradient(shift[..., 1], field.step, axis=0)
        assert max(np.abs(slope).max() for slope in slopes) < 0.5


def test_somebody_else_keeps_still():
    places = (430, 300, 560), (620, 500, 400, other_portrait())
    both = i420(scene(WIDTH, HEIGHT, *places))
    behind, before = (track_frame(i420(scene(WIDTH, HEIGHT, place))) for place in places)
    (low_x, low_y), (high_x, high_y) = (before[:, :2].min(0).astype(int), before[:, :2].max(0).astype(int))
    face = np.s_[low_y:high_y, low_x:high_x]
    alone, moved = (
        HeadField.build(both, behind, others).move(both, np.float32([3, 4, 3]), 1) for others in ([], [before])
    )
    assert (alone[face] != both[face]).any()
    hull = np.zeros(both.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(before[:, :2].astype(np.int32)), 1)
    assert (moved[hull > 0] == both[hull > 0]).all()
    assert (moved != both).any()


def test_motion_is_the_same_for_the_same_input_only(frame, speech):
    seed = content_seed(frame, speech)
    motion = make_idle_motion(speech, 25, 0.5, seed)
    again = make_idle_motion(speech.copy(), 25, 0.5, content_seed(frame.copy(), speech.copy()))
    assert all((one == other).all() for one, other in ((motion.angles, again.angles), (motion.closure, again.closure)))
    changed = frame.copy()
    changed[5, 5] ^= 1
    assert content_seed(changed, speech) != seed
    assert content_seed(frame, speech + 3) != seed


def test_motion_begins_and_ends_with_the_photograph_and_never_jumps(speech):
    for length in (2, 5, 30, 400, len(speech)):
        motion = make_idle_motion(speech[:length], 25, 1, 7)
        assert len(motion.angles) == len(motion.breath) == len(motion.closure) == length
        for curve in (motion.angles, motion.breath[:, None], motion.closure[:, None]):
            assert np.abs(curve[[0, -1]]).max() < 1e-6
        assert np.abs(np.diff(motion.angles, axis=0)).max() < 0.8
        assert np.abs(np.diff(motion.breath)).max() < 0.12


@pytest.mark.parametrize("rate", [24, 25, 29.97, 60])
def test_blinks_have_the_rate_and_the_times_of_speech(rate):
    levels = np.full(int(600 * rate), -30, np.float32)
    motion = make_idle_motion(levels, rate, 0.5, 3)
    assert 170 < motion.blinks < 230
    closed = motion.closure > 0.5
    starts = np.flatnonzero(np.diff(closed.astype(int)) == 1)
    assert len(starts) == motion.blinks
    lengths = [int(np.flatnonzero(~closed[start + 1 :])[0]) / rate for start in starts]
    assert 0.08 < np.median(lengths) < 0.2
    peaks = [motion.closure[start : start + round(0.2 * rate)].max() for start in starts]
    assert min(peaks) > 0.95


def test_the_amount_scales_the_motion(speech):
    little, much = (make_idle_motion(speech, 25, amount, 7) for amount in (0.25, 1))
    assert much.angles == pytest.approx(4 * little.angles, abs=1e-5)
    assert 0.4 < little.blinks / much.blinks < 0.65
    assert 0.2 < much.angles.std() < 3


def test_the_head_follows_the_loudness(speech):
    silence = np.full_like(speech, -120)
    spoken, silent = (make_idle_motion(levels, 25, 0.5, 7).angles for levels in (speech, silence))
    assert silent[100:-100].std(0).min() > 0.05
    assert np.abs(spoken - silent)[100:-100].max(0).min() > 0.05


def test_a_frame_of_the_output_has_all_of_it(frame, landmarks, field, speech):
    motion = make_idle_motion(speech, 25, 0.5, 7)
    idle = Idle(motion, field, find_eyes(frame, landmarks))
    before = hashlib.sha256(frame).digest()
    assert (idle.move(frame, 0) == frame).all()
    assert (idle.move(frame, len(speech) - 1) == frame).all()
    number = int(motion.closure.argmax())
    with_blink, without = idle.move(frame, number), replace(idle, eyes=()).move(frame, number)
    assert (with_blink != without).any()
    assert (without != frame).any()
    assert hashlib.sha256(frame).digest() == before
    assert idle.blinks == motion.blinks > 0
    assert replace(idle, eyes=()).blinks == 0
