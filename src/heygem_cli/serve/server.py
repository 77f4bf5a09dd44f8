"""The HTTP server of ``heygem serve``, in a thread of its own."""

from __future__ import annotations

import asyncio
import errno
import logging
import logging.handlers
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from heygem_cli.errors import InputError, from_os_error, write_error
from heygem_cli.serve.guard import App

HEADER_SECONDS = 30.0
"""Seconds that the header of a request may take."""
LOG_BYTES, LOG_FILES = 5_000_000, 5


class PatientProtocol(H11Protocol):
    """Closes a connection whose next request does not come, or comes slowly, which would be kept for ever."""

    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Handle a new connection."""
        super().connection_made(transport)
        self._watch_header()

    def data_received(self, data: bytes) -> None:
        """Handle what arrived."""
        super().data_received(data)
        self._watch_header()

    def _watch_header(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            if self._header_timer is not None:
                self._header_timer.cancel()
            self._header_timer = None
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        InputError: ``port-in-use``, ``bad-host``.
    """
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return _bound(socket.socket(family, kind, protocol), address)
    except socket.gaierror as error:
        message = f"--host {host}: there is no such address"
        raise InputError("bad-host", message, hint="Use 127.0.0.1, 0.0.0.0 or an address of this machine") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"the port {port} is in use"
            hint = f"Choose another one with --port, or see who has it: ss -ltnp 'sport = :{port}'"
            raise InputError("port-in-use", message, hint=hint) from error
        message = f"--host {host} --port {port}: {from_os_error(error).message}"
        raise InputError("bad-host", message, hint="Use another address, or a port above 1023") from error


def _bound(listener: socket.socket, address: Any) -> socket.socket:  # noqa: ANN401 - as typeshed has it
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def serving(app: App, listener: socket.socket, url: str) -> Iterator[threading.Thread]:
    """Serve an application while the block runs; yields the thread."""
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
    thread.start()
    logging.getLogger(__name__).info("listening on %s", url)
    try:
        yield thread
    finally:
        server.should_exit = True
        thread.join(2)


@contextmanager
def logging_to(folder: Path) -> Iterator[Path]:
    """Write the log into a folder while the block runs; old files are replaced in turn.

    Raises:
        InputError: The folder cannot be written.
    """
    path = folder / "log" / "serve.log"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8", errors="backslashreplace"
        )
    except OSError as error:
        raise write_error(error, path, path.parent) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers: list[logging.Logger] = [logging.getLogger(name) for name in ("heygem_cli", "uvicorn.error", "asyncio")]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        logger.propagate = False
    before: Any = logging.raiseExceptions
    logging.raiseExceptions = False  # a full disk must not fill standard error
    try:
        yield path
    finally:
        logging.raiseExceptions = before
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()
