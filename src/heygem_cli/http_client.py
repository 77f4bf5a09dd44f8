"""HTTP requests to one server, with the credentials of its URL and limits on time and size."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, NamedTuple, TypeVar

Result = TypeVar("Result")


class Response(NamedTuple):
    """The status of a response and the beginning of its body."""

    status: int
    body: bytes


def send(url: str, json_body: bytes | None = None, *, timeout: float, max_bytes: int) -> Response:
    """Send a GET request, or a POST request if there is a body.

    ``user:password@`` in the URL becomes Basic authentication. The proxies of the environment are not used: the
    request is about this very server.

    Args:
        url: An ``http`` or ``https`` URL.
        json_body: JSON to post.
        timeout: Seconds that everything together may take, from the look-up of the server's name to its last byte.
        max_bytes: Bytes of the body that are read at most.

    Raises:
        TimeoutError: The server does not respond in time.
        OSError: The server cannot be reached.
        http.client.HTTPException: The response is not valid HTTP.
    """
    sockets: list[socket.socket] = []
    deadline = time.monotonic() + timeout
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *_handlers(sockets, deadline))
    # A socket's own time-out begins again with each byte, and nothing limits the look-up of a name.
    response = in_daemon_thread(lambda: _open(opener, _request(url, json_body), timeout, max_bytes))
    if not wait([response], timeout).done:
        for each in sockets:  # ends the thread
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        raise TimeoutError("timed out")
    return response.result()


def in_daemon_thread(function: Callable[[], Result]) -> Future[Result]:
    """Call a function in a thread that, unlike those of an executor, does not keep the process alive."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised again by ``result``
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _handlers(sockets: list[socket.socket], deadline: float) -> list[urllib.request.BaseHandler]:
    """Return handlers that collect the sockets of all connections, also of those after a redirect."""

    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            sockets.append(self.sock)
            if time.monotonic() > deadline:  # nobody would shut it down any more
                raise TimeoutError("timed out")

    class TlsConnection(Connection, http.client.HTTPSConnection):
        pass

    class Handler(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> Any:  # noqa: ANN401
            return self.do_open(Connection, request)

    class TlsHandler(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> Any:  # noqa: ANN401
            return self.do_open(TlsConnection, request)

    return [Handler(), TlsHandler()]


def _open(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, timeout: float, max_bytes: int
) -> Response:
    try:
        with opener.open(request, timeout=timeout) as response:
            return Response(response.status, response.read(max_bytes))
    except urllib.error.HTTPError as error:
        with error:
            return Response(error.code, error.read(max_bytes))
    except urllib.error.URLError as error:
        if isinstance(error.reason, OSError):
            raise error.reason from error
        raise
    except ValueError as error:  # an address that is not valid, usually after a redirect
        raise http.client.InvalidURL(str(error)) from error


def _request(url: str, json_body: bytes | None) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    credentials, _, host = parts.netloc.rpartition("@")
    headers = {} if json_body is None else {"Content-Type": "application/json"}
    if credentials:
        encoded = base64.b64encode(urllib.parse.unquote(credentials).encode())
        headers["Authorization"] = f"Basic {encoded.decode()}"
    return urllib.request.Request(parts._replace(netloc=host).geturl(), json_body, headers)  # noqa: S310 - see ``url``
