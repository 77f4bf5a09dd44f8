import cv2
import numpy as np
import pytest

from heygem_cli.face.appearance import distance
from heygem_cli.face.geometry import canonical_face
from heygem_cli.face.people import find_people, person_track
from heygem_cli.face.video_track import Face, TrackedFrame, write_track
from portrait import face_tracker, i420, other_portrait, portrait, scene, track_frame
from tracks import looks

SIZE = (640, 360)
ANNA, BEN, CARL = 0, 1, 2


def face(tracklet, kind=None, x=100.0):
    """Return a face, which is described if ``kind`` is given."""
    landmarks = np.float32([x, 100, 0]) + 40 * canonical_face()
    return Face(tracklet, landmarks, None if kind is None else looks(kind))


def shot(*frames):
    """Return a shot: for each frame a list of faces."""
    return [TrackedFrame(not number, tuple(faces)) for number, faces in enumerate(frames)]


def alone(tracklet, kind, frames=20):
    return shot([face(tracklet, kind)], *[[face(tracklet)]] * (frames - 1))


def people_of(tmp_path, frames):
    track = write_track(tmp_path / "a.track", frames, limit=len(frames) + 1)
    return track, find_people(track)


def spans(person):
    return [(piece.first, piece.last) for piece in person.pieces]


def test_person_is_recognised_after_a_cut(tmp_path):
    track, (anna, ben) = people_of(tmp_path, [*alone(0, ANNA), *alone(1, BEN), *alone(2, ANNA)])
    assert (spans(anna), spans(ben)) == ([(0, 19), (40, 59)], [(20, 39)])
    assert (anna.number, anna.frames, anna.first, anna.last) == (1, 40, 0, 59)
    of_anna = person_track(track, anna)
    assert of_anna.present.tolist() == [True] * 20 + [False] * 20 + [True] * 20
    assert [of_anna.absence(index) for index in (19, 20)] == [None, "other person"]


def test_people_are_numbered_by_appearance_and_then_from_left_to_right(tmp_path):
    both = shot([face(1, BEN, x=400), face(2, CARL, x=200)], *[[face(1, x=400), face(2, x=200)]] * 19)
    _, people = people_of(tmp_path, [*alone(0, ANNA), *both, *alone(3, CARL, frames=30)])
    assert [person.first for person in people] == [0, 20, 20]
    assert [person.number for person in people] == [1, 2, 3]
    assert [round(person.box.x) for person in people[1:]] == [200, 400]


def test_faces_in_one_frame_are_different_people_even_if_they_look_alike(tmp_path):
    twins = shot([face(0, ANNA), face(1, ANNA, x=400)], *[[face(0), face(1, x=400)]] * 19)
    _, people = people_of(tmp_path, twins)
    assert len(people) == 2


