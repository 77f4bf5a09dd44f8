import os

import cv2
import numpy as np
import pytest

from heygem_cli.face.canonical import canonical_face
from heygem_cli.face.geometry import CHIN, LIPS, head_pose, interocular, mouth_opening
from heygem_cli.mesh.drawing import MeshFace
from heygem_cli.mesh.painter import Painter
from heygem_cli.mesh.procedural import draw_interior
from heygem_cli.mesh.targets import ClosedMouth
from heygem_cli.runtime import read_settings
from portrait import i420, scene, track_one


def made(frame, landmarks):
    lips = landmarks[list(LIPS), :2]
    pose = head_pose(landmarks, canonical_face())
    closed = ClosedMouth(
        pose.to_canonical(landmarks[[*LIPS, CHIN]]), np.float32([0, 0]), np.zeros((2, 41, 3), np.float32)
    )
    return MeshFace(closed, 1.0, (draw_interior(frame, lips),), Painter("cpu", read_settings(os.environ)))


def opened(by):
    """The lower lip and the chin go down, the middle of the lip most, as in speech."""
    motion = np.zeros((41, 3), np.float32)
    for rows in (range(11, 20), range(31, 40)):
        motion[list(rows), 1] = by * np.sin(np.linspace(0.1, 0.9, 9) * np.pi)
    motion[40, 1] = 0.8 * by
    return motion


@pytest.fixture(scope="module")
def frame():
    return i420(scene(1280, 720, (640, 360, 700)))


@pytest.fixture(scope="module")
def landmarks(frame):
    return track_one(frame)


@pytest.mark.parametrize("by", [0.05, 0.1, 0.15])
def test_the_mouth_opens_as_far_as_it_is_told(frame, landmarks, by):
    drawn = made(frame, landmarks).draw(frame, landmarks, opened(by))
    assert mouth_opening(landmarks) < 0.02
    told = by * float(head_pose(landmarks, canonical_face()).scale / interocular(landmarks))
    assert mouth_opening(track_one(drawn)) == pytest.approx(told, abs=0.035)


def test_a_narrow_opening_is_wide_enough_to_be_seen(frame, landmarks):
    person = made(frame, landmarks)
    assert mouth_opening(track_one(person.draw(frame, landmarks, opened(0.03)))) == pytest.approx(0.03, abs=0.015)
    assert mouth_opening(track_one(person.draw(frame, landmarks, opened(0.01)))) < 0.01


def test_pixels_outside_the_lower_face_stay_bit_identical(frame, landmarks):
    drawn = made(frame, landmarks).draw(frame, landmarks, opened(0.25))
    changed = np.argwhere(drawn[:720] != frame[:720])[:, ::-1]
    lower_face = landmarks[[234, 454, 1, 152, 58, 288, 150, 379], :2]
    unit = float(interocular(landmarks))
    assert len(changed) > 1000
    assert (changed.min(0) > lower_face.min(0) - 0.4 * unit).all()
    assert (changed.max(0) < lower_face.max(0) + 0.4 * unit).all()
    eyes = landmarks[[33, 263, 133, 362, 159, 386], :2].max(0)[1]
    assert changed[:, 1].min() > eyes
    low, high = changed.min(0) // 2, changed.max(0) // 2 + 1
    for plane, before in zip(drawn[720:].reshape(2, 360, 640), frame[720:].reshape(2, 360, 640), strict=True):
        outside = np.ones(plane.shape, bool)
        outside[low[1] - 1 : high[1] + 1, low[0] - 1 : high[0] + 1] = False
        assert (plane[outside] == before[outside]).all()


def test_a_closed_mouth_at_rest_stays_bit_identical(frame, landmarks):
    drawn = made(frame, landmarks).draw(frame, landmarks, opened(0))
    assert (drawn == frame).all()


def test_a_mouth_that_was_opened_closes_again(frame, landmarks):
    person = made(frame, landmarks)
    open_frame = person.draw(frame, landmarks, opened(0.15))
    open_landmarks = track_one(open_frame)
    drawn = person.draw(open_frame, open_landmarks, opened(0))
    assert mouth_opening(open_landmarks) > 0.1
    assert mouth_opening(track_one(drawn)) < 0.015
    left, top, right, bottom = mouth_box(landmarks)
    before, between, after = (
        cv2.GaussianBlur(picture[top:bottom, left:right], (0, 0), 4) for picture in (frame, open_frame, drawn)
    )
    assert cv2.PSNR(before, after) > max(21, cv2.PSNR(before, between) + 6)


def mouth_box(landmarks):
    """Left, top, right and bottom of the lips in pixels."""
    lips = landmarks[list(LIPS), :2]
    return (int(value) for value in (*lips.min(0), *(lips.max(0) + 1)))


def test_a_head_that_is_turned_away_is_not_drawn(frame, landmarks):
    angle = np.radians(70)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    turned = ((landmarks - landmarks.mean(0)) @ turn.T + landmarks.mean(0)).astype(np.float32)
    assert made(frame, landmarks).draw(frame, turned, opened(0.2)) is None


def test_the_frame_that_is_given_is_left_as_it_is(frame, landmarks):
    before = frame.copy()
    frame.flags.writeable = False
    made(frame, landmarks).draw(frame, landmarks, opened(0.2))
    assert (frame == before).all()


def test_lips_that_would_cross_meet(frame, landmarks):
    drawn = made(frame, landmarks).draw(frame, landmarks, opened(-0.1))
    assert mouth_opening(track_one(drawn)) < 0.03


@pytest.mark.parametrize(
    ("width", "height", "face"),
    [
        (1280, 720, (1180, 360, 700)),
        (1280, 720, (640, 90, 700)),
        (1280, 720, (640, 560, 700)),
        (1920, 1080, (960, 540, 160)),
        (320, 180, (160, 90, 180)),
    ],
    ids=["cut by the right edge", "cut by the top", "chin below the frame", "small in 1080p", "small video"],
)
def test_faces_anywhere_are_drawn(width, height, face):
    frame = i420(scene(width, height, face))
    landmarks = track_one(frame)
    drawn = made(frame, landmarks).draw(frame, landmarks, opened(0.15))
    assert drawn.shape == frame.shape
    assert (drawn != frame).any()


def test_landmarks_outside_the_frame_draw_nothing(frame, landmarks):
    away = landmarks + np.float32([5000, 0, 0])
    drawn = made(frame, landmarks).draw(frame, away, opened(0.2))
    assert (drawn == frame).all()
