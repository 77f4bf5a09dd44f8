"""Tests of what the arguments of ``heygem batch`` are taken for."""

from pathlib import Path

import pytest
from typer.main import get_command

from heygem_cli.cli.batch_inputs import choose_source
from heygem_cli.cli.main import app
from heygem_cli.errors import InputError
from heygem_cli.options import BatchOptions

MIXED = "list.csv is a manifest, and audio files or --video are given, too"


def parse(*arguments):
    """Return the arguments and the videos of a command line."""
    batch = get_command(app).commands["batch"]
    values = batch.make_context("batch", list(arguments)).params
    return list(values["inputs"] or []), list(values["videos"] or [])


@pytest.mark.parametrize(
    ("line", "inputs", "videos"),
    [
        ("speech/a.wav speech/b.wav --video anna.mp4", ["speech/a.wav", "speech/b.wav"], ["anna.mp4"]),
        ("a.wav --video f/1.mp4 f/2.JPG f/3.mov --crf 20", ["a.wav"], ["f/1.mp4", "f/2.JPG", "f/3.mov"]),
        ("--video anna.mp4 a.wav b.mp4", ["a.wav", "b.mp4"], ["anna.mp4"]),
        ("talk.mp4 --video anna.mp4 --video bob.mp4 x.wav", ["talk.mp4", "x.wav"], ["anna.mp4", "bob.mp4"]),
        ("--video faces talk.mp4", [], ["faces", "talk.mp4"]),
        ("--crf 20 list.csv", ["list.csv"], []),
    ],
)
def test_videos_that_follow_the_option_belong_to_it(line, inputs, videos):
    assert parse(*line.split()) == (inputs, videos)


@pytest.mark.parametrize("name", ["list.csv", "list.tsv", "LIST.JSON", "list.jsonl", "-", "videos.list", "list"])
def test_one_argument_is_a_manifest(name):
    assert choose_source([name], BatchOptions(), ()) == (Path(name), ())


def test_video_of_a_configuration_file_does_not_concern_a_manifest():
    assert choose_source(["list.csv"], BatchOptions(videos=("f.mp4",)), ()) == (Path("list.csv"), ())


@pytest.mark.parametrize("names", [["a.wav"], ["a", "b.txt"], ["*.wav", "speech/"]])
def test_with_a_video_arguments_are_audio_files(names):
    assert choose_source(names, BatchOptions(videos=("f.mp4",)), {"output_dir"}) == (None, tuple(names))


@pytest.mark.parametrize(
    ("names", "videos", "message"),
    [
        (["a.wav"], [], "a.wav is no manifest, and there is no --video"),
        (["*.wav"], [], "is no manifest, and there is no --video"),
        (["."], [], "is no manifest, and there is no --video"),
        (["a.wav", "list.csv"], [], MIXED),
        (["a.wav", "list.csv"], ["f.mp4"], MIXED),
        (["list.csv"], ["f.mp4"], MIXED),
        (["-"], ["f.mp4"], "- is a manifest"),
        ([], ["f.mp4"], "no audio file is given"),
        ([], [], "MANIFEST is missing"),
        (["m.csv", "n.csv"], [], "2 manifests were given"),
    ],
)
def test_what_cannot_be_understood_is_an_error(names, videos, message):
    with pytest.raises(InputError) as caught:
        choose_source(names, BatchOptions(videos=tuple(videos)), {"videos"} if videos else ())
    assert message in caught.value.message


@pytest.mark.parametrize("name", ["output_dir", "output_template", "pair"])
def test_options_for_files_do_not_fit_a_manifest(name):
    with pytest.raises(InputError, match="is for audio files with --video"):
        choose_source(["list.csv"], BatchOptions(), {name})


@pytest.mark.parametrize(
    "options",
    [
        {"dry_run": True, "write_manifest": Path("l.csv")},
        {"merge_reports": True, "write_manifest": Path("l.csv")},
        {"merge_reports": True, "videos": ("f.mp4",)},
        {"watch_folder": Path(), "videos": ("f.mp4",), "report": Path("r.json")},
        {"watch_folder": Path(), "videos": ("f.mp4",), "max_failures": 2},
        {"watch_folder": Path(), "videos": ("f.mp4",), "dry_run": True},
    ],
)
def test_options_that_do_not_go_together_are_an_error(options):
    with pytest.raises(InputError, match="exclude each other"):
        choose_source(["a"], BatchOptions(**options), ())


def test_watched_folder_stands_for_audio_files():
    watched = BatchOptions(watch_folder=Path("inbox"), videos=("f.mp4",))
    assert choose_source([], watched, {"output_dir"}) == (None, ())
    with pytest.raises(InputError, match=r"and a\.wav is given, too"):
        choose_source(["a.wav"], watched, ())
    with pytest.raises(InputError, match="there is no --video"):
        choose_source([], BatchOptions(watch_folder=Path("inbox")), ())
