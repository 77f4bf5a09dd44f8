from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from heygem_cli.face.geometry import LIPS, canonical_face, head_pose, interocular, mouth_opening
from heygem_cli.media.types import planes
from heygem_cli.mesh.controls import CHIN_FRONT, INNER_BOTTOM, INNER_TOP, JAW_WEIGHTS, OUTER_BOTTOM
from heygem_cli.mesh.targets import compute_targets, spread_chin, swing_jaw
from mouth_renderer import MouthRenderer, jaw_motion, make_renderer
from portrait import i420, measured_opening, scene, track_frame


def visible_opening(renderer, landmarks, motion):
    """Return how far apart the edges of the lips are drawn, in inter-ocular distances."""
    pose = head_pose(landmarks, canonical_face())
    lips = compute_targets(landmarks, pose, renderer.renderer.closed, swing_jaw(motion)).lips
    return float(np.linalg.norm(lips[INNER_BOTTOM[5]] - lips[INNER_TOP[5]]) / interocular(landmarks))


@pytest.mark.parametrize("by", [0.05, 0.1, 0.15])
def test_mouth_opens_as_far_as_requested(frame, landmarks, by):
    renderer = make_renderer(frame, landmarks)
    output = renderer.render(frame, landmarks, jaw_motion(by))
    assert mouth_opening(landmarks) < 0.02
    expected = visible_opening(renderer, landmarks, jaw_motion(by))
    assert 1.1 * by < expected < 2 * by
    assert measured_opening(output) == pytest.approx(expected, abs=0.035)


def test_edge_of_the_lips_is_as_sharp_as_a_cameras(frame, landmarks):
    renderer = make_renderer(frame, landmarks)
    column, edges = round(float(landmarks[14, 0])), []
    for luma in (16, 216):
        painter = SimpleNamespace(
            paint=lambda openings, luma=luma: [np.full((*each.mask.shape, 3), luma, np.float32) for each in openings]
        )
        drawn = MouthRenderer(replace(renderer.renderer, painter=painter)).render(frame, landmarks, jaw_motion(0.15))
        edges.append(drawn[:720, column].astype(float))
    share = (edges[1] - edges[0]) / 200
    assert share.max() > 0.99
    partial = ((share > 0.1) & (share < 0.9)).sum() / 2
    assert partial / float(interocular(landmarks)) < 0.02


def test_narrow_opening_is_rendered_at_its_visible_width(frame, landmarks):
    renderer = make_renderer(frame, landmarks)
    wider, narrower = (renderer.render(frame, landmarks, jaw_motion(by)) for by in (0.03, 0.01))
    expected = visible_opening(renderer, landmarks, jaw_motion(0.03))
    assert measured_opening(wider) == pytest.approx(expected, abs=0.015)
    assert measured_opening(narrower) < 0.01


def test_pixels_outside_the_lower_face_are_bit_identical(frame, landmarks):
    output = make_renderer(frame, landmarks).render(frame, landmarks, jaw_motion(0.25))
    changed = np.argwhere(output[:720] != frame[:720])[:, ::-1]
    lower_face = landmarks[[234, 454, 1, 152, 58, 288, 150, 379], :2]
    eye_distance = float(interocular(landmarks))
    assert len(changed) > 1000
    assert (changed.min(0) > lower_face.min(0) - 0.4 * eye_distance).all()
    assert (changed.max(0) < lower_face.max(0) + 0.4 * eye_distance).all()
    eyes = landmarks[[33, 263, 133, 362, 159, 386], :2].max(0)[1]
    assert changed[:, 1].min() > eyes
    low, high = changed.min(0) // 2, changed.max(0) // 2 + 1
    for plane, before in zip(output[720:].reshape(2, 360, 640), frame[720:].reshape(2, 360, 640), strict=True):
        outside = np.ones(plane.shape, bool)
        outside[low[1] - 1 : high[1] + 1, low[0] - 1 : high[0] + 1] = False
        assert (plane[outside] == before[outside]).all()


def test_closed_mouth_at_rest_is_bit_identical(frame, landmarks):
    output = make_renderer(frame, landmarks).render(frame, landmarks, jaw_motion(0))
    assert (output == frame).all()


def test_open_mouth_can_be_closed(frame, landmarks):
    renderer = make_renderer(frame, landmarks)
    open_frame = renderer.render(frame, landmarks, jaw_motion(0.15))
    open_landmarks = track_frame(open_frame)
    output = renderer.render(open_frame, open_landmarks, jaw_motion(0))
    assert mouth_opening(open_landmarks) > 0.1
    assert measured_opening(output) < 0.015
    left, top, right, bottom = mouth_box(landmarks)
    before, opened, after = (
        cv2.GaussianBlur(picture[top:bottom, left:right], (0, 0), 4) for picture in (frame, open_frame, output)
    )
    assert cv2.PSNR(before, after) > max(21, cv2.PSNR(before, opened) + 6)


def mouth_box(landmarks):
    """Return left, top, right and bottom of the lips in pixels."""
    lips = landmarks[list(LIPS), :2]
    return (int(value) for value in (*lips.min(0), *(lips.max(0) + 1)))


def test_head_turned_away_is_left_unchanged(frame, landmarks):
    angle = np.radians(70)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    turned = ((landmarks - landmarks.mean(0)) @ turn.T + landmarks.mean(0)).astype(np.float32)
    assert (make_renderer(frame, landmarks).render(frame, turned, jaw_motion(0.2)) == frame).all()


