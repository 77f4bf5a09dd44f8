import numpy as np
import pytest

from heygem_cli.face.geometry import canonical_face
from heygem_cli.face.people import find_people, person_track
from heygem_cli.face.video_track import Face, TrackedFrame, write_track
from tracks import face_track, looks

RANDOM = np.random.default_rng(2)


def face_at(x):
    return np.float32([x, 200, 0]) + 100 * canonical_face()


def noisy(x, count):
    return [face_at(x) + RANDOM.normal(0, 0.3, (478, 3)).astype(np.float32) for _ in range(count)]


def test_jitter_is_removed(tmp_path):
    track = face_track(tmp_path / "a.track", noisy(300, 40))
    error = np.abs(track.rows(0, 40) - face_at(300)).mean(axis=(1, 2))
    assert error[5:-5].max() < 0.17


def test_short_gap_is_bridged_and_a_long_one_is_not(tmp_path):
    rows = [face_at(300 + k) for k in range(20)]
    track = face_track(tmp_path / "a.track", [*rows[:5], None, None, *rows[7:]])
    assert track.present.all()
    assert np.abs(track.landmarks(6) - rows[6]).max() < 0.1


def test_nothing_is_smoothed_or_bridged_across_a_cut(tmp_path):
    rows = [*[face_at(300)] * 6, None, *[face_at(300.4)] * 6]
    track = face_track(tmp_path / "a.track", rows, cuts=(0, 7), kinds=(0, 0))
    assert track.present.tolist() == [True] * 6 + [False] + [True] * 6
    assert track.landmarks(5)[4, 0] == pytest.approx(rows[5][4, 0], abs=0.01)
    assert track.landmarks(7)[4, 0] == pytest.approx(rows[7][4, 0], abs=0.01)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 130])
def test_single_frames_and_any_part_are_the_same(tmp_path, count):
    track = face_track(tmp_path / "a.track", [face_at(300 + 20 * np.sin(k / 5)) for k in range(count)])
    whole = track.rows(0, count)
    assert len(whole) == count
    for index in {0, count // 2, count - 1}:
        assert (track.landmarks(index) == whole[index]).all()
        assert (track.rows(index, 200) == whole[index:]).all()
    assert len(track.rows(count, 5)) == 0


def test_why_a_person_is_absent(tmp_path):
    frames = [TrackedFrame(True, (Face(0, face_at(300), looks(0)),))] * 1
    frames += [TrackedFrame(True, (Face(1, face_at(300), looks(1)),)), TrackedFrame(True, ())]
    video = write_track(tmp_path / "a.track", frames, limit=9)
    first, second = (person_track(video, person) for person in find_people(video))
    assert [first.absence(index) for index in range(3)] == [None, "other person", "no face"]
    assert [second.absence(index) for index in range(3)] == ["other person", None, "no face"]
    assert first.landmarks(1) is None
    assert np.isnan(first.rows(0, 3)[1:]).all()


def test_one_of_several_faces_is_read(tmp_path):
    faces = [(Face(0, face_at(100 + k), looks(0)), Face(1, face_at(500 - k), looks(1))) for k in range(30)]
    frames = [TrackedFrame(not k, pair) for k, pair in enumerate(faces)]
    video = write_track(tmp_path / "a.track", frames, limit=99)
    left, right = (person_track(video, person) for person in find_people(video))
    assert left.landmarks(20)[4, 0] == pytest.approx(face_at(120)[4, 0], abs=0.1)
    assert right.rows(20, 1)[0, 4, 0] == pytest.approx(face_at(480)[4, 0], abs=0.1)


@pytest.mark.parametrize(
    ("degrees", "upright"), [(0, True), (40, True), (-40, True), (60, False), (-90, False), (180, False)]
)
def test_how_a_head_is_held(tmp_path, degrees, upright):
    across, down = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = (canonical_face() @ np.float32([[across, down, 0], [-down, across, 0], [0, 0, 1]])) * 100 + [300, 200, 0]
    rows = [None, *[turned.astype(np.float32)] * 30, *[face_at(300)] * 10]
    assert face_track(tmp_path / "a.track", rows).is_upright() is upright
