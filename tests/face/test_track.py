import multiprocessing
import os
import resource
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from heygem_cli import locks
from heygem_cli.errors import HeygemError, LockedError, NotCapableError
from heygem_cli.face.cache import cache_errors, cached_track, prune, track_key
from heygem_cli.face.track import read_track, write_track
from heygem_cli.options import Person


def rows(count, missing=()):
    return [None if k in missing else np.full((478, 3), k, np.float32) for k in range(count)]


def test_track_is_read_as_written(tmp_path):
    written = write_track(tmp_path / "a.track", rows(5, missing={0, 3}), limit=9)
    read = read_track(tmp_path / "a.track")
    assert read.present.tolist() == written.present.tolist() == [False, True, True, False, True]
    assert read.complete
    assert read.landmarks(3) is None
    assert read.landmarks(4)[477, 2] == 4
    assert np.isnan(read.rows(2, 2)[1]).all()


def test_track_that_reaches_its_limit_is_not_complete(tmp_path):
    assert not write_track(tmp_path / "a.track", rows(5), limit=5).complete


@pytest.mark.parametrize("cut", [0, 3, 16, 17, -1, -4])
def test_truncated_track_is_rejected(tmp_path, cut):
    path = tmp_path / "a.track"
    write_track(path, rows(3), limit=9)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    with pytest.raises(HeygemError, match="the face track is damaged"):
        read_track(path)


def test_track_is_cached_and_extended_when_needed(tmp_path):
    counts = []

    def track(count):
        def create():
            counts.append(count)
            return rows(count)

        return create

    first, cached = cached_track(tmp_path, "key", 4, track(4))
    assert (len(first), cached) == (4, False)
    again, cached = cached_track(tmp_path, "key", 3, track(3))
    assert (len(again), cached) == (3, True)
    longer, cached = cached_track(tmp_path, "key", 10, track(7))
    assert (len(longer), longer.complete, cached) == (7, True, False)
    whole, cached = cached_track(tmp_path, "key", 99, track(99))
    assert (len(whole), whole.complete, cached) == (7, True, True)
    assert counts == [4, 7]


def test_damaged_track_is_replaced(tmp_path):
    cached_track(tmp_path, "key", 4, lambda: rows(2))
    (tmp_path / "tracks" / "key.track").write_bytes(b"hgtrack1 and then nonsense")
    track, cached = cached_track(tmp_path, "key", 4, lambda: rows(2))
    assert (len(track), cached) == (2, False)


def test_failure_leaves_no_files(tmp_path):
    def fails():
        yield from rows(2)
        raise HeygemError("x", "tracking failed")

    with pytest.raises(HeygemError):
        cached_track(tmp_path, "key", 4, fails)
    assert [path.suffix for path in (tmp_path / "tracks").iterdir()] in ([], [".lock"])


def test_unusable_folder_is_reported_with_a_hint(tmp_path):
    (tmp_path / "cache").write_bytes(b"a file, not a folder")
    with pytest.raises(NotCapableError, match="--no-cache, or name another folder with HEYGEM_CACHE_DIR") as caught:
        cached_track(tmp_path / "cache", "key", 4, lambda: rows(2))
    assert caught.value.exit_code == 4


def test_full_disk_is_reported_with_a_hint(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(NotCapableError, match="--no-cache"):
            cached_track(tmp_path, "key", 4, lambda: rows(3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((tmp_path / "tracks").glob(".*.heygem-part"))


@pytest.mark.parametrize(
    ("number", "code", "exit_code"), [(28, "disk-full", 1), (122, "disk-full", 1), (30, "cache-failed", 4)]
)
def test_full_disk_may_pass_other_errors_do_not(number, code, exit_code):
    with pytest.raises(HeygemError, match="--no-cache") as caught, cache_errors(Path("cache")):
        raise OSError(number, os.strerror(number))
    assert (caught.value.code, caught.value.exit_code) == (code, exit_code)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_cache_on_a_full_file_system(tmp_path):
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(HeygemError, match="the disk is full") as caught:
            cached_track(tmp_path, "key", 400, lambda: rows(200))
        assert caught.value.code == "disk-full"
        assert {path.suffix for path in (tmp_path / "tracks").iterdir()} <= {".lock"}
        assert len(cached_track(tmp_path, "key", 400, lambda: rows(2))[0]) == 2
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_track_that_another_process_seems_to_create_is_an_error_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0.2)
    (tmp_path / "tracks").mkdir()
    waits = []
    with locks.hold(tmp_path / "tracks" / "key.lock", "", ""), pytest.raises(LockedError) as caught:
        cached_track(tmp_path, "key", 4, lambda: rows(2), lambda: waits.append(1))
    assert f"another heygem tracks this face video: process {os.getpid()} on " in str(caught.value)
    assert waits


def test_creating_a_track_is_a_sign_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "ALIVE_INTERVAL", 0.0)
    signs = set()

    def create():
        for row in rows(3):
            signs.add(str(locks.FileLock(tmp_path / "tracks" / "key.lock").sign_of_life()))
            yield row
            time.sleep(0.02)

    cached_track(tmp_path, "key", 4, create)
    assert len(signs) == 3


def _track_in_process(folder, counter):
    def create():
        with counter.open("a") as file:
            file.write("created\n")
        return rows(200)

    cached_track(folder, "key", 500, create)


def test_two_processes_create_a_track_once(tmp_path):
    counter = tmp_path / "counter"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_track_in_process, args=(tmp_path, counter)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert counter.read_text() == "created\n"


def test_key_depends_on_content_not_on_name(tmp_path):
    one, same, other = (tmp_path / name for name in ("1", "2", "3"))
    one.write_bytes(b"face")
    same.write_bytes(b"face")
    other.write_bytes(b"another face")
    left = Person("left")
    assert track_key(one, Person(), "v1") == track_key(same, Person(), "v1")
    keys = {
        track_key(*key)
        for key in ((one, Person(), "v1"), (other, Person(), "v1"), (one, left, "v1"), (one, left, "v2"))
    }
    assert len(keys) == 4


def test_prune_deletes_least_recently_used(tmp_path):
    for age, name in enumerate(["new", "older", "oldest"]):
        path = tmp_path / f"{name}.track"
        path.write_bytes(bytes(100))
        os.utime(path, (0, 2e9 if name == "new" else 1e9 - age))
    (tmp_path / "of the user").write_bytes(bytes(100))
    os.utime(tmp_path / "of the user", (0, 0))
    prune(tmp_path, 200)
    (tmp_path / "of the user").unlink()
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["new", "older"]


def test_part_file_of_a_killed_run_is_removed(tmp_path):
    (tmp_path / "tracks").mkdir()
    mine = tmp_path / "tracks" / ".key.a1b2.heygem-part"
    mine.write_bytes(b"of the user")
    stale = tmp_path / "tracks" / f".key.{mine.stat().st_ino:x}-0123abcd.heygem-part"
    stale.hardlink_to(mine)
    cached_track(tmp_path, "key", 2, lambda: rows(2))
    assert not stale.exists()
    assert mine.exists()
