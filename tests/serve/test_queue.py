"""The queue of ``heygem serve`` and its folder: order, limits, and what survives."""

import json
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from unittest.mock import Mock

import pytest

from heygem_cli.errors import HeygemError, InputError
from heygem_cli.job import Progress
from heygem_cli.serve import room
from heygem_cli.serve.ages import Ages, SavedAges
from heygem_cli.serve.job import NotDoneError, QueueFullError, UnknownJobError
from heygem_cli.serve.queue import JobQueue
from heygem_cli.serve.store import Store, new_record


@pytest.fixture
def files(tmp_path):
    paths = tmp_path / "a.wav", tmp_path / "f.mp4"
    for path in paths:
        path.write_bytes(bytes(1000))
    return paths


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "folder", 100_000)


def add(queue, store, files, name="a.wav", **more):
    with queue.place():
        record = new_record({}, audio_name=name, face_name="f.mp4", **more)
        store.add(*files, record)
        return queue.add(record).id


def test_eleventh_job_is_refused(store, files):
    queue = JobQueue(store, 10)
    ids = [add(queue, store, files) for _ in range(10)]
    queue.take()
    with pytest.raises(QueueFullError):
        add(queue, store, files)
    queue.cancel(ids[5])
    add(queue, store, files)
    assert [queue.job(id).position for id in ids[:7]] == [0, 1, 2, 3, 4, 0, 5]


def test_place_counts_before_the_job_is_added(store, files):
    queue = JobQueue(store, 1)
    with queue.place(), pytest.raises(QueueFullError):
        add(queue, store, files)
    add(queue, store, files)


def test_code_of_a_client_belongs_to_one_job_until_it_ends(store, files):
    queue = JobQueue(store, 10)
    with queue.place("mine"):
        add(queue, store, files, code="other")
        with pytest.raises(InputError) as caught, queue.place("mine"):
            pass
    assert caught.value.code == "code-in-use"
    with queue.place("mine"):  # the job before was not added
        pass
    with pytest.raises(InputError), queue.place("other"):
        pass
    queue.take()
    with pytest.raises(InputError), queue.place("other"):
        pass
    queue.finish(result={})
    with queue.place("other"), queue.place(), queue.place():
        pass


def test_jobs_are_taken_in_order_and_put_back_in_front(store, files):
    queue = JobQueue(store, 10)
    ids = [add(queue, store, files) for _ in range(3)]
    assert queue.take().id == ids[0]
    assert queue.put_back(crashed=True).crashes == 1
    assert queue.take().id == ids[0]
    assert queue.put_back(crashed=True).phase == "failed"
    assert queue.job(ids[0]).error["code"] == "process-died"
    assert queue.take().id == ids[1]


def test_take_waits_for_a_job_and_ends_when_the_queue_is_closed(store, files):
    queue = JobQueue(store, 10)
    taken = []
    thread = threading.Thread(target=lambda: taken.extend([queue.take(), queue.take()]))
    thread.start()
    id = add(queue, store, files)
    while not taken and thread.is_alive() and queue.job(id).phase == "queued":
        time.sleep(0.01)
    queue.close()
    thread.join(5)
    assert [each and each.id for each in taken] == [id, None]
    assert JobQueue(store, 10).take(0.01) is not None


def test_take_gives_up_after_a_while(store):
    assert JobQueue(store, 10).take(0.01) is None


def test_canceled_job_has_no_result(store, files):
    queue = JobQueue(store, 10)
    id = add(queue, store, files)
    queue.take()
    queue.report(Progress("render", 5, 10))
    assert queue.cancel(id)
    assert queue.job(id).phase == "canceled"
    assert queue.finish(result={"frames": 10}).phase == "canceled"
    assert queue.job(id).result is None
    assert not queue.cancel(id)
    with pytest.raises(UnknownJobError):
        queue.cancel("../x")


def test_canceled_job_that_crashes_is_not_put_back(store, files):
    queue = JobQueue(store, 10)
    id = add(queue, store, files)
    queue.take()
    queue.cancel(id)
    assert queue.put_back(crashed=True).phase == "canceled"
    assert queue.length == 0


def test_progress_gives_percent_and_speed(store, files):
    queue = JobQueue(store, 10)
    id = add(queue, store, files)
    queue.take()
    queue.report(Progress("render", 1, 100))
    time.sleep(0.05)
    queue.report(Progress("render", 51, 100))
    job = queue.job(id)
    assert 40 < job.percent < 100
    assert 0 < job.frames_per_second < 1000


