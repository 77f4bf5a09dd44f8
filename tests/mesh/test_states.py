from types import SimpleNamespace

import numpy as np
import pytest

from heygem_cli.face.geometry import LIPS, canonical_face
from heygem_cli.mesh.states import fade, frame_states, mouth_region
from tracks import face_track

VIDEO = SimpleNamespace(width=640, height=360)


def face(x=320.0, y=100.0, turned=0.0):
    angle = np.radians(turned)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return np.float32([x, y, 0]) + np.float32(80 * canonical_face() @ turn.T)


def test_strength_rises_and_falls_over_three_frames_within_a_shot():
    drawn = np.array([c == "x" for c in "..xxxxxxxxxx.."])
    assert fade(drawn, np.ones(14, int)).tolist() == [0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0, 0]


def test_strength_does_not_fade_at_a_cut_or_at_the_ends():
    drawn = np.array([c == "x" for c in "xxx...xxx"])
    shots = np.repeat([1, 2, 3], 3)
    assert fade(drawn, shots).tolist() == [1, 1, 1, 0, 0, 0, 1, 1, 1]
    assert fade(np.ones(2, bool), np.ones(2, int)).tolist() == [1, 1]


def test_mouth_outside_the_picture_passes(tmp_path):
    rows = [*[face()] * 6, *[face(y=330)] * 3, *[face(x=-20)] * 2]
    states = frame_states(face_track(tmp_path / "a.track", rows), VIDEO)
    assert list(states.states) == ["rendered"] * 6 + ["outside"] * 5
    assert states.strengths.tolist() == [1, 1, 1, 0.75, 0.5, 0.25, 0, 0, 0, 0, 0]


def test_mouth_that_is_partly_outside_is_drawn(tmp_path):
    states = frame_states(face_track(tmp_path / "a.track", [face(x=8)] * 3), VIDEO)
    assert set(states.states) == {"rendered"}


@pytest.mark.parametrize(("degrees", "state"), [(0, "rendered"), (50, "rendered"), (70, "turned away")])
def test_head_that_is_turned_away_passes(tmp_path, degrees, state):
    assert frame_states(face_track(tmp_path / "a.track", [face(turned=degrees)]), VIDEO).states == (state,)


def test_frames_know_their_shot(tmp_path):
    track = face_track(tmp_path / "a.track", [face()] * 5, cuts=(0, 3), kinds=(0, 0))
    states = frame_states(track, VIDEO)
    assert states.shots.tolist() == [1, 1, 1, 2, 2]
    assert states.at(4) == ("rendered", 1.0, 2)
    assert states.at(5) == ("no face", 0.0, 2)


def test_mouth_region_contains_the_mouth_wherever_it_is_drawn(tmp_path):
    rows = [face(), face(x=350), face(x=350, y=120), face(x=100, turned=80), face(y=330), None]
    track = face_track(tmp_path / "a.track", rows)
    region = mouth_region(track, frame_states(track, VIDEO), VIDEO)
    lips = np.concatenate(rows[:3])[list(LIPS) + [478 + each for each in LIPS] + [956 + each for each in LIPS], :2]
    (left, top), (right, bottom) = lips.min(0), lips.max(0)
    margin = 0.35 * (right - left - 30)
    expected = left - margin, top - margin, right - left + 2 * margin, bottom - top + 2 * margin
    assert (region.left, region.top, region.width, region.height) == pytest.approx(expected, abs=1.5)


def test_mouth_region_stays_inside_the_picture_and_is_unknown_where_nothing_is_drawn(tmp_path):
    track = face_track(tmp_path / "a.track", [face(x=8)] * 3)
    region = mouth_region(track, frame_states(track, VIDEO), VIDEO)
    assert region.left == 0
    assert region.width > 20
    hidden = face_track(tmp_path / "b.track", [face(turned=80)] * 3)
    assert mouth_region(hidden, frame_states(hidden, VIDEO), VIDEO) is None