def test_input_frame_is_not_modified(frame, landmarks):
    before = frame.copy()
    frame.flags.writeable = False
    make_renderer(frame, landmarks).render(frame, landmarks, jaw_motion(0.2))
    assert (frame == before).all()


def test_crossing_lips_are_closed(frame, landmarks):
    output = make_renderer(frame, landmarks).render(frame, landmarks, jaw_motion(-0.1))
    assert measured_opening(output) < 0.03


@pytest.mark.parametrize(
    ("width", "height", "face"),
    [
        (1280, 720, (1180, 360, 700)),
        (1280, 720, (640, 90, 700)),
        (1280, 720, (640, 560, 700)),
        (1920, 1080, (960, 540, 160)),
        (320, 180, (160, 90, 180)),
    ],
    ids=["cut off at the right", "cut off at the top", "chin below the frame", "small in 1080p", "small video"],
)
def test_face_at_the_frame_edge_or_of_unusual_size_is_rendered(width, height, face):
    frame = i420(scene(width, height, face))
    landmarks = track_frame(frame)
    output = make_renderer(frame, landmarks).render(frame, landmarks, jaw_motion(0.15))
    assert output.shape == frame.shape
    assert (output != frame).any()


def test_landmarks_outside_the_frame_render_nothing(frame, landmarks):
    outside = landmarks + np.float32([5000, 0, 0])
    output = make_renderer(frame, landmarks).render(frame, outside, jaw_motion(0.2))
    assert (output == frame).all()


def test_result_does_not_depend_on_how_many_frames_are_rendered_together(frame, landmarks):
    count = 6
    moved = landmarks + np.float32([[[by, 0.7 * by, 0]] for by in range(count)])
    motion = np.array([jaw_motion(0.03 * by) for by in range(count)])
    strength = np.float32([1, 1, 0.5, 1, 1, 0.25])
    together, single, pairs = (
        render_in_blocks(make_renderer(frame, landmarks).renderer, [frame] * count, moved, motion, strength, size)
        for size in (count, 1, 2)
    )
    assert all((each != frame).any() for each in together[1:])
    for each, alone, in_pair in zip(together, single, pairs, strict=True):
        assert (each == alone).all()
        assert (each == in_pair).all()


def render_in_blocks(renderer, frames, landmarks, motion, strength, size):
    parts = [slice(start, start + size) for start in range(0, len(frames), size)]
    return [
        output
        for part in parts
        for output in renderer.render(
            frames[part], range(len(frames))[part], landmarks[part], motion[part], strength[part]
        )
    ]


def shout(landmarks, chin=0.2):
    """Return landmarks of a wide open mouth as the tracker gives them: the chin hardly lower, its front at the lip."""
    opened, down = landmarks.copy(), np.float32([0, interocular(landmarks)])
    rise = np.sin(np.linspace(0.1, 0.9, 9) * np.pi)[:, None]
    for row in (OUTER_BOTTOM, INNER_BOTTOM):
        opened[np.array(LIPS)[row[1:-1]], :2] += 0.4 * rise * down
    jaw = list(JAW_WEIGHTS)
    opened[jaw, :2] += chin * np.array(list(JAW_WEIGHTS.values()))[:, None] * down
    lip = opened[17, 1]
    front = [jaw[index] for index in CHIN_FRONT[1:]]
    opened[front, 1] = lip + 0.1 * (opened[front, 1] - landmarks[17, 1])
    return opened


def test_lip_of_a_wide_open_mouth_is_not_smeared_down_the_chin(landmarks):
    opened = shout(landmarks)
    frame = np.full((1080, 1280), 128, np.uint8)
    lower_lip = np.concatenate([opened[np.array(LIPS)[OUTER_BOTTOM]], opened[np.array(LIPS)[INNER_BOTTOM[::-1]]]])
    planes(frame)[2][:] = 140
    corners = np.int32(np.round(lower_lip[:, :2] / 2))
    cv2.fillPoly(planes(frame)[2], [corners], [200])
    # As tracked, the lip ends a little above its edge.
    cv2.polylines(
        planes(frame)[2], [corners], isClosed=True, color=[200], thickness=round(float(interocular(landmarks)) / 50)
    )
    nothing_covered = SimpleNamespace(predict=lambda *_: np.zeros((96, 96), np.float32))
    output = make_renderer(frame, landmarks, nothing_covered).render(frame, opened, jaw_motion(0))
    x, top, bottom = (round(float(value)) // 2 for value in (landmarks[17, 0], landmarks[17, 1], landmarks[152, 1]))
    redness = planes(output)[2][top:bottom, x].astype(float) - 140
    assert redness[: len(redness) // 6].max() > 20  # the lip is there
    assert redness[len(redness) // 3 :].max() < 3


@pytest.mark.parametrize("chin", [0.13, 0.16, 0.25])
def test_skin_below_the_lip_stretches_only_so_far(frame, landmarks, chin):
    """Where the tracker says that the chin hardly moved, it did."""
    closed, opened = make_renderer(frame, landmarks).renderer.closed, shout(landmarks, chin)
    targets = compute_targets(opened, head_pose(opened, canonical_face()), closed, jaw_motion(0))
    tracked = opened[list(JAW_WEIGHTS), :2]
    moved, lip, tip = spread_chin(tracked, targets), OUTER_BOTTOM[5], CHIN_FRONT[0]
    after = np.linalg.norm(targets.jaw[tip] - targets.lips[lip])
    before, said = (np.linalg.norm(points[tip] - targets.tracked[lip]) for points in (moved, tracked))
    assert after / before == pytest.approx(min(2.2, after / said), rel=0.02)
    assert moved[0] == pytest.approx(tracked[0])  # at the ear
