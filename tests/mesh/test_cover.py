import os

import cv2
import numpy as np
import pytest

from heygem_cli import render
from heygem_cli.face.geometry import LIPS, canonical_face, head_pose
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import planes
from heygem_cli.mesh.cover import (
    FADE_FRAMES,
    SOLID,
    CoverFinder,
    close_gaps,
    continue_over,
    covers_mouth,
    fill,
    find_covers,
    lips_mask,
    soften,
)
from heygem_cli.mesh.cover_network import SIDE, CoverNetwork, cover_matrix
from heygem_cli.runtime import read_settings
from mouth_renderer import jaw_motion, make_renderer
from portrait import i420, make_face_video, make_voice, scene, track_frame

PICTURE = scene(1280, 720, (640, 360, 700))
LANDMARKS = track_frame(i420(PICTURE))
POSE = head_pose(LANDMARKS, canonical_face())
MOUTH = LANDMARKS[list(LIPS), :2].mean(0)
UNIT = float(POSE.scale)
SKIN = (125, 150, 190)


class KnownCover:
    """Stands in for the network: says that given parts of the picture are covered, one for each call."""

    def __init__(self, *masks):
        self.masks = list(masks)

    def predict(self, _frame, matrix):
        mask = self.masks.pop(0) if len(self.masks) > 1 else self.masks[0]
        return cv2.warpAffine(mask.astype(np.float32), matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)


NOTHING = np.zeros(PICTURE.shape[:2], np.uint8)


def rectangle(left, top, right, bottom):
    """Return a mask with a rectangle, given in inter-ocular distances from the mouth."""
    mask = NOTHING.copy()
    low, high = (np.round(MOUTH + np.multiply(corner, UNIT)).astype(int) for corner in ((left, top), (right, bottom)))
    mask[low[1] : high[1], low[0] : high[0]] = 1
    return mask


WHOLE_MOUTH = rectangle(-0.5, -0.3, 0.5, 0.4)


def painted(mask, color):
    picture = PICTURE.copy()
    picture[mask > 0] = color
    return i420(picture)


@pytest.fixture(scope="module")
def network():
    return CoverNetwork("cpu", read_settings(os.environ))


def renderer_with(network):
    return make_renderer(i420(PICTURE), LANDMARKS, network)


def caption():
    picture, mask = PICTURE.copy(), NOTHING.copy()
    place = tuple((MOUTH + np.multiply((-1.1, 0.32), UNIT)).astype(int).tolist())
    for image, edge, ink in ((picture, (0, 0, 0), (255, 255, 255)), (mask, [1], [1])):
        cv2.putText(image, "A caption on the chin", place, cv2.FONT_HERSHEY_DUPLEX, UNIT / 150, edge, 9, cv2.LINE_8)
        cv2.putText(image, "A caption on the chin", place, cv2.FONT_HERSHEY_DUPLEX, UNIT / 150, ink, 3, cv2.LINE_8)
    return picture, mask


def bar():
    mask = rectangle(-2, 0.1, 2, 0.5)
    picture = PICTURE.copy()
    picture[mask > 0] = (140, 60, 20)
    return picture, mask


def microphone():
    picture, mask = PICTURE.copy(), NOTHING.copy()
    head = (MOUTH + np.multiply((0.25, 0.35), UNIT)).astype(int)
    base = head + np.multiply((0.5, 3), UNIT).astype(int)
    for image, grip, ball in ((picture, (60, 60, 60), (25, 25, 25)), (mask, [1], [1])):
        cv2.line(image, head.tolist(), base.tolist(), grip, int(0.16 * UNIT), cv2.LINE_8)
        cv2.circle(image, head.tolist(), int(0.22 * UNIT), ball, -1, cv2.LINE_8)
    cv2.circle(picture, (head - int(0.07 * UNIT)).tolist(), int(0.05 * UNIT), (120, 120, 120), -1, cv2.LINE_AA)
    return picture, mask


def hand():
    picture, mask = PICTURE.copy(), NOTHING.copy()
    width = int(0.2 * UNIT)
    for finger in range(4):
        tip = (MOUTH + np.multiply((-0.25 + 0.08 * finger, 0.0 + 0.19 * finger), UNIT)).astype(int)
        root = tip + np.multiply((2.5, 0.5), UNIT).astype(int)
        cv2.line(mask, tip.tolist(), root.tolist(), [1], width, cv2.LINE_8)
        for share in np.linspace(1, 0.2, 6):
            shade = tuple((0.95 - 0.5 * share) * np.array(SKIN))
            cv2.line(picture, tip.tolist(), root.tolist(), shade, int(share * width), cv2.LINE_AA)
    return picture, mask