def test_history_survives_and_the_running_job_begins_again(store, files):
    queue = JobQueue(store, 10)
    ids = [add(queue, store, files, name=f"{k}.wav", code=f"code{k}") for k in range(4)]
    queue.take()
    queue.finish(result={"frames": 3})
    queue.take()  # and the server dies
    again = JobQueue(Store(store.folder, 100_000), 10)
    jobs = again.jobs()
    assert [job.id for job in jobs] == ids[::-1]
    assert [job.phase for job in jobs] == ["queued", "queued", "queued", "done"]
    assert again.jobs(2) == jobs[:2]
    assert again.job_of_code("code0").result == {"frames": 3}
    assert again.take().id == ids[1]
    third = JobQueue(Store(store.folder, 100_000), 10)  # it dies again
    assert third.job(ids[1]).error["code"] == "process-died"


@pytest.mark.parametrize("saved_by", [JobQueue.save_again, JobQueue.take])
def test_state_that_could_not_be_saved_is_saved_later(store, files, monkeypatch, saved_by):
    queue = JobQueue(store, 10)
    ids = [add(queue, store, files) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(store, "save", Mock(side_effect=HeygemError("disk-full", "the disk is full")))
        queue.cancel(ids[0])
    assert JobQueue(store, 10).job(ids[0]).phase == "queued"  # as after a crash
    saved_by(queue)
    assert JobQueue(store, 10).job(ids[0]).phase == "canceled"


def test_job_that_ended_long_ago_is_removed(store, files):
    queue = JobQueue(store, 10)
    ids = [add(queue, store, files) for _ in range(3)]
    for _ in range(2):
        queue.take()
        queue.finish(result={})
    (store.folder / "ages.json").write_text(json.dumps({"time": time.time(), "seconds": {ids[0]: 100, ids[1]: 50}}))
    queue.remove_too_old(SavedAges(store.folder / "ages.json", 80))
    assert [job.id for job in queue.jobs()] == [ids[2], ids[1]]
    assert sorted(path.name for path in store.jobs.iterdir()) == sorted(ids[1:])
    with pytest.raises(NotDoneError):
        queue.remove(ids[2])  # it waits
    queue.take()
    queue.cancel(ids[2])
    with pytest.raises(NotDoneError):
        queue.remove(ids[2])  # its worker is being stopped
    queue.finish()
    queue.remove(ids[2])
    with pytest.raises(UnknownJobError):
        queue.remove(ids[2])


def test_order_does_not_depend_on_the_clock(store, files, monkeypatch):
    queue = JobQueue(store, 10)
    ids = [add(queue, store, files)]
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    ids.append(add(queue, store, files))
    assert [job.id for job in JobQueue(store, 10).jobs()] == ids[::-1]


def test_quota_is_a_limit(store, files):
    queue = JobQueue(store, 1000)
    with pytest.raises(HeygemError) as caught:
        for _ in range(100):
            add(queue, store, files)
    assert caught.value.code == "quota-full"
    assert store.size() <= 100_000


def test_files_that_two_jobs_share_count_once(store, files):
    queue = JobQueue(store, 1000)
    first = store.of(add(queue, store, files))
    before = store.size()
    shared = first / "audio.wav", first / "face.mp4"
    again = store.of(add(queue, store, shared))
    assert store.size() - before < 1500
    assert all(path.samefile(again / path.name) for path in shared)


def test_files_of_another_job_need_no_room(store, files):
    queue = JobQueue(store, 10)
    first = store.of(add(queue, store, files))
    tight = Store(store.folder, store.size() + 1500)
    add(JobQueue(tight, 10), tight, (first / "audio.wav", first / "face.mp4"))
    with pytest.raises(HeygemError) as caught:
        add(JobQueue(tight, 10), tight, files)
    assert caught.value.code == "quota-full"


def test_simultaneous_jobs_share_the_room(store, files, monkeypatch):
    tight = Store(store.folder, 5000)
    copyfile = shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", lambda *paths: (time.sleep(0.05), copyfile(*paths)))

    def try_to_add(_):
        with suppress(HeygemError):
            tight.add(*files, new_record({}, audio_name="a.wav", face_name="f.mp4"))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(try_to_add, range(8)))
    assert tight.size() == 4000


