"""Keep tracks in the cache, with damage, failures and other processes."""

import errno
import multiprocessing
import os
import resource
import shutil
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from file_systems import small_file_system
from heygem_cli import locks
from heygem_cli.errors import HeygemError, LockedError, NotCapableError
from heygem_cli.face.cache import cache_errors, cached_track, prune, track_key
from heygem_cli.face.video_track import write_track
from heygem_cli.media.arguments import decoding_key
from heygem_cli.media.probe_video import probe_video
from media_factory import make_video
from tracks import frames_of, numbered_frames, numbered_rows
from unprivileged import public_folder, unprivileged


def test_track_is_cached_and_extended_when_needed(tmp_path):
    counts = []

    def track(count):
        def create():
            counts.append(count)
            return numbered_frames(count)

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


def a_page_of_zeros(path):
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(4096))


def other_points(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + (np.frombuffer(whole[100:-4], "<f4") * 1e4).tobytes() + whole[-4:])


def nothing(path):
    path.write_bytes(b"")


def another_version(path):
    path.write_bytes(b"hgtrack2" + path.read_bytes()[8:])


def another_face(path):
    cached_track(path.parents[1], "other", 4, lambda: numbered_frames(2))
    shutil.copy(path.with_name("other.track"), path)


def no_frames(path):
    write_track(path, [], limit=9, key="key").close()


def points_outside(path):
    write_track(path, frames_of([row + 2000 for row in numbered_rows(2)]), limit=9, key="key").close()


def a_folder(path):
    path.unlink()
    path.mkdir()


def a_folder_with_a_file(path):
    a_folder(path)
    (path / "mine").write_text("precious")


def a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def a_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def a_link_to_zeros(path):
    path.unlink()
    path.symlink_to("/dev/zero")


