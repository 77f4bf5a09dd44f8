from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.errors import InputError
from heygem_cli.face.select import Box, choose, follow
from heygem_cli.options import Person, parse_person

LEFT, MIDDLE, RIGHT = Box(100, 300, 120), Box(600, 300, 80), Box(1100, 300, 200)
ALL = [MIDDLE, RIGHT, LEFT]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("largest", RIGHT),
        ("left", LEFT),
        ("center", MIDDLE),
        (" Right ", RIGHT),
        ("1", LEFT),
        ("2", MIDDLE),
        ("3", RIGHT),
        ("4", None),
        ("610,310", MIDDLE),
        ("350,300", None),
    ],
)
def test_choose_returns_the_selected_face(text, expected):
    assert choose(ALL, parse_person(text), 1280) == expected


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


@given(st.lists(st.builds(Box, st.floats(0, 2000), st.floats(0, 2000), st.floats(1, 500)), max_size=6))
def test_chosen_face_is_one_of_the_faces(boxes):
    for text in ("largest", "left", "center", "right", "1", "500,500"):
        chosen = choose(boxes, parse_person(text), 2000)
        assert chosen is None or chosen in boxes


def test_follow_returns_overlapping_face():
    last = Box(610, 305, 82)
    assert follow(ALL, last) == MIDDLE


def test_follow_does_not_switch_to_another_face():
    assert follow([LEFT, RIGHT], MIDDLE) is None


def test_follow_returns_a_face_that_is_alone():
    assert follow([LEFT], RIGHT) == LEFT


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
