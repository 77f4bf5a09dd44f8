from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.errors import InputError
from heygem_cli.face.geometry import canonical_face
from heygem_cli.face.people import find_people
from heygem_cli.face.select import choose
from heygem_cli.face.video_track import Face, TrackedFrame, write_track
from heygem_cli.options import Person, parse_person
from tracks import looks

LEFT, MIDDLE, RIGHT = (100, 300, 60), (600, 300, 40), (1100, 300, 100)


def face(tracklet, kind, place):
    x, y, size = place
    landmarks = size * canonical_face() + np.float32([x, y, 0])
    return Face(tracklet, landmarks.astype(np.float32), looks(kind))


@pytest.fixture
def track(tmp_path):
    """A shot of somebody in the middle, then three people of whom this is the left one, then the right one alone."""
    frames = [
        TrackedFrame(True, (face(0, 0, MIDDLE),)),
        TrackedFrame(True, (face(1, 0, LEFT), face(2, 1, MIDDLE), face(3, 2, RIGHT))),
        TrackedFrame(True, (face(4, 2, LEFT),)),
        TrackedFrame(True, (face(5, 2, LEFT),)),
    ]
    return write_track(tmp_path / "a.track", frames, limit=9)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("main", 2),
        ("largest", 2),
        ("left", 0),
        ("center", 1),
        (" Right ", 2),
        ("1", 0),
        ("2", 1),
        ("3", 2),
        ("4", None),
        ("610,310", 0),
        ("1100,310", 2),
        ("350,300", None),
    ],
)
def test_choose_returns_the_selected_person(track, text, kind):
    people = find_people(track)
    chosen = choose(track, people, parse_person(text), 1280)
    assert chosen == (None if kind is None else people[kind])


def test_poster_beside_a_large_face_is_not_seen_most(tmp_path):
    """Somebody speaks in six frames, with a poster of another one, who is then seen alone in two."""
    small, large, close = (100, 100, 40), (600, 300, 100), (640, 360, 90)
    frames = [TrackedFrame(n == 0, (face(0, 0, large), face(1, 1, small))) for n in range(6)]
    frames += [TrackedFrame(n == 0, (face(2, 1, close),)) for n in range(2)]
    track = write_track(tmp_path / "poster.track", frames, limit=9)
    people = find_people(track)
    assert [each.frames for each in people] == [6, 8]
    assert choose(track, people, parse_person("main"), 1280) == people[0]


def test_person_is_chosen_by_a_picture(track):
    people = find_people(track)
    picture = Person(None, picture=Path("anna.jpg"))
    assert [choose(track, people, picture, 1280, looks(kind)) for kind in range(3)] == list(people)
    assert choose(track, people, picture, 1280, looks(3)) is None


def test_nobody_is_chosen_where_nobody_is(tmp_path):
    track = write_track(tmp_path / "a.track", [TrackedFrame(True, ())], limit=9)
    assert choose(track, find_people(track), Person(), 1280) is None


@pytest.mark.parametrize("text", ["", "0", "-1", "biggest", "1,2,3", "1;2", "nan,1", "1e9,2", "1.5", "a.", "."])
def test_invalid_person_is_rejected_with_the_valid_values(text):
    with pytest.raises(InputError, match="largest, left, center, right"):
        parse_person(text)


@given(st.text(max_size=12))
def test_any_text_is_parsed_or_rejected(text):
    try:
        person = parse_person(text)
    except InputError:
        return
    assert parse_person(str(person)) == person


def test_persons_have_distinct_text_forms():
    persons = (Person(), Person(None, 2), Person(None, None, (3, 4.5)), parse_person("Anna.JPG"))
    assert {str(person) for person in persons} == {
        "main",
        "2",
        "3,4.5",
        "Anna.JPG",
    }


@pytest.mark.parametrize("text", ["anna.jpg", "/photos/Anna B.PNG", "2.jpg", "1,2.webp", "~/a.heic", "文件.jpg"])
def test_name_with_an_extension_is_a_picture(text):
    assert parse_person(text).picture == Path(text)