def mask():
    points = LANDMARKS[[127, 6, 356, 361, 397, 379, 152, 150, 172, 132], :2]
    points[1] = LANDMARKS[5, :2]
    picture, covered = PICTURE.copy(), NOTHING.copy()
    for image, color in ((picture, (225, 205, 170)), (covered, [1])):
        cv2.fillPoly(image, [np.round(points).astype(np.int32)], color)
    for height in (0.0, 0.25, 0.5):
        ends = (MOUTH + np.multiply(((-0.5, height - 0.2), (0.5, height - 0.2)), UNIT)).astype(int)
        cv2.line(picture, ends[0].tolist(), ends[1].tolist(), (190, 170, 140), 3, cv2.LINE_AA)
    return picture, covered


@pytest.mark.parametrize("draw", [caption, bar, microphone, hand, mask])
def test_what_is_in_front_of_the_face_stays(network, draw):
    picture, covered = draw()
    frame = i420(picture)
    rendered = renderer_with(network).render(frame, LANDMARKS, jaw_motion(0.12))
    output = frame if rendered is None else rendered
    changed = np.abs(output[:720].astype(int) - frame[:720])
    assert changed[covered > 0].mean() < 0.2
    without = renderer_with(KnownCover(NOTHING)).render(frame, LANDMARKS, jaw_motion(0.12))
    assert np.abs(without[:720].astype(int) - frame[:720])[covered > 0].mean() > 0.5


def test_hidden_mouth_is_left_unchanged(network):
    assert renderer_with(network).render(i420(mask()[0]), LANDMARKS, jaw_motion(0.12)) is None


def test_face_without_a_cover_is_rendered_as_if_nobody_looked_for_one(network):
    frame = i420(PICTURE)
    for motion in (jaw_motion(0.02), jaw_motion(0.15)):
        looked = renderer_with(network).render(frame, LANDMARKS, motion)
        unlooked = renderer_with(KnownCover(NOTHING)).render(frame, LANDMARKS, motion)
        assert (looked == unlooked).all()


def test_covered_pixels_are_the_sources_own_in_all_planes():
    covered = rectangle(0.05, -0.2, 0.6, 0.9)
    frame = painted(covered, (60, 220, 60))
    output = renderer_with(KnownCover(covered)).render(frame, LANDMARKS, jaw_motion(0.15))
    for own, drawn, step in zip(planes(frame), planes(output), (1, 2, 2), strict=True):
        hidden = covered[::step, ::step] > 0
        assert (own[hidden] == drawn[hidden]).all()
        assert (own != drawn).any()


def test_colors_of_the_cover_are_not_dragged_into_the_skin():
    covered = rectangle(-0.9, 0.25, 0.9, 0.4)
    frame = painted(covered, (0, 255, 0))
    output = renderer_with(KnownCover(covered)).render(frame, LANDMARKS, jaw_motion(0.15))
    around = (cv2.dilate(covered, np.ones((61, 61), np.uint8)) > 0) & (
        cv2.dilate(covered, np.ones((5, 5), np.uint8)) == 0
    )
    around = around[::2, ::2]
    assert planes(output)[1][around].astype(int).min() > planes(frame)[1][around].astype(int).min() - 4
    assert (planes(output)[1] != planes(frame)[1]).any()


def find(finder, landmarks=LANDMARKS):
    """Return what covers the face in a single frame."""
    return finder.find([i420(PICTURE)], [0], landmarks[None], head_pose(landmarks[None], canonical_face()))[0]


class CoveredFrames:
    """Stands in for the network: says that a part of the picture is covered in frames of a given brightness."""

    def __init__(self, *levels):
        self.levels = levels
        self.looked = []

    def predict(self, frame, matrix):
        self.looked.append(int(frame[0, 0]))
        mask = WHOLE_MOUTH if frame[0, 0] in self.levels else NOTHING
        return cv2.warpAffine(mask.astype(np.float32), matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)


