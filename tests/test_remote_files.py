"""Tests of inputs on web servers, which answer in every way, and of stores other than S3."""

import contextlib
import hashlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from heygem_cli import remote
from heygem_cli.errors import HeygemError, InputError, NotCapableError
from heygem_cli.remote import RemoteFiles, fetch_missing, upload

pytest.importorskip("aiohttp")
fsspec = pytest.importorskip("fsspec")

CONTENT = bytes(range(256)) * 5000


@pytest.fixture
def serve():
    """Starts web servers, and returns the address of each."""
    with contextlib.ExitStack() as stack:

        def start(handler):
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield start
    fsspec.filesystem("http").clear_instance_cache()


def answers(status=200, headers=(("ETag", '"1"'),), content=CONTENT, length=None, pause=0.0):
    """Return a handler that answers every request for ``/a.wav`` in the same way."""

    class Handler(BaseHTTPRequestHandler):
        requests: list[str] = []  # noqa: RUF012

        def do_HEAD(self):
            self.requests.append(self.command)
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            if length != "none":
                self.send_header("Content-Length", str(length or len(content)))
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            half = len(content) // 2
            with contextlib.suppress(OSError):  # the client has gone
                self.wfile.write(content[:half])
                time.sleep(pause)
                self.wfile.write(content[half:])

        def log_message(self, *_):
            pass

    return Handler


def fetched(folder, url):
    return RemoteFiles(folder).fetch(url).path.read_bytes()


@pytest.mark.parametrize("name", ["a.wav", "a b 声.wav", ".hidden.wav"])
def test_file_of_a_plain_server_is_fetched_once(serve, tmp_path, name):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / name).write_bytes(CONTENT)
    gets = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=tmp_path / "site")

        def do_GET(self):
            gets.append(self.path)
            super().do_GET()

        def log_message(self, *_):
            pass

    url = f"{serve(Handler)}/{name}?token=secret#t=3"
    found = RemoteFiles(tmp_path).fetch(url)
    assert (found.path.name, found.path.read_bytes()) == (name, CONTENT)
    assert fetched(tmp_path, url) == CONTENT
    assert len(gets) == 1
    (tmp_path / "site" / name).write_bytes(b"new")
    assert fetched(tmp_path, url) == b"new"  # its Last-Modified, in seconds, or its length


@pytest.mark.parametrize(
    "answer",
    [
        {"headers": ()},
        {"headers": (("ETag", 'W/"1"'), ("Accept-Ranges", "bytes"))},
        {"length": "none", "headers": (("ETag", '"1"'),)},
        {"pause": 1.5},
    ],
    ids=["no version", "ranges that are ignored", "no length", "slow"],
)
def test_answers_that_are_good_enough(serve, tmp_path, answer):
    url = f"{serve(answers(**answer))}/a.wav"
    assert fetched(tmp_path, url) == CONTENT
    assert [path.read_bytes() for path in tmp_path.glob("files/*/*")] == [CONTENT]


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        ({"status": 404}, "not-found", "there is no such file. Check the address"),
        ({"status": 410}, "not-found", "there is no such file"),
        ({"status": 403}, "no-permission", "no permission. Check the address, and whether it has expired"),
        ({"status": 401}, "no-permission", "no permission"),
        ({"status": 500}, "store-failed", "HTTP status 500. Try again later"),
        ({"length": 2 * len(CONTENT)}, "store-failed", "not completed"),
        ({"headers": (("Content-Type", "text/html; charset=utf-8"),)}, "is-a-url", "this is a web page, not a file"),
    ],
    ids=["404", "410", "403", "401", "500", "cut off", "page"],
)
def test_answers_that_are_errors(serve, tmp_path, answer, code, message):
    url = f"{serve(answers(**answer))}/a.wav"
    with pytest.raises(HeygemError) as caught:
        RemoteFiles(tmp_path).fetch(url)
    assert caught.value.code == code
    assert str(caught.value).startswith(f"{url}: ")
    assert message in str(caught.value)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_part_of_a_file_is_not_taken_for_the_whole(serve, tmp_path):
    """A proxy that lost its connection ends the answer as if it were complete."""

    class Handler(answers()):
        def do_GET(self):  # noqa: N802
            self.send_response(200)
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(CONTENT[:1000])

    with pytest.raises(HeygemError, match="1,000 of 1,280,000 bytes came"):
        RemoteFiles(tmp_path).fetch(f"{serve(Handler)}/a.wav")
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_server_that_stops_sending(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "READ_SECONDS", 1)
    fsspec.filesystem("http").clear_instance_cache()
    with pytest.raises(HeygemError) as caught:
        RemoteFiles(tmp_path).fetch(f"{serve(answers(pause=30))}/a.wav")
    assert caught.value.code == "store-failed"
    assert "imeout" in caught.value.message


