"""What a manifest may look like, and what is said about one that cannot be used."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.batch.manifest import ManifestError, Problem, describe, parse_manifest

CELL = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), min_size=1, max_size=20).filter(
    lambda text: text.strip() and not text.startswith(" ")
)
ROW = st.fixed_dictionaries({"audio": CELL, "face": CELL}, optional={"id": CELL, "output": CELL, "crf": CELL})


def values(data: bytes) -> list[dict[str, str]]:
    rows, problems = parse_manifest(data)
    assert problems == []
    return [row.values for row in rows]


def problems(data: bytes | str) -> list[Problem]:
    return parse_manifest(data.encode() if isinstance(data, str) else data)[1]


@given(st.lists(ROW, min_size=1, max_size=5), st.sampled_from(",;\t"), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_csv_of_any_kind_is_read_as_it_was_meant(rows, separator, bom, end):
    text = io.StringIO()
    columns = ["audio", "face", "id", "output", "crf"]
    writer = csv.DictWriter(text, columns, restval="", delimiter=separator, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    assert values(text.getvalue().encode("utf-8-sig" if bom else "utf-8")) == rows


@given(st.lists(ROW, min_size=1, max_size=5), st.booleans())
def test_json_lines_and_lists_are_read_as_they_were_meant(rows, bom):
    encoding = "utf-8-sig" if bom else "utf-8"
    assert values(json.dumps(rows).encode(encoding)) == rows
    assert values("\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode(encoding)) == rows


def test_numbers_and_truth_in_json_are_what_csv_would_hold():
    row = {"audio": "a", "face": "f", "crf": 20, "overwrite": True, "id": None, "loop": ""}
    assert values(json.dumps([row]).encode()) == [{"audio": "a", "face": "f", "crf": "20", "overwrite": "True"}]


def test_the_header_may_be_written_freely_and_spreadsheets_leave_empty_columns_and_lines():
    data = b' Audio ; "FACE";On-Missing-Face;;\n\na.wav;f.mp4;hold;;\n;;;;\n"b;c.wav";f.mp4;;;\n'
    assert values(data) == [
        {"audio": "a.wav", "face": "f.mp4", "on_missing_face": "hold"},
        {"audio": "b;c.wav", "face": "f.mp4"},
    ]


def test_rows_and_lines_are_counted_as_a_person_counts_them():
    rows, _ = parse_manifest(b'audio,face\n"one\nname",f\n\nb,f\n')
    assert [(row.number, row.line) for row in rows] == [(1, 2), (2, 5)]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "there is no row in it"),
        ("audio,face\n", "there is no row in it"),
        ("audio,video\na,b\n", "column face: the column is missing"),
        ("audio,fase\na,b\n", "Did you mean face?"),
        ("audio,face,audio\na,b,c\n", "column audio: the header names it twice"),
        ("audio,face,device\na,b,cpu\n", "give --device on the command line"),
        ("audio,face\na,b,c\n", "row 1 (line 2): it has 3 cells, the header has 2"),
        ('audio,face\n"a,b\n', "is not CSV"),
        ('{"audio": "a", "face": "b"}\n{"audio": \n', "row 2 (line 2): it is not JSON"),
        ('{"audio": "a", "face": "b"}\n["a", "b"]\n', "row 2 (line 2): it is not a JSON object"),
        ('{"audio": "a", "audio": "b"}', "row 1 (line 1), column audio: it is given twice"),
        ('[{"audio": ["a"], "face": "b"}]', "row 1, column audio: it is neither text nor a number"),
        ('[{"audio": "a", "face": "b", "encoda": "x"}]', "row 1, column encoda: there is no such column. Did you mean"),
        ('[{"audio": "a"', "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("a," * 200_000, "column a: the header names it twice"),
        ("a" * 100_000, f"column {'a' * 80}…: there is no such column"),
        ("audio,face\nä,b\n".encode("latin-1"), "line 2 is not UTF-8 text (byte 0xe4). Save the manifest as UTF-8"),
        ("audio,face\na,b\n".encode("utf-16"), "is not UTF-8 text"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(data, says):
    assert says in "\n".join(describe(problems(data)))


def test_all_that_is_wrong_is_said_at_once():
    found = problems('{"audio": "a", "fase": "b"}\n[]\n{"audio": "a", "face": "b", "x": 1}\n')
    assert [problem.row for problem in found] == [1, 2, 3]


def test_they_are_said_in_the_order_of_rows():
    error = ManifestError("m", [Problem("x", row=2), Problem("y", row=1), Problem("z")])
    assert [problem.message for problem in error.problems] == ["z", "y", "x"]


def test_rows_with_the_same_problem_share_a_line():
    lines = describe([Problem("gone", "Look", row, row + 1, "audio") for row in range(1, 9)] + [Problem("odd", row=3)])
    assert lines == ["rows 1, 2, 3, 4, 5 and 3 more, column audio: gone. Look", "row 3: odd"]


def test_the_error_lists_them_for_people_and_for_programs():
    error = ManifestError("m.csv", [Problem("gone", "Look", 1, 2, "audio")])
    assert str(error) == "m.csv: 1 problem, nothing was started:\n  row 1 (line 2), column audio: gone. Look"
    (problem,) = error.to_dict()["problems"]
    assert problem == {"message": "gone", "hint": "Look", "row": 1, "line": 2, "column": "audio"}
    assert error.exit_code == 2


@given(st.binary(max_size=200))
def test_no_bytes_end_in_a_traceback(data):
    parse_manifest(data)


@given(st.text('{}[]",:audiofce\n 1\t;', max_size=60))
def test_no_text_ends_in_a_traceback(text):
    parse_manifest(text.encode())
