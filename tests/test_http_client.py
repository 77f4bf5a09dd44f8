"""Servers that answer slowly, without end or with nonsense: a request ends at its deadline."""

import contextlib
import http.client
import socket
import threading
import time

import pytest

from heygem_cli.errors import HeygemError
from heygem_cli.folder_map import FolderMap
from heygem_cli.heygem.service import client
from heygem_cli.heygem.service.engine import service_problems
from heygem_cli.http_client import send
from heygem_cli.options import EngineOptions

# The beginning of an answer, and what follows it again and again.
ANSWERS = {
    "status line": (b"", b"H"),
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: x\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"."),
    "body without length": (b"HTTP/1.1 200 OK\r\n\r\n", b"."),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n.\r\n"),
    "chunk length": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "error": (b"HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\n", b"."),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "nothing": (b"", b""),
}


class Server:
    """A server that sends an answer piece by piece, to each connection, until the client is gone."""

    def __init__(self, start: bytes, piece: bytes, pause: float) -> None:
        self.answer = start, piece, pause
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.stopped = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=self.listener.accept()[:1], daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        start, piece, pause = self.answer
        with connection, contextlib.suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(start)
            while not self.stopped.wait(pause):
                connection.sendall(piece)

    def close(self) -> None:
        self.stopped.set()
        self.listener.close()


@pytest.fixture
def serve():
    """Start servers, and check that no request to them goes on."""
    threads = set(threading.enumerate())
    servers = []

    def start(begin: bytes, piece: bytes, pause: float = 0.05) -> str:
        servers.append(Server(begin, piece, pause))
        return servers[-1].url

    yield start
    end = time.monotonic() + 5
    while left := [each for each in set(threading.enumerate()) - threads if "in_daemon_thread" in each.name]:
        assert time.monotonic() < end, left
        time.sleep(0.02)
    for server in servers:
        server.close()


def check_deadline(url: str, timeout: float = 0.5) -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        send(url, timeout=timeout, max_bytes=1000)
    assert timeout <= time.monotonic() - start < timeout + 1


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_answer_without_end_is_a_timeout(serve, answer):
    check_deadline(serve(*answer))


def test_redirects_have_one_deadline(serve):
    url = serve(b"", b"")
    # Each step of the chain takes 0.2 s.
    hop = "HTTP/1.1 302 Found\r\nLocation: {}/{}\r\nContent-Length: 0\r\n\r\n"
    for number in range(8):
        url = serve(b"", hop.format(url, number).encode(), 0.2)
    check_deadline(url)


def test_answer_to_a_post_has_the_deadline_too(serve):
    with pytest.raises(TimeoutError):
        send(serve(*ANSWERS["body"]), b"{}", timeout=0.3, max_bytes=1000)


def test_body_is_read_up_to_its_limit(serve):
    url = serve(b"HTTP/1.1 200 OK\r\n\r\n", b"." * 100)
    assert send(url, timeout=5, max_bytes=250) == (200, b"." * 250)


def test_slow_look_up_of_a_name_has_the_deadline_too(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args: time.sleep(2))
    check_deadline("http://heygem.example")


@pytest.mark.parametrize("location", ["http://" + "x" * 70, "http://[", "ftp://127.0.0.1/", "file:///etc/passwd", "//"])
def test_redirect_to_nonsense_is_an_error_or_an_answer(serve, location):
    url = serve(b"", f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
    with contextlib.suppress(OSError, http.client.HTTPException):
        assert send(url, timeout=2, max_bytes=100).status == 302


def test_service_that_sends_a_byte_now_and_then_is_reported(serve, monkeypatch, tmp_path):
    monkeypatch.setattr(client, "TIMEOUT", 0.5)
    options = EngineOptions(url=serve(*ANSWERS["body"]), maps=(FolderMap(tmp_path, tmp_path),))
    start = time.monotonic()
    (problem,) = service_problems(options)
    assert (problem.code, problem.exit_code) == ("service-timeout", 4)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("url", ["http://" + "x" * 70, "http://127.0.0.1/a b", "http://127.0.0.1/数", "http://.x/"])
def test_impossible_url_is_an_error(url):
    with pytest.raises(HeygemError) as found:
        client.checked_url(url)
    assert found.value.code == "bad-url"
