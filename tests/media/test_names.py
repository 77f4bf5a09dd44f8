"""Tests of files that are named as other programs and systems do."""

import unicodedata
from pathlib import Path

import pytest

from heygem_cli.media import names
from heygem_cli.media.names import FileFinder

NFC, NFD = (unicodedata.normalize(form, "Jürgen é 각.wav") for form in ("NFC", "NFD"))


def found(text: str, folder: Path) -> Path:
    return FileFinder().find(text, folder)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a b.wav", "a b.wav"),
        (' "a b.wav"\u00a0', "a b.wav"),
        ("“a b.wav”", "a b.wav"),
        ("'a b.wav'", "a b.wav"),
        ("\u202aa b.wav\u202c", "a b.wav"),  # copied from the properties of a file on Windows
        ("a\u00a0b.wav", "a b.wav"),
        ("Screenshot at 9.41 AM.png", "Screenshot at 9.41\u202fAM.png"),  # macOS
        ("it's.wav", "it’s.wav"),
        ("it’s.wav", "it's.wav"),
        (NFC, NFD),
        (NFD, NFC),
        ("sub\\dir\\c.wav", "sub/dir/c.wav"),
        ("file:a%20b.wav", "a b.wav"),
        ("file:100%.wav", "100%.wav"),
        ("~.wav", "~.wav"),
    ],
)
def test_file_is_found(text, name, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    (tmp_path / "other.wav").touch()
    assert found(text, tmp_path) == path


@pytest.mark.parametrize("prefix", ["file://", "file:", "FILE://localhost"])
def test_file_url_is_decoded(prefix, tmp_path):
    path = tmp_path / "Jürgen & 100%.wav"
    path.touch()
    assert found(prefix + path.as_uri().removeprefix("file://"), Path("elsewhere")) == path


def test_folders_are_found_in_another_normal_form_too(tmp_path):
    path = tmp_path / NFD / NFC
    path.parent.mkdir()
    path.touch()
    assert found(f"{NFC}/{NFD}", tmp_path) == path


def test_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.wav").touch()
    assert found("~/a.wav", Path("lists")) == tmp_path / "a.wav"
    assert found("~nobody-of-this-name/a.wav", tmp_path) == tmp_path / "~nobody-of-this-name/a.wav"


def test_exact_name_comes_first(tmp_path):
    texts = ['"a.wav"', "file:a.wav", "sub\\a.wav", NFC, NFD, "a\u00a0.wav"]
    for text in [*texts, "a.wav", "a .wav"]:
        (tmp_path / text).touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.wav").touch()
    assert [found(text, tmp_path).name for text in texts] == texts


def test_nothing_is_guessed_if_two_files_could_be_meant(tmp_path):
    mixed = unicodedata.normalize("NFD", "é") + "é"
    (tmp_path / mixed).touch()
    assert found("éé", tmp_path) == tmp_path / mixed
    (tmp_path / unicodedata.normalize("NFD", "éé")).touch()
    assert found("éé", tmp_path) == tmp_path / "éé"


def test_drive_of_windows_is_found_below_its_linux_subsystem(tmp_path, monkeypatch):
    text = r"C:\Media\a.wav"
    assert found(text, tmp_path) == tmp_path / text  # there is no such folder
    monkeypatch.setattr(names, "MOUNTS", str(tmp_path))
    path = tmp_path / "c/Media/a.wav"
    path.parent.mkdir(parents=True)
    path.touch()
    assert found(text, Path("lists")) == path
    assert found("file:///C:/Media/a.wav", Path("lists")) == path


def test_missing_file_keeps_the_name_that_it_was_meant_to_have(tmp_path):
    assert found('"a b.wav"', tmp_path) == tmp_path / "a b.wav"
    assert found("file:///x/a%20b.wav", tmp_path) == Path("/x/a b.wav")
    assert found("a\0b", tmp_path) == tmp_path / "a\0b"
    assert found("x" * 5000, tmp_path) == tmp_path / ("x" * 5000)


@pytest.mark.parametrize("text", ["out\\x.mp4", '"out/x.mp4"', "out/x.mp4\u00a0", "~/out/x.mp4", "file:out/x.mp4"])
def test_output_is_named_in_the_same_ways(text, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "out").mkdir()
    assert FileFinder().find_output(text, tmp_path) == tmp_path / "out/x.mp4"


def test_output_with_a_backslash_in_its_name_is_kept_where_folders_are_as_on_linux(tmp_path):
    assert FileFinder().find_output(f"{tmp_path}/we\\ird.mp4") == tmp_path / "we\\ird.mp4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x.mp4", ("", "x.mp4")), ("./x.mp4", ("", "x.mp4")), ("/x.mp4", ("/", "x.mp4")), ("a//b/", ("a/", "b")),
        ("a/.", ("", "a")), ("a/..", ("a/", "..")), ("/", ("/", "")), (".", ("", ".")), ("a/b/x", ("a/b/", "x")),
    ],
)  # fmt: skip
def test_output_is_split_as_its_path_would_be(text, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, name = FileFinder().split_output(text)
    assert (folder, name) == expected
    assert Path(folder + name) == Path(text)


def test_folder_of_an_output_is_found(tmp_path):
    (tmp_path / NFD).mkdir()
    assert FileFinder().find_output(f"{NFC}/{NFC}", tmp_path) == tmp_path / NFD / NFC


def test_each_folder_is_listed_once(tmp_path, monkeypatch):
    for number in range(20):
        (tmp_path / f"{NFD}{number}").touch()
    listed = []
    original = names.os.listdir
    monkeypatch.setattr(names.os, "listdir", lambda path: listed.append(path) or original(path))
    finder = FileFinder()
    assert all(finder.find(f"{NFC}{number}", tmp_path).exists() for number in range(20))
    assert listed == [tmp_path]
