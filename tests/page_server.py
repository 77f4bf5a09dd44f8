"""A running ``heygem serve`` in this process, and a browser, for the tests of its page."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import uvicorn

from heygem_cli.options import EngineOptions, RenderOptions
from heygem_cli.runtime import read_settings
from heygem_cli.serve.app import make_app
from heygem_cli.serve.job import ServedJob
from heygem_cli.serve.service import RenderService
from heygem_cli.serve.store import OUTPUT, Record, new_record
from heygem_cli.serve_options import ServeOptions

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SECONDS = 60.0
"""How long a test waits for what takes a moment on an idle machine."""


@contextmanager
def running(folder: Path, options: ServeOptions) -> Iterator[tuple[RenderService, str]]:
    """Serve while the block runs; yield the service and the address."""
    settings = read_settings(os.environ, None)
    with (
        RenderService(folder, options, EngineOptions(device="cpu"), RenderOptions(), settings) as service,
        closing(socket.create_server(("127.0.0.1", 0))) as listening,
    ):
        server = uvicorn.Server(uvicorn.Config(make_app(service, options), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        wait_for(lambda: server.started)
        try:
            yield service, f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)


def wait_for(happened: Callable[[], object], seconds: float = SECONDS) -> float:
    """Wait until something has happened; return the seconds that it took."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < seconds, "it did not happen"
        time.sleep(0.05)
    return time.monotonic() - began


def wait_until_ended(service: RenderService, id: str) -> ServedJob:
    """Wait for the end of a job."""
    wait_for(lambda: service.job(id).has_ended)
    return service.job(id)


def worker_pid(service: RenderService) -> int:
    """Return the process that renders."""
    return service._renderer._worker._process.pid


def wait_in_queue(service: RenderService, audio: Path, face: Path, count: int) -> list[str]:
    """Put jobs into the queue without the check of their files, which takes a process each; return their ids."""
    records = [_added(service, audio, face, audio.name, face.name) for _ in range(count)]
    return [service._queue.add(record).id for record in records]


def _added(service: RenderService, audio: Path, face: Path, audio_name: str, face_name: str) -> Record:
    record = new_record({}, audio_name=audio_name, face_name=face_name)
    service.store.add(audio, face, record)
    return record


@contextmanager
def idle_service(folder: Path) -> Iterator[RenderService]:
    """Return a service whose worker is not waited for."""
    settings = read_settings(os.environ, None)
    with RenderService(folder, ServeOptions(), EngineOptions(device="cpu"), RenderOptions(), settings) as service:
        yield service


def finished_job(service: RenderService, *, audio_name: str = "audio.wav", face_name: str = "face.mp4") -> ServedJob:
    """Return a job that has ended, with an output that is no video, without rendering it."""
    source = service.store.uploads / "source"
    source.write_bytes(b"0123456789")
    record = _added(service, source, source, audio_name, face_name)
    (service.store.of(record.id) / OUTPUT).write_bytes(b"the video")
    service._queue._records[record.id] = replace(record, phase="done", result={"output": OUTPUT})
    return service.job(record.id)