def test_tracklet_that_passes_to_somebody_else_is_split(tmp_path):
    kinds = [ANNA, ANNA, ANNA, BEN, BEN, BEN]
    frames = shot(*[[face(0, kinds[k // 8] if k % 8 == 0 else None)] for k in range(48)])
    _, (anna, ben) = people_of(tmp_path, frames)
    assert (spans(anna), spans(ben)) == ([(0, 16)], [(24, 47)])


def covered_for_a_moment(move=0.0, others=()):
    """Return a shot in whose middle a face looks different, where it moves by so many pixels, and other faces in it."""
    kinds = [ANNA, ANNA, ANNA, BEN, BEN, ANNA, ANNA]
    return shot(
        *[
            [face(0, kinds[k // 8] if k % 8 == 0 else None, x=100 + (move if 24 <= k < 40 else 0)), *others]
            for k in range(56)
        ]
    )


def test_face_that_looks_different_for_a_moment_remains_the_same_person(tmp_path):
    _, people = people_of(tmp_path, covered_for_a_moment())
    assert [spans(person) for person in people] == [[(0, 55)]]
    assert people[0].frames == 56


def test_face_that_looks_different_more_than_once_remains_the_same_person(tmp_path):
    kinds = [ANNA, ANNA, BEN, BEN, ANNA, ANNA, CARL, CARL, ANNA, ANNA]
    frames = shot(*[[face(0, kinds[k // 8] if k % 8 == 0 else None)] for k in range(80)])
    _, people = people_of(tmp_path, frames)
    assert [spans(person) for person in people] == [[(0, 79)]]


def test_face_that_comes_to_look_as_before_remains_the_same_person(tmp_path):
    tracklet, landmarks, _ = vars(face(0)).values()
    mixed = [looks(ANNA) + share * (looks(BEN) - looks(ANNA)) for share in (0, 0, 0, 1, 1, 0.4, 0.32, 0.19)]
    described = [Face(tracklet, landmarks, each) for each in mixed]
    assert np.mean([distance(mixed[0], each) for each in mixed[5:]]) > 1.3
    frames = shot(*[[described[k // 8] if k % 8 == 0 else face(0)] for k in range(64)])
    _, people = people_of(tmp_path, frames)
    assert [spans(person) for person in people] == [[(0, 63)]]


def test_face_that_jumps_and_looks_different_is_somebody_else(tmp_path):
    _, people = people_of(tmp_path, covered_for_a_moment(move=20))
    assert [spans(person) for person in people] == [[(0, 16), (40, 55)], [(24, 32)]]


def test_face_that_looks_different_beside_another_one_is_somebody_else(tmp_path):
    near, far = (covered_for_a_moment(others=[face(1, x=x)]) for x in (170, 300))
    near[0], far[0] = (shot([face(0, ANNA), face(1, CARL, x=x)])[0] for x in (170, 300))
    _, people = people_of(tmp_path, near)
    assert [spans(person) for person in people] == [[(0, 16), (40, 55)], [(0, 55)], [(24, 32)]]
    _, people = people_of(tmp_path, far)
    assert [spans(person) for person in people] == [[(0, 55)], [(0, 55)]]


def test_face_that_looks_like_somebody_who_is_seen_elsewhere_is_that_person(tmp_path):
    _, people = people_of(tmp_path, [*covered_for_a_moment(), *alone(1, BEN)])
    assert [spans(person) for person in people] == [[(0, 16), (40, 55)], [(24, 32), (56, 75)]]


def with_a_hand(picture, landmarks):
    """Return a picture in which something striped covers the eyes and the forehead."""
    hidden = picture.copy()
    (left, right), (top, bottom) = landmarks[[127, 356], 0].astype(int), landmarks[[10, 197], 1].astype(int)
    for column in range(left, right, 12):
        cv2.rectangle(hidden, (column, top), (column + 5, bottom), (90, 120, 190), -1)
        cv2.rectangle(hidden, (column + 6, top), (column + 11, bottom), (40, 60, 110), -1)
    return hidden


@pytest.mark.parametrize("hidden", [range(14, 37), range(34, 50)])
def test_hand_at_the_forehead_makes_nobody_else_of_a_person(tmp_path, hidden):
    picture = scene(480, 360, (240, 180, 330))
    covered = with_a_hand(picture, track_frame(i420(picture)))
    frames = [i420(covered if number in hidden else picture) for number in range(55)]
    tracked = list(face_tracker().follow_in_shots((frame, not number) for number, frame in enumerate(frames)))
    described = [face.appearance for frame in tracked for face in frame.faces if face.appearance is not None]
    assert max(distance(described[0], each) for each in described) > 1
    _, people = people_of(tmp_path, tracked)
    assert [spans(person) for person in people] == [[(0, 54)]]


def test_one_spoilt_description_does_not_split_a_tracklet(tmp_path):
    kinds = [ANNA, ANNA, BEN, ANNA, ANNA]
    frames = shot(*[[face(0, kinds[k // 8] if k % 8 == 0 else None)] for k in range(40)])
    _, people = people_of(tmp_path, frames)
    assert [spans(person) for person in people] == [[(0, 39)]]


def test_face_that_is_seen_for_a_moment_is_nobody(tmp_path):
    _, people = people_of(tmp_path, [*alone(0, ANNA, 150), *alone(1, BEN, 5), *alone(2, ANNA, 150)])
    assert [spans(person) for person in people] == [[(0, 149), (155, 304)]]


def test_short_video_has_its_people(tmp_path):
    assert [len(people_of(tmp_path, alone(0, ANNA, frames))[1]) for frames in (1, 3, 12)] == [1, 1, 1]
    assert people_of(tmp_path, shot([]))[1] == ()


def test_people_do_not_depend_on_what_is_cached_beyond(tmp_path):
    frames = [*alone(0, ANNA), *alone(1, BEN), *alone(2, ANNA)]
    whole = write_track(tmp_path / "whole.track", frames, limit=99)
    for count in (1, 20, 33, 45):
        part = write_track(tmp_path / "part.track", frames[:count], limit=count)
        assert find_people(whole.truncated(count)) == find_people(part)


def test_hidden_face_is_recognised_by_the_descriptions_in_which_it_is_not(tmp_path):
    spoilt = looks(BEN) * np.where(np.arange(len(looks(BEN))) == len(looks(BEN)) - 2, 0, 1).astype(np.float32)
    hidden = Face(1, face(1).landmarks, spoilt)
    frames = [*alone(0, ANNA), *shot([hidden], *[[face(1)]] * 7, [face(1, ANNA)], *[[face(1)]] * 7)]
    _, people = people_of(tmp_path, frames)
    assert [spans(person) for person in people] == [[(0, 19), (20, 35)]]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Two real faces: one alone, the other alone and smaller, and both with sides exchanged in the last shot."""
    one = [scene(*SIZE, (300 + k, 180, 330)) for k in range(14)]
    other = [scene(*SIZE, (340 - k, 190, 260, other_portrait())) for k in range(14)]
    both = [scene(*SIZE, (170 + k, 180, 300), (470, 180 + k, 300, other_portrait())) for k in range(14)]
    swapped = [scene(*SIZE, (470, 180, 280 + k), (170, 180, 280, other_portrait())) for k in range(14)]
    pictures = [np.clip(image * 0.7 + 10, 0, 255).astype(np.uint8) for image in swapped]
    frames = [i420(image) for image in (*one, *other, *both, *pictures)]
    return write_track(tmp_path_factory.mktemp("real") / "a.track", face_tracker().follow(frames), limit=99)


def test_real_faces_are_recognised_across_shots_sizes_places_and_light(real):
    assert real.cuts.tolist() == [0, 14, 28, 42]
    first, second = find_people(real)
    assert spans(first) == [(0, 13), (28, 41), (42, 55)]
    assert spans(second) == [(14, 27), (28, 41), (42, 55)]
    track = person_track(real, first)
    eyes = [float(track.landmarks(frame)[6, 0]) for frame in (0, 30, 50)]
    assert eyes == pytest.approx([303, 175, 474], abs=12)


def test_descriptions_of_one_real_person_differ_less_than_those_of_two(real):
    samples, tracklets = real.samples, real.sample_tracklets
    same = [distance(samples[0], samples[k]) for k in np.flatnonzero(tracklets == 0)]
    other = [distance(samples[0], samples[k]) for k in np.flatnonzero(tracklets == 1)]
    assert max(same) < 0.6
    assert min(other) > 1.2


def masked(picture):
    """Return a portrait with a blue mask from the nose to the chin."""
    points = track_frame(i420(picture))
    outline = np.int32(points[[93, 117, 197, 346, 323, 361, 397, 378, 152, 149, 172, 132], :2])
    return cv2.fillPoly(picture.copy(), [outline], (150, 90, 40), cv2.LINE_AA)


def test_person_who_puts_on_a_mask_remains_the_same(tmp_path):
    shots = [
        [scene(*SIZE, (300 + k, 180, 330)) for k in range(14)],
        [scene(*SIZE, (320 - k, 180, 330, masked(portrait()))) for k in range(14)],
        [scene(*SIZE, (340 - k, 190, 260, masked(other_portrait()))) for k in range(14)],
    ]
    frames = [i420(image) for shot in shots for image in shot]
    track = write_track(tmp_path / "a.track", face_tracker().follow(frames), limit=99)
    first, second = find_people(track)
    assert (first.frames, first.last) == (28, 27)
    assert (second.frames, second.first) == (14, 28)