def find_in_blocks(network, size, landmarks=None):
    """Return for each of 12 frames, whose brightness is their number, whether something covers the face."""
    finder = CoverFinder(network)
    frames = [np.full((1080, 1280), number, np.uint8) for number in range(12)]
    places = np.repeat(LANDMARKS[None], 12, 0) if landmarks is None else landmarks
    found = []
    for start in range(0, 12, size):
        part = slice(start, start + size)
        pose = head_pose(places[part], canonical_face())
        found += [bool(cover) for cover in finder.find(frames[part], range(12)[part], places[part], pose)]
    return found


def test_network_does_not_look_between_frames_without_a_cover():
    network = CoveredFrames()
    assert not any(find_in_blocks(network, 4))
    assert network.looked == [0, 1, 3, 5, 7, 9, 11]


@pytest.mark.parametrize("covered", [[4, 5, 6], [5], [0, 1], [11], [6, 7, 8, 9]])
def test_frames_around_a_cover_are_looked_at(covered):
    network = CoveredFrames(*covered)
    found = find_in_blocks(network, 4)
    assert all(found[number] for number in covered)
    near = {number + by for number in covered for by in (-1, 0, 1)} & set(range(12))
    assert near <= set(network.looked)
    assert found == find_in_blocks(CoveredFrames(*covered), 12)


def test_cover_of_a_single_frame_is_found():
    network = CoveredFrames(200)
    finder = CoverFinder(network)
    frames = [np.full((1080, 1280), level, np.uint8) for level in (120, 120, 200, 120)]
    places = np.repeat(LANDMARKS[None], 4, 0)
    covers = finder.find(frames, range(4), places, head_pose(places, canonical_face()))
    assert [bool(cover) for cover in covers[:3]] == [False, False, True]
    assert 200 in network.looked


def test_frames_around_a_cut_are_looked_at():
    elsewhere = np.repeat(LANDMARKS[None], 12, 0)
    elsewhere[6:] += np.float32([2 * UNIT, 0, 0])
    network = CoveredFrames()
    find_in_blocks(network, 4, elsewhere)
    assert 6 in network.looked


def test_cover_does_not_flicker():
    covered = rectangle(0.05, 0, 0.6, 0.9)
    finder = CoverFinder(KnownCover(covered, NOTHING, NOTHING, NOTHING, NOTHING))
    found = [bool(find(finder)) for _ in range(5)]
    assert found[:2] == [True, True]
    assert found[-1] is False


def test_cover_stays_while_the_network_doubts_it():
    covered = rectangle(0.05, 0, 0.6, 0.9)
    doubted = 0.3 * covered
    finder = CoverFinder(KnownCover(covered, doubted))
    assert all(find(finder) for _ in range(12))
    assert not find(CoverFinder(KnownCover(doubted)))


def test_cover_is_not_kept_across_a_cut():
    finder = CoverFinder(KnownCover(WHOLE_MOUTH, NOTHING))
    assert find(finder).strength == 0
    elsewhere = LANDMARKS + np.float32([2 * UNIT, 0, 0])
    after = find(finder, elsewhere)
    assert not after
    assert after.strength == 1


def test_speech_comes_back_within_three_frames():
    finder = CoverFinder(KnownCover(WHOLE_MOUTH, *[NOTHING] * 8))
    strengths = [find(finder).strength for _ in range(8)]
    assert strengths[0] == 0
    assert strengths[-1] == 1
    assert max(np.diff(strengths)) == pytest.approx(1 / FADE_FRAMES)


def test_half_covered_mouth_still_speaks():
    cover = find(CoverFinder(KnownCover(rectangle(0, -0.3, 0.5, 0.4))))
    assert cover
    assert cover.strength > 0.9


def test_mouth_speaks_until_little_of_it_is_left():
    strengths = [
        find(CoverFinder(KnownCover(rectangle(-0.6, -0.3, right, 0.4)))).strength for right in (0.05, 0.15, 0.3)
    ]
    assert strengths[0] == 1
    assert 0 < strengths[1] < 1
    assert strengths[2] == 0


def points_in_crop():
    matrix = cover_matrix(POSE)
    return LANDMARKS[:, :2] @ matrix[:, :2].T + matrix[:, 2]


def covers_in(likelihood):
    return find_covers(likelihood, likelihood > 0.9, points_in_crop())


