from contextlib import closing

import cv2
import numpy as np
import pytest

from heygem_cli.face.geometry import LANDMARKS, interocular
from heygem_cli.face.outline import outline
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from portrait import face_tracker, i420, other_portrait, portrait, scene, track_frame

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


@pytest.mark.parametrize(("up", "height"), [(27, 330), (25, 300), (20, 345)])
def test_landmarks_follow_a_face_that_moves_fast(up, height):
    frames = [with_face(320, 240), with_face(320, 240 - up, height)]
    first, second = (each.faces[0] for each in face_tracker().follow_in_shots(zip(frames, (True, False), strict=True)))
    assert first.tracklet == second.tracklet
    assert distance(second.landmarks, track_frame(frames[1])) < 0.03


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


def follow(images):
    return list(face_tracker().follow(i420(image) for image in images))


def middles(frame):
    """Return where the middle of each face is, by its tracklet."""
    return {face.tracklet: round(float(face.landmarks[6, 0])) for face in frame.faces}


def test_every_face_is_followed():
    frames = follow([scene(960, 400, (200 + 4 * k, 200, 340), (720 - 4 * k, 210, 300)) for k in range(6)])
    assert [frame.cut for frame in frames] == [True] + [False] * 5
    for k, frame in enumerate(frames):
        assert middles(frame) == {0: pytest.approx(200 + 4 * k, abs=9), 1: pytest.approx(720 - 4 * k, abs=9)}
    assert [[face.appearance is not None for face in frame.faces] for frame in frames[:3]] == [
        [True, True],
        [False, False],
        [True, True],
    ]


def test_faces_of_another_shot_are_new():
    room, street = (scene(640, 480, (320, 250, 300)) for _ in range(2))
    street[street == 90] = 200
    assert [list(middles(frame)) for frame in follow([room] * 2 + [street] * 2)] == [[0], [0], [1], [1]]


def test_face_that_joins_is_found_soon():
    alone, both = scene(960, 400, (240, 200, 340)), scene(960, 400, (240, 200, 340), (720, 200, 300))
    found = [len(frame.faces) for frame in follow([alone] * 4 + [both] * 20)]
    assert found[:4] == [1] * 4
    assert found[-4:] == [2] * 4


def test_face_behind_another_one_returns_as_somebody_new():
    places = list(range(150, 520, 24))
    frames = follow([scene(640, 400, (320, 200, 260, other_portrait()), (x, 200, 260)) for x in places])
    assert set(middles(frames[0])) == {0, 1}
    hidden = places.index(318)
    assert len(frames[hidden].faces) == 1
    behind, in_front = (min(middles(frames[0]), key=lambda each: abs(middles(frames[0])[each] - x)) for x in (320, 150))
    assert in_front in middles(frames[-1])
    assert behind not in middles(frames[-1])
    apart = places.index(510)
    assert [len(frame.faces) for frame in frames[apart:]] == [2] * len(frames[apart:])


@pytest.mark.parametrize("in_front", [True, False], ids=["moving face in front", "still face in front"])
def test_face_in_front_of_another_one_is_followed_all_the_time(in_front):
    places = list(range(150, 520, 12))
    still = (320, 200, 260, other_portrait())
    order = 1 if in_front else -1
    frames = follow([scene(640, 400, *(still, (x, 200, 260))[::order]) for x in places])
    first = middles(frames[0])
    number = min(first, key=lambda tracklet: first[tracklet]) if in_front else max(first, key=lambda each: first[each])
    for frame, x in zip(frames, places, strict=True):
        assert middles(frame)[number] - first[number] == pytest.approx(x - places[0] if in_front else 0, abs=6)


def test_half_hidden_face_has_the_landmarks_of_the_whole_one():
    def in_front(x):
        """Return the scene with a face, without what is around it, in front of another."""
        corners = outline(points, 1.1) * 260 / 600 + (x - 256 * 260 / 600, 200 - 300 * 260 / 600)
        back, front = scene(640, 400, (320, 200, 260, other_portrait())), scene(640, 400, (x, 200, 260))
        shown = cv2.fillConvexPoly(np.zeros((400, 640), np.uint8), np.int32(corners), 1)
        return np.where(shown[..., None] > 0, front, back)

    points = track_frame(i420(portrait()))
    frames = follow([in_front(x) for x in range(150, 270, 6)])
    first, last = ({face.tracklet: face.landmarks for face in frames[index].faces} for index in (0, -1))
    behind = max(first, key=lambda tracklet: first[tracklet][6, 0])
    assert distance(last[behind], first[behind]) < 0.12


def test_much_smaller_face_is_not_followed():
    (frame,) = follow([scene(1280, 720, (400, 360, 700), (1100, 600, 120))])
    assert len(frame.faces) == 1


def test_what_is_found_does_not_depend_on_later_frames():
    images = [scene(640, 400, (200 + 8 * k, 200, 260)) for k in range(8)] + [scene(640, 400)] * 2
    whole = follow(images)
    for count in (1, 5, 9):
        for one, other in zip(follow(images[:count]), whole, strict=False):
            assert one.cut == other.cut
            assert [face.landmarks.tolist() for face in one.faces] == [face.landmarks.tolist() for face in other.faces]
