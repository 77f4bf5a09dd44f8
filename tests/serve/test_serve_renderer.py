"""What the renderer's thread does when something goes wrong that nobody can provoke from outside."""

import os
import threading
from unittest.mock import Mock

import pytest

from heygem_cli.batch.worker_process import ChildProcessWorker
from heygem_cli.options import EngineOptions, RenderOptions
from heygem_cli.runtime import read_settings
from heygem_cli.serve.queue import JobQueue
from heygem_cli.serve.renderer import RendererThread
from heygem_cli.serve.store import Store, new_record
from serve_program import wait_for


@pytest.fixture
def queue(tmp_path):
    return JobQueue(Store(tmp_path / "folder", 100_000), 10)


@pytest.fixture
def renderer(queue, monkeypatch):
    thread = RendererThread(
        queue, queue._store, EngineOptions(), RenderOptions(), settings=read_settings(os.environ, None), timeout=None
    )
    monkeypatch.setattr(thread, "_start_worker", lambda: Mock(ChildProcessWorker, starts=1))
    yield thread
    thread.close()


def add(queue):
    record = new_record({}, audio_name="a.wav", face_name="f.mp4")
    queue._store.of(record.id).mkdir()
    return queue.add(record).id


def test_bug_costs_one_job(queue, renderer, monkeypatch):
    monkeypatch.setattr(renderer, "_run_job", Mock(side_effect=[RuntimeError("a bug"), None]))
    ids = [add(queue), add(queue)]
    renderer.start()
    wait_for(lambda: queue.job(ids[1]).phase == "running", 10)
    assert queue.job(ids[0]).error["code"] == "internal-error"


def test_cancel_ends_the_wait_for_an_engine_that_cannot_be_loaded(queue, renderer, monkeypatch):
    monkeypatch.setattr("heygem_cli.serve.renderer.FIRST_PAUSE", 60.0)
    worker = Mock(ChildProcessWorker, starts=1)
    monkeypatch.setattr(renderer, "_start_worker", lambda: worker)
    monkeypatch.setattr(renderer, "_check_again", lambda *_: (Mock(), ()))
    monkeypatch.setattr("heygem_cli.serve.renderer.time_limit", lambda *_: 60.0)
    worker.prepare.side_effect = OSError(11, "no more processes")
    id = add(queue)
    renderer.start()
    wait_for(lambda: "no more processes" in renderer.problem, 10)
    queue.cancel(id)
    wait_for(lambda: queue.job(id).finished, 5)
    assert queue.job(id).phase == "canceled"


def test_cancel_holds_back_the_next_job_until_the_worker_is_stopped(queue, renderer, monkeypatch):
    stopping, stopped = threading.Event(), threading.Event()

    def stop():
        stopping.set()
        stopped.wait(10)

    def check_again(record, _job):
        renderer._stop_current = record.id, stop
        stopping.wait(10)
        raise RuntimeError("it was stopped")

    monkeypatch.setattr(renderer, "_check_again", check_again)
    first, second = add(queue), add(queue)
    renderer.start()
    wait_for(lambda: renderer._stop_current[0] == first, 10)
    queue.cancel(first)
    cancel = threading.Thread(target=renderer.interrupt, args=(first,))
    cancel.start()
    assert stopping.wait(10)
    assert not stopped.wait(0.3)
    assert queue.job(second).phase == "queued"
    stopped.set()
    cancel.join(10)
    wait_for(lambda: queue.job(second).phase != "queued", 10)
