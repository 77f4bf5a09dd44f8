"""Tests of which files of a watched folder are complete, new or changed."""

import os

import pytest

from heygem_cli.batch.arrivals import SETTLE_SECONDS, Arrivals
from heygem_cli.errors import InputError
from heygem_cli.options import BatchOptions

LATER = SETTLE_SECONDS + 0.1


def names(paths):
    return [path.name for path in paths]


def arrivals_of(folder, **options):
    return Arrivals(folder, BatchOptions(videos=("f.mp4",), **options))


def test_file_is_taken_once_when_it_has_not_changed_for_a_while(tmp_path):
    arrivals = arrivals_of(tmp_path)
    assert arrivals.take(0.0) == ()
    (tmp_path / "a.wav").write_bytes(b"1")
    assert [arrivals.take(now) for now in (1.0, 2.0, SETTLE_SECONDS)] == [()] * 3
    (tmp_path / "b.mp3").write_bytes(b"1")
    assert names(arrivals.take(1.0 + LATER)) == ["a.wav"]
    assert names(arrivals.take(3.0 + 2 * LATER)) == ["b.mp3"]
    assert arrivals.take(100.0) == ()


def test_file_that_grows_is_waited_for(tmp_path):
    arrivals = arrivals_of(tmp_path)
    for second in range(20):
        with (tmp_path / "a.wav").open("ab") as file:
            file.write(b"more")
        assert arrivals.take(float(second)) == ()
    assert names(arrivals.take(19.0 + LATER)) == ["a.wav"]


def test_new_version_is_taken_again(tmp_path):
    arrivals = arrivals_of(tmp_path)
    (tmp_path / "a.wav").write_bytes(b"1")
    arrivals.take(0.0)
    assert names(arrivals.take(LATER)) == ["a.wav"]
    (tmp_path / "new").write_bytes(b"2")
    (tmp_path / "new").rename(tmp_path / "a.wav")
    assert arrivals.take(20.0) == ()
    assert names(arrivals.take(20.0 + LATER)) == ["a.wav"]


def test_other_files_are_never_taken(tmp_path):
    for name in (".a.wav", "a.mp4", "a.wav.part", ".a.1-2.heygem-part", "batch.journal.jsonl"):
        (tmp_path / name).write_bytes(b"1")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "broken.wav").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.wav")
    arrivals = arrivals_of(tmp_path)
    assert [arrivals.take(now) for now in (0.0, LATER, 100.0)] == [()] * 3


def test_audio_waits_for_its_video(tmp_path):
    faces = tmp_path / "faces"
    arrivals = Arrivals(tmp_path, BatchOptions(videos=(str(faces / "*"),), pair="stem"))
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"1")
    assert [arrivals.take(now) for now in (0.0, LATER)] == [()] * 2
    faces.mkdir()
    (faces / "b.mp4").write_bytes(b"1")
    assert arrivals.take(20.0) == ()
    assert names(arrivals.take(20.0 + LATER)) == ["b.wav"]
    (faces / "b.mp4").write_bytes(b"22")
    (faces / "a.jpg").write_bytes(b"1")
    assert arrivals.take(40.0) == ()
    assert names(arrivals.take(40.0 + LATER)) == ["a.wav", "b.wav"]


def test_folder_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(InputError, match="this folder cannot be read"):
        arrivals_of(tmp_path / "no").take(0.0)
