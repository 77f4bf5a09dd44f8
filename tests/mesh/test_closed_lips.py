from dataclasses import replace

import cv2
import numpy as np
import pytest

from heygem_cli.face.geometry import LIPS, canonical_face, head_pose
from heygem_cli.media.types import planes
from heygem_cli.mesh.closed_lips import ClosedLips, painted_share, seam_contrast
from heygem_cli.mesh.controls import INNER_TOP, OUTER_TOP
from heygem_cli.mesh.mouth_pictures import MAX_CONTRAST
from mouth_renderer import jaw_motion, make_renderer
from portrait import measured_opening, track_frame


@pytest.fixture(scope="module")
def pose(landmarks):
    return head_pose(landmarks, canonical_face())


@pytest.fixture(scope="module")
def lips(frame, landmarks, pose):
    return ClosedLips.extract(frame, landmarks, pose)


def share(lips, pose, before, after, **changes):
    """Return how opaque lips that differ so from the others are."""
    return float(replace(lips, **changes).shares(pose, np.float32(before), np.float32(after)))


def test_lips_show_where_an_open_mouth_is_closed(lips, pose):
    assert share(lips, pose, 0.1, 0) == 1
    assert share(lips, pose, 0.1, 0.05) == 1
    assert 0 < share(lips, pose, 0.2, 0.1) < 1
    for before, after in ((0, 0), (0, 0.05), (0.05, 0.1), (0.4, 0.2)):
        assert share(lips, pose, before, after) == 0


def test_lips_seen_from_elsewhere_do_not_show(lips, pose):
    assert share(lips, pose, 0.1, 0, yaw=lips.yaw + 31) == share(lips, pose, 0.1, 0, scale=0.3 * lips.scale) == 0
    assert share(lips, pose, 0.1, 0, yaw=lips.yaw - 14) == share(lips, pose, 0.1, 0, scale=4 * lips.scale) == 1


def test_nothing_is_painted_between_lips_that_touch():
    shares, openings = np.float32([1, 1, 1, 0, 0.5]), np.float32([0, 0.02, 0.1, 0, 0])
    assert painted_share(shares, openings) == pytest.approx([0, 1, 1, 1, 0.5])


def spoiled(frame, landmarks):
    """Draw a rim of teeth on the upper lip."""
    output = frame.copy()
    points = landmarks[list(LIPS), :2]
    rim = points[INNER_TOP] + 0.25 * (points[OUTER_TOP] - points[INNER_TOP])
    cv2.polylines(planes(output)[0], [np.int32(rim[2:9])], isClosed=False, color=[220], thickness=2)
    return output


def upper_lip(frame, landmarks):
    """Return the luma around the upper lip."""
    points = landmarks[list(LIPS), :2]
    left, top = points[OUTER_TOP].min(0).astype(int)
    right, bottom = points[INNER_TOP].max(0).astype(int) + 1
    return np.ascontiguousarray(planes(frame)[0][top:bottom, left:right])


def test_rim_of_teeth_disappears(frame, landmarks, pose, lips):
    output = spoiled(frame, landmarks)
    before = output.copy()
    lips.draw(output, landmarks[list(LIPS), :2], float(pose.scale), 1.0)
    spoilt, restored = (
        cv2.PSNR(upper_lip(picture, landmarks), upper_lip(frame, landmarks)) for picture in (before, output)
    )
    assert spoilt < 22
    assert restored > spoilt + 8
    changed = np.argwhere((output != before)[:720])
    assert changed.min(0)[0] > landmarks[2, 1]  # nothing above the base of the nose


