"""Tests of the resolution of manifest rows."""

from pathlib import Path

import pytest

from heygem_cli.batch.columns import COLUMNS, NAMES, column_name
from heygem_cli.batch.manifest import RawRow, format_problems, parse_manifest
from heygem_cli.batch.rows import complete_values, make_rows, portable_values
from heygem_cli.color import Color
from heygem_cli.options import EncodeOptions, RenderOptions
from heygem_cli.person import Person, Speech


def rows_of(*values, folder=Path("lists"), **options):
    raw = [RawRow(number, None, {"audio": "a.wav", "face": "f.mp4", **row}) for number, row in enumerate(values, 1)]
    return make_rows(raw, folder, RenderOptions(), **options)


def problems_of(*values, **options):
    return format_problems(rows_of(*values, **options)[1])


def test_the_former_name_of_a_column_still_works():
    assert column_name("Face-Choice") == "person"


def test_columns_set_options_and_others_keep_their_defaults():
    values = {
        "engine": "mesh", "person": "10,20", "loop": "hold", "on_missing_face": "fail", "crf": " 30 ",
        "preset": "slow", "encoder": "libx264", "no_cache": "yes", "overwrite": "1", "audio_track": "2",
        "video_track": "3", "pixel_format": "10bit", "background": "lime", "timeline": "t.csv",
        "quality": "best", "mouth": "0.5", "idle": "0.2", "drive_audio": "v.wav", "start": "1:30", "duration": "2.5",
        "face_start": "4", "speak": "2=b.wav; left=/abs/c.wav", "sound": "mix.wav",
    }  # fmt: skip
    assert set(values) == set(COLUMNS) - {"audio", "face", *NAMES}
    (row, plain), problems = rows_of({**values, "output": "x.mp4"}, {})
    assert problems == []
    assert row.job.options == RenderOptions(
        overwrite=True,
        person=Person(None, point=(10.0, 20.0)),
        loop="hold",
        on_missing_face="fail",
        audio_track=2,
        video_track=3,
        background=Color(0, 255, 0),
        encode=EncodeOptions(quality="best", encoder="libx264", crf=30, preset="slow", pixel_format="10bit"),
        mouth=0.5,
        idle=0.2,
        drive_audio=Path("lists/v.wav"),
        start=90,
        duration=2.5,
        face_start=4,
        no_cache=True,
        timeline=Path("lists/t.csv"),
        speak=(Speech(Person(None, 2), Path("lists/b.wav")), Speech(Person("left"), Path("/abs/c.wav"))),
        sound=Path("lists/mix.wav"),
    )
    assert plain.job.options == RenderOptions()


def test_paths_are_relative_to_the_manifest_and_ids_and_outputs_have_defaults():
    rows, problems = rows_of(
        {}, {"id": "greeting"}, {"output": "out/x.mp4"}, {"output": "/abs/y.mp4", "id": "y"}, {"audio": "/abs/b.wav"}
    )
    assert problems == []
    assert [row.id for row in rows] == ["f_a", "greeting", "out/x", "y", "f_b"]
    assert [str(row.job.output) for row in rows] == [
        "lists/f_a.mp4", "lists/greeting.mp4", "lists/out/x.mp4", "/abs/y.mp4", "lists/f_b.mp4",
    ]  # fmt: skip
    assert (rows[0].job.audio, rows[4].job.audio) == (Path("lists/a.wav"), Path("/abs/b.wav"))


def test_spaces_around_an_output_are_no_part_of_its_id():
    (row,), _ = rows_of({"output": " out/x.mp4 "})
    assert row.id == "out/x"


def test_whole_numbers_of_a_table_whose_column_has_empty_cells():
    (row,), problems = rows_of({"crf": "18.0", "audio_track": "2.000", "person": "1.0", "loop": "hold"})
    assert problems == []
    options = row.job.options
    assert (options.encode.crf, options.audio_track, options.person) == (18, 2, Person(None, number=1))
    assert isinstance(options.encode.crf, int)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"crf": "52"}, "column crf: '52' is not a whole number from 0 to 51"),
        ({"crf": "18.5"}, "column crf: '18.5' is not a whole number from 0 to 51"),
        ({"crf": "18."}, "column crf: '18.' is not a whole number"),
        ({"person": "1.5"}, "column person: person '1.5' is not understood"),
        ({"crf": "2e1"}, "column crf: '2e1' is not a whole number"),
        ({"crf": "²"}, "column crf: '²' is not a whole number"),
        ({"loop": "never"}, "column loop: 'never' is not one of pingpong, forward, hold, none"),
        ({"engine": "wav2lib"}, "column engine: --engine 'wav2lib' is not known. There are: mesh, heygem, heygem-http"),
        ({"person": "biggest"}, "column person: person 'biggest' is not understood. Use a number of heygem faces"),
        ({"no_cache": "maybe"}, "column no_cache: 'maybe' is not one of true, yes, 1, false, no, 0"),
        ({"overwrite": "maybe"}, "column overwrite: 'maybe' is not one of true, yes, 1, false, no, 0"),
        ({"audio": "a\0.wav"}, "column audio: it contains invalid characters"),
        ({"id": "half \ud800"}, "column id: it contains invalid characters"),
    ],
)
def test_invalid_cell_is_reported(row, message):
    (line,) = problems_of(row)
    assert line.startswith(f"row 1, {message}")