def test_server_that_cannot_be_reached(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(HeygemError, match="Cannot connect"):
        RemoteFiles(tmp_path).fetch(f"http://127.0.0.1:{port}/a.wav")


def test_redirects_are_followed_but_not_for_ever(serve, tmp_path):
    target = serve(answers())

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(302)
            self.send_header("Location", "/loop" if self.path == "/loop" else f"{target}/a.wav")
            self.end_headers()

        do_GET = do_HEAD  # noqa: N815

        def log_message(self, *_):
            pass

    address = serve(Handler)
    assert fetched(tmp_path, f"{address}/a.wav") == CONTENT
    with pytest.raises(HeygemError) as caught:
        RemoteFiles(tmp_path).fetch(f"{address}/loop")
    assert caught.value.code == "store-failed"


@pytest.mark.parametrize("headers", [(), (("ETag", '"1"'),)])
def test_file_that_changes_is_not_mixed_up(serve, tmp_path, headers):
    """On another machine the job fetches it again, and must get what was planned with."""
    handler = answers(headers=headers)
    url = f"{serve(handler)}/a.wav"
    found = RemoteFiles(tmp_path).fetch(url)
    found.path.unlink()
    fetch_missing(found)
    assert found.path.read_bytes() == CONTENT
    found.path.unlink()
    new = answers(headers=(("ETag", '"2"'),) if headers else (), content=b"new")
    handler.do_HEAD, handler.do_GET = new.do_HEAD, new.do_GET
    with pytest.raises(InputError, match="it has changed since the batch started"):
        fetch_missing(found)


@pytest.fixture
def memory(monkeypatch):
    """A store that is neither S3 nor a web server."""
    store = fsspec.filesystem("memory")
    store.store.clear()
    monkeypatch.setattr(remote, "_store", lambda _: store)
    yield store
    store.store.clear()


def test_upload_that_was_killed_is_cleared_away_by_the_next(memory, tmp_path):
    (tmp_path / "o.mp4").write_bytes(CONTENT)
    for name in (".o [1].mp4.0123.heygem-part", ".other.mp4.0123.heygem-part"):
        memory.pipe_file(f"/out/{name}", b"half")
    upload(tmp_path / "o.mp4", "gs://out/o [1].mp4")
    assert sorted(path.rpartition("/")[2] for path in memory.find("/out")) == [
        ".other.mp4.0123.heygem-part",
        "o [1].mp4",
    ]
    assert hashlib.sha256(memory.cat_file("/out/o [1].mp4")).digest() == hashlib.sha256(CONTENT).digest()


def test_upload_that_fails_leaves_nothing(memory, tmp_path, monkeypatch):
    (tmp_path / "o.mp4").write_bytes(CONTENT)

    def fail(*_):
        raise TimeoutError("the store is gone")

    monkeypatch.setattr(memory, "cp_file", fail)
    with pytest.raises(HeygemError, match="the store is gone"):
        upload(tmp_path / "o.mp4", "gs://out/o.mp4")
    assert memory.find("/out") == []


@pytest.mark.parametrize(("url", "module"), [("https://h/a.wav", "aiohttp"), ("s3://b/a.wav", "s3fs")])
def test_what_is_not_installed_is_named(monkeypatch, tmp_path, url, module):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == module else name)
    with pytest.raises(NotCapableError) as caught:
        RemoteFiles(tmp_path).fetch(url)
    assert str(caught.value) == f"{module} is not installed. Run: pip install 'heygem-cli[s3]'"
