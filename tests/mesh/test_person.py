from itertools import pairwise

import numpy as np
import pytest

from heygem_cli.face.geometry import (
    CHIN,
    INNER_LOWER,
    INNER_LOWER_MID,
    INNER_UPPER,
    INNER_UPPER_MID,
    canonical_face,
    head_pose,
)
from heygem_cli.mesh.controls import INNER_BOTTOM
from heygem_cli.mesh.person import (
    PICTURES,
    WIDEST,
    estimate_closed_mouth,
    estimate_opening_scale,
    find_closed_mouths,
    find_open_mouths,
    fit_sway,
)
from tracks import face_track

RATE = 25.0


RANDOM = np.random.default_rng(11)


def still_faces(openings):
    """Return the landmarks of a frontal face, 100 px between the eyes, with the given mouth openings."""
    rows = np.repeat(100 * canonical_face()[None] + np.float32([320, 200, 0]), len(openings), 0)
    rows[:, INNER_LOWER_MID, :2] = rows[:, INNER_UPPER_MID, :2]
    rows[:, INNER_LOWER_MID, 1] += 100 * np.asarray(openings, np.float32)
    return rows


def track_of(tmp_path, openings):
    """Write a track of such a face."""
    return face_track(tmp_path / "face.track", still_faces(openings))


