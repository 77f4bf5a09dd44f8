"""Tests of how files, patterns and folders of the command line are found."""

import os
from pathlib import Path

import pytest

from heygem_cli.batch.media_files import AUDIO, VIDEO, find_media, is_list, is_media, list_media
from heygem_cli.errors import InputError
from unprivileged import unprivileged


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, with audio files, videos and others."""
    (tmp_path / "speech" / "old").mkdir(parents=True)
    for name in ("b.wav", "a.MP3", ".hidden.wav", "notes.txt", "old/c.wav", "talk.mp4", ".x.1-ab.heygem-part"):
        (tmp_path / "speech" / name).touch()
    (tmp_path / "[1] a.wav").touch()
    (tmp_path / "speech" / "pipe.wav.d").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*names, types=AUDIO, outputs=()):
    return [str(path) for path in find_media(names, types, outputs).paths]


@pytest.mark.parametrize(
    ("names", "paths"),
    [
        (["speech"], ["speech/a.MP3", "speech/b.wav"]),
        (["speech/"], ["speech/a.MP3", "speech/b.wav"]),
        (["speech/*.wav"], ["speech/b.wav"]),
        (["speech/**/*.wav"], ["speech/b.wav", "speech/old/c.wav"]),
        (["speech/[ab].*"], ["speech/a.MP3", "speech/b.wav"]),
        (["speech/?.wav"], ["speech/b.wav"]),
        (["speech/*"], ["speech/a.MP3", "speech/b.wav", "speech/notes.txt", "speech/talk.mp4"]),
        (["[1] a.wav"], ["[1] a.wav"]),
        (["'speech/b.wav'"], ["speech/b.wav"]),
        (["speech/b.wav", "./speech/*.wav", "speech/b.wav"], ["speech/b.wav"]),
        (["missing.wav"], ["missing.wav"]),
        (["speech/.hidden.wav"], ["speech/.hidden.wav"]),
        (["speech/notes.txt"], ["speech/notes.txt"]),
    ],
)
def test_files_patterns_and_folders_are_found(names, paths):
    assert found(*names) == paths


def test_a_folder_of_videos_is_searched_for_videos():
    assert found("speech", types=VIDEO) == ["speech/talk.mp4"]


@pytest.mark.parametrize("pattern", ["speech/*.ogg", "speech/.*", "speec?", "nowhere/*.wav"])
def test_pattern_without_a_file_is_an_error(pattern):
    with pytest.raises(InputError, match="no file has a name of this form"):
        found(pattern)


def test_home_folder_of_a_pattern_is_expanded(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert found("~/speech/*.wav") == [f"{folder}/speech/b.wav"]


@pytest.mark.parametrize(
    ("name", "types", "message"),
    [
        ("speech/old", VIDEO, r"^speech/old: there is no video or picture in this folder\. Name the files$"),
        ("empty", AUDIO, r"^empty: there is no audio file in this folder\. Name the files$"),
        ("videos", AUDIO, r"give a pattern in quotes: 'videos/\*\.mp4'$"),
    ],
)
def test_folder_without_such_a_file_is_an_error(folder, name, types, message):
    (folder / "empty").mkdir()
    (folder / "videos").mkdir()
    (folder / "videos" / "v.mp4").touch()
    with pytest.raises(InputError, match=message):
        found(name, types=types)


def test_folder_is_listed_without_hidden_files_folders_and_pipes(folder):
    os.mkfifo(folder / "speech" / "pipe.wav")
    assert list_media(Path("speech"), AUDIO) == [Path("speech/a.MP3"), Path("speech/b.wav")]
    assert list_media(Path("speech/old"), VIDEO) == []


def test_folder_that_cannot_be_read_is_an_error(folder):
    (folder / "closed").mkdir(mode=0)
    with unprivileged(), pytest.raises(InputError, match="this folder cannot be read"):
        list_media(Path("closed"), AUDIO)


def test_link_to_itself_is_a_file_that_is_named(folder):
    (folder / "loop.wav").symlink_to("loop.wav")
    assert found("loop.wav", "speech/a.MP3") == ["loop.wav", "speech/a.MP3"]


def test_outputs_of_the_batch_are_left_out(folder):
    (folder / "link").symlink_to(folder / "speech")
    outputs = {folder / "speech" / "b.wav"}
    assert found("link", "speech", outputs=outputs) == ["link/a.MP3", "speech/a.MP3"]
    assert find_media(["speech/*.wav"], AUDIO, outputs).made == (Path("speech/b.wav"),)


@pytest.mark.parametrize("name", ["-", "m.csv", "M.CSV", "m.tsv", "m.json", "m.jsonl"])
def test_lists_are_told_by_their_name(name):
    assert is_list(name)
    assert not is_media(name)


@pytest.mark.parametrize("name", ["a.wav", "speech", "speech/*", "a.MP4", "x.jpg"])
def test_media_are_told_by_their_name(name):
    assert is_media(name)
    assert not is_list(name)


def test_other_names_are_neither():
    assert not is_media("videos.list")
    assert not is_list("videos.list")
