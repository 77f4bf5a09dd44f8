import cv2
import numpy as np
import pytest

from heygem_cli.face.geometry import INNER_LOWER_MID, INNER_UPPER_MID, LIPS, canonical_face
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.types import planes
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.cover_network import SIDE
from heygem_cli.mesh.drawn_mouth import DrawnMouth
from heygem_cli.mesh.mouth_pictures import take_pictures
from heygem_cli.mesh.mouth_shape import distances, tracked_shape
from heygem_cli.mesh.person import estimate_closed_mouth
from heygem_cli.mesh.targets import visible_lips
from mouth_renderer import jaw_motion, make_renderer
from portrait import i420, make_face_video, scene, track_frame
from tracks import face_track

RANDOM = np.random.default_rng(11)


class Covers:
    """Stands in for the network: everything is covered, or nothing."""

    def __init__(self, likelihood):
        self.likelihood = likelihood

    def predict(self, _frame, _matrix):
        return np.full((SIDE, SIDE), self.likelihood, np.float32)


def pictures_of(tmp_path, pictures, rows, likelihood=0):
    """Take the pictures of a video with these BGR pictures and landmarks in each."""
    video = probe_video(make_face_video(tmp_path / "face.mp4", pictures))
    track = face_track(tmp_path / "face.track", rows)
    return take_pictures(video, track, estimate_closed_mouth(track), Covers(likelihood))


def faces(openings):
    """Return the landmarks of a frontal face, 100 px between the eyes, with the given mouth openings."""
    rows = np.repeat(100 * canonical_face()[None] + np.float32([320, 200, 0]), len(openings), 0)
    rows[:, INNER_LOWER_MID, :2] = rows[:, INNER_UPPER_MID, :2]
    rows[:, INNER_LOWER_MID, 1] += 100 * np.asarray(openings, np.float32)
    return rows


def test_interior_comes_from_the_sharpest_of_similar_frames(tmp_path):
    grain = RANDOM.integers(0, 256, (400, 640, 3), np.uint8)
    blurred = cv2.GaussianBlur(grain, (0, 0), 4)
    pictures = [grain if number % 3 == 0 else blurred for number in range(75)]
    inside = pictures_of(tmp_path, pictures, faces(np.linspace(0.06, 0.4, 75))).inside
    interiors = inside.interiors
    assert len(interiors) == len(inside.shapes) > 5
    assert [interior.bottom.max() for interior in interiors] == sorted(interior.bottom.max() for interior in interiors)
    assert min(interior.image[..., 0].std() for interior in interiors) > 3 * blurred.std()


def test_covered_mouth_is_no_interior(tmp_path):
    pictures, rows = [np.full((400, 640, 3), 90, np.uint8)] * 75, faces(np.linspace(0.06, 0.2, 75))
    assert len(pictures_of(tmp_path, pictures, rows).inside.interiors) > 1
    assert isinstance(pictures_of(tmp_path, pictures, rows, likelihood=1).inside, DrawnMouth)


def test_shapes_are_those_of_the_frames_that_interiors_come_from(tmp_path):
    rows = faces(np.linspace(0.06, 0.2, 75))
    inside = pictures_of(tmp_path, [np.full((400, 640, 3), 90, np.uint8)] * 75, rows).inside
    shapes = tracked_shape(rows)
    for interior, shape in zip(inside.interiors, inside.shapes, strict=True):
        frame = np.argmin(distances(shapes, shape))
        lips = visible_lips(rows[frame, list(LIPS), :2])
        gap = lips[INNER_BOTTOM[5], 1] - lips[INNER_TOP[5], 1]
        assert interior.bottom[5] - interior.top[5] == pytest.approx(gap / 100, abs=0.004)


@pytest.fixture(scope="module")
def closed():
    """A face with closed lips: BGR, and the landmarks (478, 3)."""
    picture = scene(640, 480, (320, 240, 470))
    return picture, track_frame(i420(picture))


@pytest.fixture(scope="module")
def opened(closed):
    """The same face with an open mouth, and one that is ajar."""
    frame, landmarks = i420(closed[0]), closed[1]
    renderer = make_renderer(frame, landmarks)
    mouths = []
    for by in (0.15, 0.04):
        open_frame = renderer.render(frame, landmarks, jaw_motion(by))
        mouths.append((cv2.cvtColor(open_frame, cv2.COLOR_YUV2BGR_I420), track_frame(open_frame)))
    return mouths


def test_lips_come_from_the_sharpest_frame_in_which_they_touch(tmp_path, closed, opened):
    picture, landmarks = closed
    (wide, wide_landmarks), (ajar, _) = opened
    # The tracker takes a mouth that is ajar for closed; it is even sharper, as the other picture is blurred.
    pictures = [wide] * 20 + [ajar] * 3 + [cv2.GaussianBlur(picture, (0, 0), 1)] * 3 + [picture] * 2
    rows = [wide_landmarks] * 20 + [landmarks] * 8
    lips = pictures_of(tmp_path, pictures, rows).lips
    expected = i420(picture)
    left, top = np.round((landmarks[list(LIPS), :2] - lips.lips)[0]).astype(int)
    luma = planes(lips.picture)[0]
    rows, columns = luma.shape
    assert cv2.PSNR(luma, np.ascontiguousarray(expected[top : top + rows, left : left + columns])) > 35


def test_lips_that_never_touch_are_not_taken(tmp_path, closed, opened):
    (wide, wide_landmarks), (ajar, _) = opened
    assert pictures_of(tmp_path, [wide] * 20 + [ajar] * 10, [wide_landmarks] * 20 + [closed[1]] * 10).lips is None


def test_covered_lips_are_not_taken(tmp_path, closed, opened):
    pictures, rows = [opened[0][0]] * 20 + [closed[0]] * 10, [opened[0][1]] * 20 + [closed[1]] * 10
    assert pictures_of(tmp_path, pictures, rows).lips is not None
    assert pictures_of(tmp_path, pictures, rows, likelihood=1).lips is None


def test_closed_lips_of_another_segment_are_found(tmp_path, closed, opened):
    pictures, rows = [opened[0][0]] * 80 + [closed[0]] * 5, [opened[0][1]] * 80 + [closed[1]] * 5
    assert pictures_of(tmp_path, pictures, rows).lips is not None


@pytest.mark.parametrize("moved", [(0, 60), (0, 260), (-330, 0), (900, 900)])
def test_lips_beyond_the_picture_are_not_taken(tmp_path, closed, opened, moved):
    move = np.float32([[1, 0, moved[0]], [0, 1, moved[1]]])
    pictures = [cv2.warpAffine(each, move, (640, 480)) for each in [opened[0][0]] * 20 + [closed[0]] * 10]
    rows = [each + np.float32([*moved, 0]) for each in [opened[0][1]] * 20 + [closed[1]] * 10]
    assert (pictures_of(tmp_path, pictures, rows).lips is not None) == (moved == (0, 60))