def speech(opened, seconds=4):
    """Return the openings of a speaking mouth whose 90th percentile is ``opened``."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = (1 - np.cos(2 * np.pi * 3.1 * time)) / 2
    return wave * opened / np.percentile(wave, 90)


def motion_of(openings):
    """Return the motion of a mouth with the given openings."""
    motion = np.zeros((len(openings), 41, 3), np.float32)
    motion[:, INNER_BOTTOM[5], 1] = openings
    return motion


SPEECH = motion_of(speech(0.125))


@pytest.mark.parametrize(("opened", "factor"), [(0.125, 1), (0.16, 1.22), (0.09, 0.77), (0.4, 1.6), (0.04, 0.7)])
def test_opening_scale_follows_the_person_within_limits(tmp_path, opened, factor):
    assert estimate_opening_scale(track_of(tmp_path, speech(opened)), SPEECH, RATE) == pytest.approx(factor, abs=0.03)


@pytest.mark.parametrize(
    "openings",
    [
        [0.3],
        np.full(200, 0.2),
        RANDOM.normal(0.02, 0.002, 200),
        np.concatenate([speech(0.3, 1), np.zeros(100)]),
    ],
    ids=["a still image", "a smile", "a silent face", "too little speech"],
)
def test_opening_scale_is_1_without_speech(tmp_path, openings):
    assert estimate_opening_scale(track_of(tmp_path, openings), SPEECH, RATE) == 1


def test_pauses_do_not_change_the_opening_scale(tmp_path):
    with_pauses = np.concatenate([speech(0.16), np.zeros(300)])
    assert estimate_opening_scale(track_of(tmp_path, with_pauses), SPEECH, RATE) == pytest.approx(1.22, abs=0.03)


@pytest.mark.parametrize(("predicted", "factor"), [(0.125, 1), (0.08, 1.2), (0.18, 0.86), (0.03, 1)])
def test_opening_scale_makes_up_for_flat_motion_in_part(tmp_path, predicted, factor):
    track, motion = track_of(tmp_path, speech(0.125)), motion_of(speech(predicted))
    assert estimate_opening_scale(track, motion, RATE) == pytest.approx(factor, abs=0.03)
    assert estimate_opening_scale(track, motion[:20], RATE) == pytest.approx(1, abs=0.03)


def test_sway_is_found_for_a_turning_head_and_is_zero_for_a_still_one():
    openings = RANDOM.uniform(0, 0.1, 200)
    turned = RANDOM.normal(0, 10, (200, 2))
    expected = RANDOM.normal(0, 0.003, (2, 5, 3))
    points = np.tensordot(turned, expected, 1) + openings[:, None, None] + RANDOM.normal(0, 0.002, (200, 5, 3))
    assert fit_sway(points, openings, turned) == pytest.approx(expected, abs=6e-4)
    still = RANDOM.normal(0, 0.05, (200, 2))
    assert np.abs(fit_sway(points, openings, still)).max() < 0.001


def test_closed_mouth_follows_a_nodding_head(tmp_path):
    angles = np.radians(15 * np.sin(np.arange(100) / 8))
    rows = []
    for angle in angles:
        nod = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
        face = 100 * canonical_face()
        face[list(INNER_LOWER)] = face[list(INNER_UPPER)]
        face[CHIN, 2] += 30  # a chin farther back than that of the mean face
        rows.append((face @ nod.T + [320, 200, 0]) * [1, 1, 0.7])  # and depths too small, as from a tracker
    closed = estimate_closed_mouth(face_track(tmp_path / "face.track", np.float32(rows)))
    poses = [head_pose(row, canonical_face()) for row in np.float32(rows)]
    expected = np.array([row[CHIN, :2] for row in rows])
    fixed, followed = (
        np.linalg.norm(
            [pose.to_image(points)[40, :2] for pose, points in zip(poses, positions, strict=True)] - expected, axis=1
        )
        for positions in ([closed.points] * 100, [closed.points_at(pose) for pose in poses])
    )
    assert followed.mean() < 0.8 * fixed.mean()


def test_open_mouths_come_from_the_first_segment_with_enough(tmp_path):
    openings = np.concatenate([np.zeros(75), np.linspace(0.05, 0.2, 75), np.full(75, 0.15)])
    groups = find_open_mouths(track_of(tmp_path, openings), RATE)
    assert 5 < len(groups) <= PICTURES
    assert {frame for group in groups for frame in group} == set(range(75, 76 + round(WIDEST * 74)))
    assert all(np.mean(narrower) < np.mean(wider) for narrower, wider in pairwise(groups))


def test_open_mouths_of_different_width_are_in_different_groups(tmp_path):
    faces = still_faces(np.full(75, 0.1))
    faces[::2, [INNER_UPPER[0], INNER_UPPER[-1]], 0] += np.float32([-4, 4])
    groups = find_open_mouths(face_track(tmp_path / "face.track", faces), RATE)
    assert [{frame % 2 for frame in group} for group in groups] in ([{0}, {1}], [{1}, {0}])


def test_many_different_mouths_give_a_limited_number_of_groups(tmp_path):
    faces = still_faces(np.full(75, 0.1))
    faces[:, CHIN, 1] += np.float32(np.linspace(0, 200, 75))
    assert len(find_open_mouths(face_track(tmp_path / "face.track", faces), RATE)) == PICTURES


def test_open_mouths_come_from_the_best_segment_otherwise(tmp_path):
    openings = np.zeros(200)
    openings[[10, 180, 181]] = 0.1, 0.12, 0.11
    assert {frame for group in find_open_mouths(track_of(tmp_path, openings), RATE) for frame in group} == {180, 181}


def test_mouth_that_never_opens_has_no_open_frames(tmp_path):
    assert find_open_mouths(track_of(tmp_path, np.zeros(90)), RATE) == []


def test_closed_mouths_are_those_nearest_to_the_open_ones(tmp_path):
    openings = np.full(225, 0.1)
    openings[[20, 100, 101, 180]] = 0.001
    track = track_of(tmp_path, openings)
    near, other = find_closed_mouths(track, estimate_closed_mouth(track), RATE, near=90)
    assert sorted(near) == [100, 101]
    assert other in ([20], [180])


def test_closed_mouth_that_moves_is_worse_than_a_still_one(tmp_path):
    rows = [*still_faces(np.zeros(3)), *still_faces(np.zeros(3))]
    rows[1] = rows[1] + np.float32([6, 0, 0])
    track = face_track(tmp_path / "face.track", rows)
    near, _ = find_closed_mouths(track, estimate_closed_mouth(track), RATE, near=0)
    assert sorted(near) == [0, 1, 2, 3, 4, 5]
    assert set(near[:3]) <= {0, 3, 4, 5}


def test_mouth_that_never_closes_has_no_closed_frames(tmp_path):
    track = track_of(tmp_path, np.full(90, 0.05))
    assert find_closed_mouths(track, estimate_closed_mouth(track), RATE, near=0) == [[], []]


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_frames_without_the_person_have_no_closed_mouth(tmp_path):
    track = face_track(tmp_path / "face.track", [*still_faces(np.zeros(1)), *[None] * 40, *still_faces(np.zeros(2))])
    near, _ = find_closed_mouths(track, estimate_closed_mouth(track), RATE, near=0)
    assert {0, 42} <= set(near) <= {0, 41, 42}
