from contextlib import closing

import cv2
import numpy as np
import pytest

from heygem_cli.face.geometry import LANDMARKS, interocular
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from portrait import face_tracker, i420, portrait, scene, track_frame

GREY = i420(scene(640, 480))


def with_face(x, y, height=300):
    return i420(scene(640, 480, (x, y, height)))


def track(frames):
    return list(face_tracker().track(frames))


def distance(one, other):
    return float(np.linalg.norm((one - other)[:, :2], axis=1).mean() / interocular(other))


def test_no_face_is_found_in_a_test_pattern(clip):
    with closing(read_frames(probe_video(clip))) as frames:
        assert [landmarks is not None for landmarks in track([frame.copy() for frame in frames])] == [False] * 25


def test_landmarks_follow_a_moving_face():
    places = [(200 + 12 * step, 250 + 3 * step) for step in range(10)]
    landmarks = track([with_face(*place) for place in places])
    for found, place in zip(landmarks, places, strict=True):
        assert found.shape == (LANDMARKS, 3)
        assert distance(found - (*place, 0), landmarks[0] - (*places[0], 0)) < 0.02


def test_face_that_disappears_is_found_again_elsewhere():
    frames = [with_face(200, 250)] * 2 + [GREY] * 3 + [with_face(430, 240)] * 2
    found = [landmarks is not None for landmarks in track(frames)]
    assert found == [True, True, False, False, False, True, True]


def test_face_that_jumps_is_found_at_once():
    first, second = track([with_face(200, 250), with_face(430, 240)])
    assert distance(second - (430, 240, 0), first - (200, 250, 0)) < 0.02


@pytest.mark.parametrize("degrees", [-30, 30])
def test_tilted_face_has_the_same_landmarks(degrees):
    matrix = cv2.getRotationMatrix2D((256, 200), degrees, 1)
    turned = track_frame(i420(cv2.warpAffine(portrait(), matrix, (512, 600), borderValue=(90, 90, 90))))
    upright = track_frame(i420(portrait()))
    expected = np.column_stack([upright[:, :2] @ matrix[:, :2].T + matrix[:, 2], upright[:, 2]])
    assert distance(turned, expected) < 0.02


@pytest.mark.parametrize("height", [190, 260, 900, 1900])
def test_face_of_any_size_has_the_same_landmarks(height):
    large = track_frame(i420(portrait()))
    frame = i420(scene(1280, 1080, (640, 520, height)))
    scale = height / 600
    expected = (large - (256, 300, 0)) * scale + (640, 520, 0)
    assert distance(track_frame(frame), expected) < 0.02


def test_depth_grows_away_from_the_camera():
    landmarks = track_frame(i420(portrait()))
    assert landmarks[1, 2] < landmarks[[234, 454], 2].min() - 0.5 * interocular(landmarks)


def test_landmarks_agree_with_those_of_mediapipe():
    pytest.importorskip("mediapipe")
    from benchmarks.mediapipe_tracker import MediaPipeTracker

    frames = [with_face(300 + 2 * step, 240, 330 + 2 * step) for step in range(6)]
    theirs = list(MediaPipeTracker().track(frames))
    for one, other in zip(track(frames)[1:], theirs[1:], strict=True):
        assert distance(one, other) < 0.012