DAMAGE = [
    a_page_of_zeros, other_points, nothing, another_version, another_face, no_frames, points_outside, a_folder,
    a_folder_with_a_file, a_pipe, a_link, a_link_to_zeros,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_track_is_replaced_with_a_note(damage, tmp_path):
    for _ in range(2):
        cached_track(tmp_path, "key", 4, lambda: numbered_frames(2))
    path = tmp_path / "tracks" / "key.track"
    whole = path.read_bytes()
    damage(path)
    notes = []
    track, cached = cached_track(tmp_path, "key", 4, lambda: numbered_frames(2), reach=1000, on_damage=notes.append)
    assert (len(track), cached, track.landmarks(1, 1)[0, 0, 0]) == (2, False, 1)
    (note,) = notes
    assert note.startswith(f"{path}: the cached face track is ")
    assert path.read_bytes() == whole
    assert not path.is_symlink()
    assert cached_track(tmp_path, "key", 4, lambda: numbered_frames(2), reach=1000, on_damage=notes.append)[1]
    assert len(notes) == 1
    if damage is a_folder_with_a_file:
        assert [file.read_text() for file in tmp_path.rglob("mine")] == ["precious"]
    if damage is a_link:
        assert path.with_name("elsewhere").read_bytes() == whole


def test_unreadable_track_is_replaced():
    with public_folder() as folder:
        folder.chmod(0o777)
        with unprivileged():
            cached_track(folder, "key", 4, lambda: numbered_frames(2))
            (folder / "tracks/key.track").chmod(0)
            notes = []
            assert not cached_track(folder, "key", 4, lambda: numbered_frames(2), on_damage=notes.append)[1]
            assert "unreadable (Permission denied)" in notes[0]
            assert cached_track(folder, "key", 4, lambda: numbered_frames(2))[1]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_lock_that_is_not_a_file_is_replaced(make, tmp_path):
    (tmp_path / "tracks").mkdir()
    make(tmp_path / "tracks" / "key.lock")
    assert not cached_track(tmp_path, "key", 4, lambda: numbered_frames(2))[1]
    assert (tmp_path / "tracks" / "key.lock").is_file()


def test_folder_that_cannot_be_moved_away_is_named(tmp_path, monkeypatch):
    (tmp_path / "tracks/key.lock/mine").mkdir(parents=True)
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(NotCapableError, match=r"key\.lock: the face track cannot be written: Device or resource busy"):
        cached_track(tmp_path, "key", 4, lambda: numbered_frames(2))


def refuse(path, _target):
    raise OSError(errno.EBUSY, "Device or resource busy", str(path))


def test_failure_leaves_no_files(tmp_path):
    def fails():
        yield from numbered_frames(2)
        raise HeygemError("x", "tracking failed")

    with pytest.raises(HeygemError):
        cached_track(tmp_path, "key", 4, fails)
    assert [path.suffix for path in (tmp_path / "tracks").iterdir()] in ([], [".lock"])


def test_unusable_folder_is_reported_with_a_hint(tmp_path):
    (tmp_path / "cache").write_bytes(b"a file, not a folder")
    with pytest.raises(NotCapableError, match="--no-cache, or name another folder with HEYGEM_CACHE_DIR") as caught:
        cached_track(tmp_path / "cache", "key", 4, lambda: numbered_frames(2))
    assert caught.value.exit_code == 4


def test_full_disk_is_reported_with_a_hint(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(NotCapableError, match="--no-cache"):
            cached_track(tmp_path, "key", 4, lambda: numbered_frames(3))
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


def test_cache_on_a_full_file_system(tmp_path):
    with small_file_system(tmp_path / "cache", "64k") as folder:
        with pytest.raises(HeygemError, match="the disk is full") as caught:
            cached_track(folder, "key", 400, lambda: numbered_frames(200))
        assert caught.value.code == "disk-full"
        assert {path.suffix for path in (folder / "tracks").iterdir()} <= {".lock"}
        assert len(cached_track(folder, "key", 400, lambda: numbered_frames(2))[0]) == 2


def test_track_that_another_process_seems_to_create_is_an_error_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0.2)
    (tmp_path / "tracks").mkdir()
    waits = []
    with locks.hold(tmp_path / "tracks" / "key.lock", "", ""), pytest.raises(LockedError) as caught:
        cached_track(tmp_path, "key", 4, lambda: numbered_frames(2), lambda: waits.append(1))
    assert f"another heygem tracks this face video: process {os.getpid()} on " in str(caught.value)
    assert waits


def test_creating_a_track_is_a_sign_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "ALIVE_INTERVAL", 0.0)
    signs = set()

    def create():
        for frame in numbered_frames(3):
            signs.add(str(locks.FileLock(tmp_path / "tracks" / "key.lock").sign_of_life()))
            yield frame
            time.sleep(0.02)

    cached_track(tmp_path, "key", 4, create)
    assert len(signs) == 3


def _track_in_process(folder, counter):
    def create():
        with counter.open("a") as file:
            file.write("created\n")
        return numbered_frames(200)

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
    assert track_key(one, "fps=25", "v1") == track_key(same, "fps=25", "v1")
    jobs = [(one, "fps=25", "v1"), (other, "fps=25", "v1"), (one, "fps=30", "v1"), (one, "fps=25", "v2")]
    assert len({track_key(*job) for job in jobs}) == 4


def test_key_of_the_decoder_changes_with_the_frames_and_not_with_the_name(tmp_path):
    video = probe_video(make_video(tmp_path / "a.mp4", size=(64, 48), seconds=0.2))
    assert decoding_key(replace(video, path=tmp_path / "b.mp4")) == decoding_key(video)
    others = [
        replace(video, fps=Fraction(30)),
        replace(video, stream=replace(video.stream, specifier="v:1")),
        replace(video, width=62),
    ]
    assert len({decoding_key(each) for each in (video, *others)}) == 4


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
    cached_track(tmp_path, "key", 2, lambda: numbered_frames(2))
    assert not stale.exists()
    assert mine.exists()
