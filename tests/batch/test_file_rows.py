"""Tests of the rows that audio files and videos make."""

from pathlib import Path

import pytest

from heygem_cli.batch.file_rows import make_file_rows
from heygem_cli.errors import InputError
from heygem_cli.name_template import NameTemplate
from heygem_cli.options import BatchOptions, RenderOptions


def rows_of(*names, videos=("f.mp4",), folder="out", **options):
    """Return what the audio files make."""
    batch = BatchOptions(videos=videos, **options)
    return make_file_rows(names, Path(folder), batch, RenderOptions(loop="hold"))


def test_a_row_is_a_whole_job():
    made = rows_of("speech/a b.wav")
    (row,) = made.rows
    assert (row.id, row.output, row.number) == ("f_a b", "f_a b.mp4", 1)
    assert (row.job.audio, row.job.face) == (Path("speech/a b.wav"), Path("f.mp4"))
    assert (row.job.output, row.job.options.loop) == (Path("out/f_a b.mp4"), "hold")
    assert (made.problems, made.notes) == ([], [])


def test_names_that_would_mean_something_in_a_manifest_are_taken_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["~.wav", "a\\b.wav", " c .wav", "'d'.wav", "file:e.wav", "{audio}.wav", "f\n.wav"]
    for name in names:
        Path(name).touch()
    made = rows_of(*names, output_template=NameTemplate("{audio}.mp4"))
    assert made.problems == []
    assert [str(row.job.audio) for row in made.rows] == names
    assert [str(row.job.output) for row in made.rows] == [f"out/{name.removesuffix('.wav')}.mp4" for name in names]


def test_outputs_of_one_name_are_a_problem():
    problems = rows_of("1/a.wav", "2/a.wav", "3/a.ogg").problems
    assert [(problem.row, problem.column) for problem in problems] == [(2, "output"), (3, "output")]
    assert "--output-template" in problems[0].hint
    for template in ("{audio_folder} {audio}.mp4", "{audio}{audio_folder}.{audio_type}.mp4"):
        assert rows_of("1/a.wav", "2/a.wav", "3/a.ogg", output_template=NameTemplate(template)).problems == []


def test_name_that_is_not_utf_8_is_a_problem():
    made = rows_of("a.wav", "\udcc4.wav")
    assert [row.id for row in made.rows] == ["f_a"]
    assert [(problem.row, problem.column) for problem in made.problems] == [(2, "audio")]


@pytest.mark.parametrize("template", ["{audio}", "{audio}.avi", "{audio}.", ".mp4{audio}"])
def test_template_of_another_format_is_an_error(template):
    with pytest.raises(InputError, match="the output cannot have the format"):
        rows_of("a.wav", output_template=NameTemplate(template))


def test_several_of_both_are_an_error():
    with pytest.raises(InputError, match=r"f\.mp4: 2 videos for 3 audio files") as caught:
        rows_of("a.wav", "b.wav", "c.wav", videos=("f.mp4", "g.mp4"))
    assert "--pair stem" in caught.value.hint


def test_one_audio_goes_with_every_video():
    assert [row.id for row in rows_of("a.wav", videos=("f.mp4", "g.mp4")).rows] == ["f_a", "g_a"]


def test_files_of_one_name_are_paired():
    made = rows_of("s/bob.wav", "s/anna.1.wav", videos=("v/anna.1.mp4", "v/bob.jpg", "v/eve.mp4"), pair="stem")
    assert [(row.id, str(row.job.face)) for row in made.rows] == [
        ("bob_bob", "v/bob.jpg"),
        ("anna.1_anna.1", "v/anna.1.mp4"),
    ]
    assert (made.problems, made.notes) == ([], ["No audio file has the name of 1 video: v/eve.mp4"])


def test_accents_may_be_composed_as_on_another_system():
    (row,) = rows_of("Zo\u00eb.wav", videos=("Zoe\u0308.mp4",), pair="stem").rows
    assert row.id == "Zoe\u0308_Zo\u00eb"


def test_audio_without_its_video_is_a_problem():
    made = rows_of("Anna.wav", "bob.wav", "xyz.wav", videos=("anna.mp4", "bob.mp4", "bob.png"), pair="stem")
    assert made.rows == []
    assert [(problem.row, problem.column, problem.message, problem.hint) for problem in made.problems] == [
        (1, "face", "no video has the name of Anna.wav", "Did you mean anna?"),
        (2, "face", "bob.mp4 and bob.png both have the name of bob.wav", "Rename one of them"),
        (3, "face", "no video has the name of xyz.wav", "Give its video the same name, or leave it out"),
    ]


def test_one_name_in_two_formats_has_one_output():
    (problem,) = rows_of("a.wav", "a.mp3", videos=("a.mp4",), pair="stem").problems
    assert problem.message == "out/a_a.mp4 is also the output of row 1"


def test_what_the_batch_made_is_noted(tmp_path):
    outputs = {tmp_path / f"{number}.wav" for number in range(4)}
    names = [str(tmp_path / f"{number}.wav") for number in range(5)]
    made = make_file_rows(tuple(names), tmp_path, BatchOptions(videos=("f.mp4",)), RenderOptions(), outputs)
    assert [row.id for row in made.rows] == ["f_4"]
    assert made.notes == [f"Left out 4 files that this batch made: {', '.join(names[:3])}, …"]
    with pytest.raises(InputError, match="there is no audio file but outputs of this batch"):
        make_file_rows(tuple(names[:4]), tmp_path, BatchOptions(videos=("f.mp4",)), RenderOptions(), outputs)
