"""The service behind the page: how many may look for people at the same time."""

import os
import threading

import pytest

from heygem_cli.errors import HeygemError
from heygem_cli.options import EngineOptions, RenderOptions
from heygem_cli.runtime import read_settings
from heygem_cli.serve import service as service_module
from heygem_cli.serve.service import RenderService
from heygem_cli.serve_options import ServeOptions
from serve_program import wait_for


@pytest.fixture
def service(tmp_path):
    """A service that is not started."""
    options = ServeOptions(queue_size=2)
    settings = read_settings(os.environ, None)
    return RenderService(tmp_path / "folder", options, EngineOptions(), RenderOptions(), settings)


def test_only_so_many_searches_for_people_wait_as_jobs_may(service, tmp_path, monkeypatch):
    running, may_end = [], threading.Event()

    def search(*_arguments, **_limits):
        running.append(threading.current_thread())
        may_end.wait(30)
        raise HeygemError("no-face", "nobody is there")

    def look():
        with pytest.raises(HeygemError) as caught:
            service.people(tmp_path / "face.mp4")
        assert caught.value.code == "no-face"

    monkeypatch.setattr(service_module, "call", search)
    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(lambda: service._lookers._value == 0, 10)
    assert len(running) == 1  # they would share the cores
    with pytest.raises(HeygemError) as caught:
        service.people(tmp_path / "face.mp4")
    assert caught.value.code == "queue-full"
    may_end.set()
    for thread in threads:
        thread.join(10)
    assert len(running) == 2
    with pytest.raises(HeygemError) as caught:  # a search that failed has freed its place
        service.people(tmp_path / "face.mp4")
    assert caught.value.code == "no-face"
