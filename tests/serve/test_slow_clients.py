"""Clients that send a byte now and then, to hold a connection, or room, for ever."""

import socket
import time

import pytest

from serve_program import Server, wait_for

SETUP = """
import heygem_cli.serve.guard as guard, heygem_cli.serve.server as server
guard.SLOW_SECONDS = server.HEADER_SECONDS = 1.0
"""
PART = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that loses its patience after a second."""
    running = Server(tmp_path_factory.mktemp("slow") / "folder", "--api", setup=SETUP)
    yield running.wait_until_ready()
    running.stop()


def drip(connection: socket.socket) -> bytes:
    """Send a byte now and then until the server closes the connection, and return its answer."""
    connection.settimeout(0.2)
    answer, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        try:
            connection.sendall(b"x")
            data = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return answer
        if not data:
            return answer
        answer += data
    pytest.fail("the server keeps the connection")


@pytest.mark.parametrize("path", [b"/gradio_api/upload", b"/api/v1/jobs", b"/gradio_api/run/predict"])
def test_slow_body_is_given_up(server, path):
    head = (
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 1900000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head % path + PART + bytes(1000))
        answer = drip(connection)
    assert answer.startswith(b"HTTP/1.1 408"), answer
    assert b"too slow" in answer
    wait_for(lambda: not [path for path in (server.folder / "uploads").iterdir() if path.is_file()])
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_slow_header_is_given_up(server, before):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(before)
        if before:
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        assert drip(connection) == b"" if not before else True
