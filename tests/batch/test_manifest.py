"""Tests of manifest parsing, and of the problems that are reported."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.batch.manifest import ManifestError, Problem, format_problems, parse_manifest

# Without U+0370 to U+07FF: words of several alphabets are taken for Chinese in another encoding.
CHARACTER = st.characters(
    blacklist_categories=["Cs"], blacklist_characters="\0\r", max_codepoint=0x36F
) | st.characters(blacklist_categories=["Cs"], min_codepoint=0x800)
CELL = st.text(CHARACTER, min_size=1, max_size=20).filter(lambda text: text.strip() and not text.startswith(" "))
ROW = st.fixed_dictionaries({"audio": CELL, "face": CELL}, optional={"id": CELL, "output": CELL, "crf": CELL})


def values(data: bytes) -> list[dict[str, str]]:
    rows, problems = parse_manifest(data)
    assert problems == []
    return [row.values for row in rows]


def problems(data: bytes | str) -> list[Problem]:
    return parse_manifest(data.encode() if isinstance(data, str) else data)[1]


@given(st.lists(ROW, min_size=1, max_size=5), st.sampled_from(",;\t"), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_csv_dialects_are_parsed(rows, separator, bom, end):
    text = io.StringIO()
    columns = ["audio", "face", "id", "output", "crf"]
    writer = csv.DictWriter(text, columns, restval="", delimiter=separator, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    assert values(text.getvalue().encode("utf-8-sig" if bom else "utf-8")) == rows


@given(st.lists(ROW, min_size=1, max_size=5), st.booleans())
def test_json_lines_and_json_lists_are_parsed(rows, bom):
    encoding = "utf-8-sig" if bom else "utf-8"
    assert values(json.dumps(rows).encode(encoding)) == rows
    assert values("\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode(encoding)) == rows


def test_json_numbers_and_booleans_become_text():
    row = {"audio": "a", "face": "f", "crf": 20, "overwrite": True, "id": None, "loop": ""}
    assert values(json.dumps([row]).encode()) == [{"audio": "a", "face": "f", "crf": "20", "overwrite": "True"}]


def test_header_spelling_is_free_and_empty_columns_and_lines_are_ignored():
    data = b' Audio ; "FACE";On-Missing-Face;;\n\na.wav;f.mp4;hold;;\n;;;;\n"b;c.wav";f.mp4;;;\n'
    assert values(data) == [
        {"audio": "a.wav", "face": "f.mp4", "on_missing_face": "hold"},
        {"audio": "b;c.wav", "face": "f.mp4"},
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("declaration", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;"])
def test_line_that_tells_excel_the_separator_is_not_a_header(declaration, end):
    rows, problems = parse_manifest(f"{declaration}{end}audio;face{end}a,1.wav;f.mp4{end}".encode())
    assert problems == []
    assert [(row.line, row.values) for row in rows] == [(3, {"audio": "a,1.wav", "face": "f.mp4"})]


def test_declared_separator_is_used_whatever_it_is():
    assert values(b"sep=|\naudio|face\na;b|c,d\n") == [{"audio": "a;b", "face": "c,d"}]


def test_empty_rows_and_columns_of_spreadsheets_are_ignored():
    data = "audio,face,,\r\na.wav,f.mp4,,\r\n,,,\r\n\u00a0, ,,\r\n".encode()
    assert values(data) == [{"audio": "a.wav", "face": "f.mp4"}]


def test_rows_and_lines_are_counted_from_one():
    rows, _ = parse_manifest(b'audio,face\n"one\nname",f\n\nb,f\n')
    assert [(row.number, row.line) for row in rows] == [(1, 2), (2, 5)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "it has no rows"),
        ("audio,face\n", "it has no rows"),
        ("audio,video\na,b\n", "column face: the column is missing"),
        ("audio,fase\na,b\n", "Did you mean face?"),
        ("audio,source_video\na,b\n", "column source_video: there is no such column. Call it face"),
        ("Wav-Path,face\na,b\n", "column wav_path: there is no such column. Call it audio"),
        ("audio,face,video track\na,b,1\n", "column video track: there is no such column. Did you mean video_track?"),
        ("audio,face,audio\na,b,c\n", "column audio: the header contains it twice"),
        ("audio,face,device\na,b,cpu\n", "give --device on the command line"),
        ("audio,face\na,b,c\n", "row 1 (line 2): it has 3 cells, the header has 2"),
        ('audio,face\n"a,b\n', "is not CSV"),
        ('{"audio": "a", "face": "b"}\n{"audio": \n', "row 2 (line 2): it is not JSON"),
        ('{"audio": "a", "face": "b"}\n["a", "b"]\n', "row 2 (line 2): it is not a JSON object"),
        ('{"audio": "a", "audio": "b"}', "row 1 (line 1), column audio: it occurs twice"),
        ('[{"audio": ["a"], "face": "b"}]', "row 1, column audio: it is neither a string nor a number"),
        ('[{"audio": "a", "face": "b", "encoda": "x"}]', "row 1, column encoda: there is no such column. Did you mean"),
        ('[{"audio": "a"', "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("a," * 200_000, "column a: the header contains it twice"),
        ("a" * 100_000, f"column {'a' * 80}…: there is no such column"),
        ("audio,face\nä,b\n".encode("latin-1"), "line 2 is not UTF-8 text (byte 0xe4). Save it as CSV UTF-8"),
    ],
)
def test_problem_names_its_place(data, message):
    assert message in "\n".join(format_problems(problems(data)))


def test_file_whose_end_cannot_be_read_has_no_rows():
    rows, (problem,) = parse_manifest(b'audio,face,odd\na,b,c\na,b,c,d\n"a,b\n')
    assert (rows, problem.line, "is not CSV" in problem.message) == ([], 4, True)


def test_all_problems_are_reported_at_once():
    found = problems('{"audio": "a", "fase": "b"}\n[]\n{"audio": "a", "face": "b", "x": 1}\n')
    assert [problem.row for problem in found] == [1, 2, 3]


def test_problems_are_sorted_by_row():
    error = ManifestError("m", [Problem("x", row=2), Problem("y", row=1), Problem("z")])
    assert [problem.message for problem in error.problems] == ["z", "y", "x"]


def test_rows_with_the_same_problem_share_a_line():
    lines = format_problems(
        [Problem("gone", "Look", row, row + 1, "audio") for row in range(1, 9)] + [Problem("odd", row=3)]
    )
    assert lines == ["rows 1, 2, 3, 4, 5 and 3 more, column audio: gone. Look", "row 3: odd"]


def test_error_lists_problems_as_text_and_as_json():
    error = ManifestError("m.csv", [Problem("gone", "Look", 1, 2, "audio")])
    assert str(error) == "m.csv: 1 problem, nothing was started:\n  row 1 (line 2), column audio: gone. Look"
    (problem,) = error.to_dict()["problems"]
    assert problem == {"message": "gone", "hint": "Look", "row": 1, "line": 2, "column": "audio"}
    assert error.to_dict()["problem_count"] == 1
    assert error.exit_code == 2


def test_json_lists_the_first_thousand_problems_and_counts_all():
    content = ManifestError("m.csv", [Problem(f"odd {row}", row=row) for row in range(100_000)]).to_dict()
    assert (content["problem_count"], len(content["problems"])) == (100_000, 1000)
    assert content["problems"][-1]["row"] == 999


def test_only_the_first_problems_are_listed():
    lines = format_problems([Problem(f"odd {row % 60}", row=row) for row in range(1, 121)])
    assert len(lines) == 51
    assert lines[-2:] == ["rows 50, 110: odd 50", "and 20 more problems"]


def test_text_of_a_cell_sends_nothing_to_the_terminal():
    error = ManifestError("m\x1b[31m.csv", [Problem("bad \x1b]0;title\x07\n", "Try \u202e", 1)])
    assert str(error).splitlines() == [
        "m\\x1b[31m.csv: 1 problem, nothing was started:",
        "  row 1: bad \\x1b]0;title\\x07\\n. Try \\u202e",
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_handled(data):
    parse_manifest(data)


@given(st.text('{}[]",:audiofce\n 1\t;', max_size=60))
def test_any_text_is_handled(text):
    parse_manifest(text.encode())