def test_empty_file_cell_is_a_problem():
    rows, problems = make_rows([RawRow(1, 2, {"audio": "a.wav"})], Path(), RenderOptions())
    assert rows == []
    assert format_problems(problems) == [
        "row 1 (line 2), column face: it is empty. Name the video or picture of the person"
    ]


def test_all_problems_of_a_row_are_reported_at_once():
    assert len(problems_of({"crf": "x", "loop": "y", "id": "\0"})) == 3


def test_ids_and_outputs_are_unique(tmp_path):
    assert problems_of({}, {}) == [
        "row 2, column output: lists/f_a.mp4 is also the output of row 1. Give each row its own output or id"
    ]
    assert problems_of({"id": "x", "output": "1.mp4"}, {"id": "x", "output": "2.mp4"}) == [
        "row 2, column id: 'x' is also the id of row 1. Give each row its own id"
    ]
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    same = problems_of({"output": "real/x.mp4"}, {"output": "link/../link/x.mp4"}, folder=tmp_path)
    assert len(same) == 1


def test_portable_values_resolve_to_the_same_row_in_another_folder(tmp_path):
    rows, _ = rows_of({"crf": "30", "output": "x.mp4"}, folder=Path("lists"))
    again, problems = make_rows([RawRow(1, None, dict(portable_values(rows[0])))], tmp_path, RenderOptions())
    assert problems == []
    assert again[0].id == rows[0].id
    assert again[0].job.audio == Path("lists/a.wav").absolute()
    assert again[0].job.output == Path("lists/x.mp4").absolute()
    assert again[0].job.options == rows[0].job.options


def test_picture_and_timeline_start_at_the_manifest_and_are_portable(tmp_path):
    (row, absolute), problems = rows_of(
        {"person": "photos/Anna.jpg", "timeline": "t.csv"},
        {"person": "/photos/Anna.jpg", "timeline": "/t.csv", "output": "x.mp4"},
    )
    assert problems == []
    assert (row.job.options.person.picture, row.job.options.timeline) == (
        Path("lists/photos/Anna.jpg"), Path("lists/t.csv"),
    )  # fmt: skip
    assert absolute.job.options.person.picture == Path("/photos/Anna.jpg")
    again, _ = make_rows([RawRow(1, None, dict(portable_values(row)))], tmp_path, RenderOptions())
    assert again[0].job.options.person.picture == Path("lists/photos/Anna.jpg").absolute()
    assert again[0].job.options.timeline == Path("lists/t.csv").absolute()


def test_row_with_speakers_needs_no_audio_and_is_portable(tmp_path):
    raw = RawRow(1, None, {"face": "f.mp4", "speak": "1=a.wav;photos/b.jpg=b.wav", "sound": "mix.wav"})
    (row,), problems = make_rows([raw], Path("lists"), RenderOptions())
    assert problems == []
    assert (row.id, row.job.audio) == ("f_a", Path("lists/a.wav"))
    assert [str(path) for path in row.job.inputs] == [
        "lists/a.wav", "lists/f.mp4", "lists/mix.wav", "lists/a.wav", "lists/b.wav", "lists/photos/b.jpg",
    ]  # fmt: skip
    for values in (portable_values(row), complete_values(row)):
        (again,), problems = make_rows([RawRow(1, None, dict(values))], tmp_path, RenderOptions())
        assert problems == []
        assert again.job.inputs == tuple(path.absolute() for path in row.job.inputs)


def test_unreadable_speaker_is_a_problem():
    raw = RawRow(1, None, {"face": "f.mp4", "speak": "a.wav"})
    rows, problems = make_rows([raw], Path("lists"), RenderOptions())
    assert rows == []
    assert format_problems(problems)[0].startswith(
        "row 1, column speak: --speak 'a.wav' is not of the form PERSON=FILE"
    )


def test_large_manifest_is_read():
    text = "audio,face,id\n" + "".join(f"a.wav,f.mp4,{number}\n" for number in range(1000))
    raw_rows, problems = parse_manifest(text.encode())
    rows, row_problems = make_rows(raw_rows, Path(), RenderOptions())
    assert (len(rows), problems, row_problems) == (1000, [], [])


def test_rows_share_what_they_have_in_common_and_nothing_else():
    (one, two, other), _ = rows_of({"output": "1.mp4", "crf": "9"}, {"output": "2.mp4", "crf": "9"}, {"id": "3"})
    assert one.common is two.common
    assert [(row.job.options.encode.crf, row.path) for row in (one, two, other)] == [
        (9, "lists/1.mp4"), (9, "lists/2.mp4"), (None, "lists/3.mp4"),
    ]  # fmt: skip


def test_unknown_engine_is_a_problem_of_its_row_only():
    raw = RawRow(1, None, {"audio": "a", "face": "f", "engine": "\x1b]0;x\x07"})
    (row,), (problem,) = make_rows([raw], Path(), RenderOptions())
    assert row.job.options.engine == "mesh"
    assert (problem.column, "\x1b" in problem.message) == ("engine", False)