def test_what_cannot_be_read_is_left_alone(store, files):
    queue = JobQueue(store, 10)
    bad, good = (add(queue, store, files) for _ in range(2))
    (store.of(bad) / "job.json").write_text("{")
    half = store.jobs / ("0" * 32)
    half.mkdir()
    foreign = store.jobs / "mine"
    foreign.mkdir()
    (store.uploads / "half").write_bytes(b"x")
    again = JobQueue(store, 10)
    assert [job.id for job in again.jobs()] == [good]
    assert store.of(bad).exists()
    assert foreign.exists()
    assert not half.exists()
    assert list(store.uploads.iterdir()) == []


@pytest.mark.parametrize("change", [{"audio": "../../x"}, {"id": "f" * 32}, {"phase": None, "audio": 3}])
def test_record_that_was_edited_reads_no_other_file(store, files, change):
    id = add(JobQueue(store, 10), store, files)
    path = store.of(id) / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert JobQueue(store, 10).jobs() == []


@pytest.mark.parametrize("name", ["a\nb.wav", "../../a.wav", "语音.wav", 'a"b.wav', "x" * 300, ".wav", "a.w av", "."])
def test_names_of_users_are_no_paths(store, files, name):
    id = add(JobQueue(store, 10), store, files, name=name)
    assert {path.name for path in store.of(id).iterdir()} <= {"audio.wav", "audio", "face.mp4", "job.json"}
    assert JobQueue(store, 10).job(id).audio_name == name


def test_name_that_is_not_utf_8_is_kept_as_text(store, files):
    id = add(JobQueue(store, 10), store, files, name="a\udcff.wav")
    assert JobQueue(store, 10).job(id).audio_name == "a?.wav"


def test_old_uploads_are_removed(store):
    (store.uploads / "folder").mkdir()
    file = store.uploads / "folder" / "old"
    file.write_bytes(b"x")
    ages = Ages()
    for _ in range(2):
        store.remove_old_uploads(ages, 60)
    assert file.exists()
    file.with_name("new").write_bytes(b"x")
    ages.seconds = dict.fromkeys(ages.seconds, 60)
    store.remove_old_uploads(ages, 60)
    assert [path.name for path in file.parent.iterdir()] == ["new"]


def test_job_that_cannot_be_removed_stays(store, files, caplog):
    queue = JobQueue(store, 10)
    id = add(queue, store, files)
    queue.cancel(id)
    record = store.of(id) / "job.json"
    record.unlink()
    record.mkdir()  # which unlink does not remove, as if the folder were read-only
    with pytest.raises(OSError, match=r"job\.json"):
        queue.remove(id)
    queue.remove_too_old(SavedAges(store.folder / "ages.json", 0))
    assert "cannot be removed" in caplog.text
    assert queue.job(id).phase == "canceled"
    record.rmdir()
    queue.remove(id)
    assert not store.of(id).exists()


def test_upload_that_came_again_is_new(store):
    (store.uploads / "same").write_bytes(b"x")
    ages = Ages()
    store.remove_old_uploads(ages, 60)
    ages.seconds = dict.fromkeys(ages.seconds, 60)
    os.utime(store.uploads / "same", (1, 1))
    store.remove_old_uploads(ages, 60)
    assert (store.uploads / "same").exists()


def test_file_that_is_gone_is_an_error_of_ours(store, files):
    files[0].unlink()
    record = new_record({}, audio_name="a.wav", face_name="f.mp4")
    with pytest.raises(HeygemError):
        store.add(*files, record)
    assert not store.of(record.id).exists()


def test_job_that_found_the_disk_full_waits_for_room(store, files, monkeypatch):
    error, free, now = {"code": "disk-full"}, [5_000_000], [1000.0]
    monkeypatch.setattr(room, "shutil", Mock(disk_usage=lambda _: Mock(free=free[0])))
    monkeypatch.setattr(room, "time", Mock(monotonic=lambda: now[0]))
    queue = JobQueue(store, 10)
    ids = [add(queue, store, files) for _ in range(2)]
    assert queue.take().id == ids[0]
    queue.wait_for_room(error)
    assert (queue.job(ids[0]).error, queue.job(ids[0]).position) == (error, 1)
    assert queue.take().id == ids[1]  # which may be smaller
    queue.wait_for_room(error)
    assert queue.lacks_room
    now[0] += room.PAUSE_SECONDS
    assert queue.take(0) is None
    free[0] += room.MORE_BYTES
    assert not queue.lacks_room
    assert queue.take().id == ids[0]
    assert queue.job(ids[0]).error is None
    assert queue.cancel(ids[0])
    assert queue.wait_for_room(error).phase == "canceled"
    queue.take()
    queue.wait_for_room(error)
    now[0] += room.TRY_SECONDS  # what was full may be another disk
    assert queue.take().id == ids[1]