@pytest.mark.parametrize(("closes", "share"), [(0.05, 1), (0.17, 0.5), (0.3, 0.1)])
def test_skin_around_a_wide_open_mouth_is_drawn_with_the_lips(frame, landmarks, pose, lips, closes, share):
    """What the warp leaves below the lip, here a dark spot, fades the further the mouth closes."""
    output, (x, y) = frame.copy(), np.round(landmarks[17, :2] + [0, 0.08 * float(pose.scale)]).astype(int)
    cv2.circle(planes(output)[0], (x, y), 3, [20], -1)
    spot = np.s_[y - 2 : y + 3, x - 2 : x + 3]
    lips.draw(output, landmarks[list(LIPS), :2], float(pose.scale), 1.0, closes)
    left = (planes(frame)[0][spot].mean() - planes(output)[0][spot].mean()) / (planes(frame)[0][spot].mean() - 20)
    assert left == pytest.approx(share, abs=0.2)


def test_lips_get_the_light_of_the_frame(frame, landmarks, pose, lips):
    dim = frame.copy()
    luma = planes(dim)[0]
    luma[:] = 16 + 0.7 * (luma.astype(np.float32) - 16)
    output = spoiled(dim, landmarks)
    lips.draw(output, landmarks[list(LIPS), :2], float(pose.scale), 1.0)
    wanted = upper_lip(dim, landmarks).mean()
    assert upper_lip(frame, landmarks).mean() > wanted + 25
    assert upper_lip(output, landmarks).mean() == pytest.approx(wanted, abs=6)


def test_lips_get_the_colour_of_the_light(frame, landmarks, pose, lips):
    output = frame.copy()
    planes(output)[2][:] = planes(frame)[2] + 10
    red = planes(output)[2].astype(float)
    lips.draw(output, landmarks[list(LIPS), :2], float(pose.scale), 1.0)
    assert np.abs(planes(output)[2] - red).max() <= 2


@pytest.mark.parametrize("shift", [(0, 0), (3, 5), (7, 2), (10, 11)])
def test_lips_have_no_visible_edge(frame, landmarks, pose, lips, shift):
    grain = np.random.default_rng(3).integers(0, 60, lips.picture.shape, np.uint8)
    rough = replace(lips, picture=lips.picture + grain)
    output = frame.copy()
    rough.draw(output, landmarks[list(LIPS), :2] + np.float32(shift), float(pose.scale), 1.0)
    change = np.abs(output[:720].astype(int) - frame[:720])
    (top, left), (bottom, right) = np.argwhere(change).min(0), np.argwhere(change).max(0)
    assert change.max() > 20
    assert max(change[[top, bottom]].max(), change[:, [left, right]].max()) <= 2


def test_lips_beyond_the_picture_are_cut_off(frame, landmarks, pose, lips):
    for shift in ((-760, 0), (760, 0), (0, 420), (0, -600), (3000, 3000)):
        output = frame.copy()
        lips.draw(output, landmarks[list(LIPS), :2] + np.float32(shift), float(pose.scale), 1.0)
        assert output.shape == frame.shape


def test_seam_tells_whether_lips_touch(frame, landmarks):
    points = landmarks[list(LIPS), :2]
    assert seam_contrast(frame, points) < MAX_CONTRAST
    renderer = make_renderer(frame, landmarks)
    for by in (0.04, 0.08):
        assert seam_contrast(renderer.render(frame, landmarks, jaw_motion(by)), points) > MAX_CONTRAST


def test_closed_mouth_looks_more_like_the_persons_own(frame, landmarks, lips):
    open_frame = make_renderer(frame, landmarks).render(frame, landmarks, jaw_motion(0.15))
    open_landmarks = track_frame(open_frame)
    warped, drawn = (
        make_renderer(frame, landmarks, lips=each).render(open_frame, open_landmarks, jaw_motion(0))
        for each in (None, lips)
    )
    assert measured_opening(drawn) < 0.01
    before, after = (
        cv2.PSNR(upper_lip(picture, landmarks), upper_lip(frame, landmarks)) for picture in (warped, drawn)
    )
    assert after > before + 1


def test_mouth_that_is_closed_in_the_frame_stays_bit_identical(frame, landmarks, lips):
    output = make_renderer(frame, landmarks, lips=lips).render(frame, landmarks, jaw_motion(0))
    assert (output == frame).all()
