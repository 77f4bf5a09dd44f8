"""Tests of the names of outputs."""

from pathlib import Path

import pytest

from heygem_cli.errors import InputError
from heygem_cli.name_template import parse_name_template

EXISTING = "There are: {face}, {audio}, {audio_folder}, {audio_type}"


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{face}_{audio}.mp4", "安娜_say \"{hi}\".mp4"),
        ("{audio_folder}-{audio}.{audio_type}.mov", "day1-say \"{hi}\".WAV.mov"),
        ("{{{audio}}}.mp4", "{say \"{hi}\"}.mp4"),
        ("all.mkv", "all.mkv"),
    ],
)  # fmt: skip
def test_fields_become_parts_of_the_names(template, name):
    assert parse_name_template(template).fill(Path('day1/say "{hi}".WAV'), Path("faces/安娜.mp4")) == name


def test_folder_of_a_name_without_one_is_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_name_template("{audio_folder}.mp4").fill(Path("a.wav"), Path("f.mp4")) == f"{tmp_path.name}.mp4"


@pytest.mark.parametrize("field", ["audoi", "", "0", "audio!r", "audio:>9", "audio.parent", "audio[0]", "audio:{face}"])
def test_unknown_field_is_an_error_that_names_those_that_exist(field):
    with pytest.raises(InputError) as caught:
        parse_name_template(f"x{{{field}}}.mp4")
    assert str(caught.value) == f"--output-template x{{{field}}}.mp4: there is no field {{{field}}}. {EXISTING}"


@pytest.mark.parametrize("template", ["{", "}", "{audio}{.mp4", "{a{b}}.mp4"])
def test_single_brace_is_an_error(template):
    with pytest.raises(InputError, match="a brace is alone"):
        parse_name_template(template)


def test_folder_is_an_error():
    with pytest.raises(InputError, match="Name the folder with --output-dir"):
        parse_name_template("{audio_folder}/{audio}.mp4")
