"""What stands between browsers and Gradio: only what the page needs passes, and the page asks no other host."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heygem_cli.errors import HeygemError

_NEEDED = re.compile(
    r"/(|job|config|theme\.css|manifest\.json|favicon\.ico|robots\.txt|(assets|static|svelte)/.+"
    r"|gradio_api/(app_id|upload|upload_progress|startup-events|run/predict|heartbeat/\w+)/?)"
)
"""Gradio's routes that the page uses; others read files and addresses, or describe and change the program."""

EVENT, UPLOAD = "/gradio_api/run/predict", "/gradio_api/upload"

HEADERS = {
    "content-security-policy": "; ".join(
        [
            "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
            "object-src 'none'",
        ]
    ),
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
"""The browser refuses what would come from another host, or be sent there."""


class PageGuard:
    """An ASGI application around Gradio's.

    Args:
        app: Gradio's.
        uploads: The folder of files that arrive.
    """

    def __init__(self, app: ASGIApp, uploads: Path) -> None:
        self._app = app
        self._uploads = uploads.resolve()
        # The audio that was just dropped or recorded, which the page plays: Gradio's names are hashes of the content.
        self._upload = re.compile(rf"/gradio_api/file={re.escape(str(uploads.resolve()))}/[0-9a-f]{{64}}/[^/]+")

    def _passes(self, path: str) -> bool:
        return _NEEDED.fullmatch(path) is not None or (self._upload.fullmatch(path) is not None and "/.." not in path)

    def _names_uploads_only(self, body: bytes) -> bool:
        """Return whether the files that an event names were uploaded: Gradio fetches others, from the web as well."""
        try:
            paths = [Path(os.path.realpath(path)) for path in _paths(json.loads(body))]
        except (ValueError, RecursionError):  # of JSON, or of a path with a null byte
            return False
        return all(path.is_relative_to(self._uploads) for path in paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer that there is nothing."""
        if scope["type"] == "http" and not self._passes(_path(scope)):
            await PlainTextResponse("There is no such page.\n", 404)(scope, receive, send)
            return
        if scope["type"] == "http" and _path(scope).startswith(EVENT):
            body = await Request(scope, receive).body()
            if not self._names_uploads_only(body):
                await PlainTextResponse("Upload the file first.\n", 400)(scope, receive, send)
                return
            receive = _replay(body, receive)

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if scope["type"] == "http" and _path(scope).rstrip("/") == UPLOAD:
            await _Upload(receive, send_with_headers).pass_to(self._app, scope)
            return
        await self._app(scope, receive, send_with_headers)


class _Upload:
    """An upload on its way to Gradio, which removes what has arrived after errors of its own parser only."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._failure: HTTPException | None = None
        self._is_complete = False

    async def pass_to(self, app: ASGIApp, scope: Scope) -> None:
        """Let an application handle it.

        Raises:
            HTTPException: It has not arrived.
        """
        await app(scope, self._next, self._answer)
        if self._failure is not None:
            raise self._failure

    async def _next(self) -> Message:
        try:
            message = await self._receive()
        except HTTPException as error:
            self._failure = error
        except HeygemError as error:
            self._failure = HTTPException(507, str(error))
        else:
            if self._is_complete or message["type"] == "http.request":
                self._is_complete = self._is_complete or not message.get("more_body", False)
                return message
            self._failure = HTTPException(400, "the client has gone")
        raise MultiPartException(self._failure.detail)

    async def _answer(self, message: Message) -> None:
        if self._failure is None:
            await self._send(message)


def _paths(value: object) -> Iterator[str]:
    """Yield what is named as the path of a file, anywhere in the data of an event."""
    if isinstance(value, dict):
        if value.get("path") is not None:
            yield str(value["path"])
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _paths(each)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a function that receives a body which was read already, and then what follows it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _path(scope: Scope) -> str:
    """Return the path of a request below the one under which the application is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root.rstrip("/")) or "/"
