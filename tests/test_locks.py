"""Tests of the locks, on file systems with ``flock`` and without."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from multiprocessing import get_context

import pytest

from heygem_cli import lock_holder, locks
from heygem_cli.errors import LockedError
from heygem_cli.locks import FileLock, FolderLock, SoftLock, hold

HOLD_AND_DIE = """
import fcntl, os, sys
from pathlib import Path
from heygem_cli.locks import FileLock
if sys.argv[2] == "soft":
    def fail(*_): raise OSError(95, "Operation not supported")
    fcntl.flock = fail
assert FileLock(Path(sys.argv[1])).try_acquire()
os._exit(0)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.lock"


@pytest.fixture(name="kind", params=[None, errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS])
def with_and_without_flock(request, monkeypatch):
    """With ``flock``, and without: the error that it gives."""
    if request.param is not None:
        refuse_flock(monkeypatch, request.param)
    return request.param


def refuse_flock(monkeypatch, number=errno.ENOLCK):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)


def marker_of(path, **fields):
    """Return the marker of a holder that is this process, except for some fields."""
    soft = SoftLock(path.with_name(f"{path.name}.holder"))
    assert soft.try_acquire()
    content = json.loads(soft.path.read_text())
    content[locks.KEY] |= fields
    soft.path.write_text(json.dumps(content))
    return soft.path


def error_of(path, **options):
    with pytest.raises(LockedError) as caught, hold(path, "somebody else works here", "Wait", wait=0, **options):
        pass
    return str(caught.value)


@pytest.mark.usefixtures("kind")
def test_only_one_holds_the_lock_and_it_says_who(path):
    with hold(path, "", ""):
        assert FileLock(path).is_held()
        assert not FileLock(path).try_acquire()
        assert f"somebody else works here: process {os.getpid()} on {os.uname().nodename}, since " in error_of(path)
    assert not FileLock(path).is_held()
    assert [each.name for each in path.parent.iterdir()] == ["a.lock"]
    assert path.read_bytes() == b""
    with hold(path, "", ""):
        pass


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("left_by", ["flock", "soft"])
def test_lock_of_a_process_that_died_is_taken_over(path, left_by):
    subprocess.run([sys.executable, "-c", HOLD_AND_DIE, path, left_by], check=True)
    assert not FileLock(path).is_held()
    with hold(path, "", "", wait=0):
        pass


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b'{"heygem lock": {"pi'])
def test_incomplete_lock_is_taken_over(path, monkeypatch, content):
    refuse_flock(monkeypatch)
    monkeypatch.setattr(locks, "WRITING_SECONDS", 0.05)
    path.with_name("a.lock.holder").write_bytes(content)
    with hold(path, "", "", wait=0):
        pass


@pytest.mark.usefixtures("kind")
def test_lock_of_another_machine_is_an_error_that_says_what_to_delete(path):
    marker = marker_of(path, host="elsewhere\x1b[31m", scope="other", pid=7)
    error = error_of(path)
    assert "process 7 on elsewhere\\x1b[31m, since " in error
    assert error.endswith(f"If that process has ended, delete {marker}")
    assert FileLock(path).is_held()


@pytest.mark.usefixtures("kind")
def test_pid_that_belongs_to_another_process_now_is_no_obstacle(path):
    marker_of(path, started=1)
    with hold(path, "", "", wait=0):
        pass


def test_command_that_was_restarted_in_place_gets_its_lock_again(path, monkeypatch):
    refuse_flock(monkeypatch)
    assert FileLock(path).try_acquire()
    monkeypatch.setattr(lock_holder, "_PROGRAM", "another")
    assert FileLock(path).try_acquire()


@pytest.mark.parametrize("number", ["1e999", "1" * 400, '"x"', "[" * 5000, "NaN"])
def test_absurd_holder_is_nobody(path, number):
    path.write_text(f'{{"heygem lock": {{"pid": 1, "host": "h", "since": {number}, "scope": "s", "started": 1}}}}')
    assert FileLock(path).holder() is None


def test_files_of_the_user_are_kept(path, tmp_path, monkeypatch):
    path.write_text("mine")
    with hold(path, "", ""):
        assert path.read_text() == "mine"
    assert path.read_text() == "mine"
    (tmp_path / "link.lock").symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"), hold(tmp_path / "link.lock", "", ""):
        pass
    os.mkfifo(tmp_path / "pipe.lock")
    with pytest.raises(OSError, match="not a regular file"), hold(tmp_path / "pipe.lock", "", ""):
        pass
    refuse_flock(monkeypatch)
    monkeypatch.setattr(locks, "WRITING_SECONDS", 0.05)
    marker = tmp_path / "a.lock.holder"
    marker.write_text("mine")
    assert error_of(path).endswith(f"If there is none, move {marker} away")
    assert marker.read_text() == "mine"


@pytest.mark.usefixtures("kind")
def test_holder_is_waited_for_as_long_as_it_gives_signs_of_life(path, monkeypatch):
    monkeypatch.setattr(locks, "ALIVE_INTERVAL", 0.0)
    held = FileLock(path)
    assert held.try_acquire()
    calls = []

    def work():
        for _ in range(10):
            time.sleep(0.1)
            held.keep_alive()
        held.release()

    thread = threading.Thread(target=work)
    thread.start()
    with hold(path, "", "", wait=0.6, on_wait=lambda: calls.append(1)):
        assert len(calls) >= 5
    thread.join()
    held = FileLock(path)
    assert held.try_acquire()
    with pytest.raises(LockedError), hold(path, "", "", wait=0.3):
        pass


def _append_to_both_ends(path, count):
    def fail(*_):
        raise OSError(errno.ENOLCK, "")

    fcntl.flock = fail
    for _ in range(count):
        with hold(path, "", ""):
            before = path.with_name("counter").read_text()
            time.sleep(0.001)
            path.with_name("counter").write_text(f"{int(before) + 1}")


def test_processes_exclude_each_other_without_flock(path):
    path.with_name("counter").write_text("0")
    context = get_context("spawn")
    processes = [context.Process(target=_append_to_both_ends, args=(path, 8)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert path.with_name("counter").read_text() == "24"


def test_folder_is_locked(tmp_path, kind):
    lock, other = FolderLock(tmp_path), FolderLock(tmp_path)
    assert lock.try_acquire()
    assert not other.try_acquire()
    assert f"process {os.getpid()}" in other.holder()
    other.release()
    assert (list(tmp_path.iterdir()) == []) is (kind is None)
    lock.release()
    assert list(tmp_path.iterdir()) == []