def test_teeth_and_tongue_are_not_a_cover():
    points = points_in_crop()
    between = cv2.erode(lips_mask(points).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)
    assert between.sum() > 20
    assert covers_in(between) is None
    assert covers_in(cv2.dilate(between, np.ones((15, 15), np.uint8))) is not None


def test_specks_and_what_is_beside_the_face_are_not_a_cover():
    speck, corner = np.zeros((2, SIDE, SIDE), np.float32)
    speck[60:62, 40:43] = 1
    corner[:8, :8] = 1
    assert covers_in(speck) is None
    assert covers_in(corner) is None


def test_only_a_cover_of_the_mouth_covers_the_mouth():
    frame = i420(PICTURE)
    assert covers_mouth(KnownCover(WHOLE_MOUTH), frame, LANDMARKS)
    assert not covers_mouth(KnownCover(rectangle(0.5, 0, 0.8, 0.4)), frame, LANDMARKS)
    assert not covers_mouth(KnownCover(NOTHING), frame, LANDMARKS)


def test_cover_of_the_skin_around_the_lips_counts_if_asked():
    frame, lip = i420(PICTURE), (LANDMARKS[17, 1] - MOUTH[1]) / UNIT
    chin = KnownCover(rectangle(-0.2, lip + 0.08, 0.2, lip + 0.3))
    assert [covers_mouth(chin, frame, LANDMARKS, around) for around in (0, 0.02, 0.13)] == [False, False, True]


def test_hidden_pixels_are_filled_from_their_surroundings():
    image = np.full((SIDE, SIDE, 3), (80, 120, 150), np.float32)
    hidden = np.zeros((SIDE, SIDE), np.float32)
    hidden[20:70, 30:90] = 1
    image[hidden > 0] = 255
    assert np.abs(fill(image, hidden) - (80, 120, 150)).max() < 1


@pytest.mark.parametrize(
    "covered", [(slice(60, 96), slice(50, 96)), (slice(44, 56), slice(0, 96)), (slice(0, 96), slice(0, 60))]
)
def test_colours_go_on_behind_a_cover_without_an_edge(covered):
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    image = np.stack([40 + 1.2 * columns + 0.5 * rows, 120 - 0.3 * columns, 130 + 0.2 * rows], -1)
    hidden = np.zeros((SIDE, SIDE), np.float32)
    hidden[covered] = 1
    beside = (hidden > 0) & (cv2.erode(hidden, np.ones((3, 3))) == 0)
    beside[[0, -1]] = beside[:, [0, -1]] = False
    filled = continue_over(np.where(hidden[..., None] > 0, 255, image).astype(np.float32), hidden)
    assert np.abs(filled - image)[beside].mean() < 1
    assert (filled[hidden == 0] == image[hidden == 0]).all()


def test_cover_at_the_edge_of_the_picture():
    picture = scene(1280, 720, (1180, 560, 700))
    landmarks = track_frame(i420(picture))
    everything = np.ones((720, 1280), np.uint8)
    half = np.zeros_like(everything)
    half[:, : int(landmarks[13, 0])] = 1
    frame = i420(picture)
    assert make_renderer(frame, landmarks, KnownCover(half)).render(frame, landmarks, jaw_motion(0.15)) is not None
    assert make_renderer(frame, landmarks, KnownCover(everything)).render(frame, landmarks, jaw_motion(0.15)) is None


def test_gaps_between_letters_are_closed():
    letters = np.zeros((SIDE, SIDE), bool)
    letters[40:50, 20:60:8] = True
    letters[40:50, 21:60:8] = True
    opacity = soften(close_gaps(letters) > 0)
    assert (opacity[42:48, 20:54] >= SOLID).all()
    assert not opacity[:34].any()
    assert not opacity[56:].any()


def test_frames_with_a_hidden_mouth_are_counted_and_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("HEYGEM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # restored, whatever the renderer sets
    face = make_face_video(tmp_path / "face.mp4", [mask()[0]] * 6)
    result = render(make_voice(tmp_path / "voice.wav", 0.24), face, tmp_path / "out.mkv", crf=0, preset="ultrafast")
    assert result.frames == 6
    assert result.frames_covered == 6
    for before, after in zip(*(read_frames(probe_video(path)) for path in (face, result.output)), strict=True):
        assert (before == after).all()
