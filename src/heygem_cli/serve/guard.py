"""The guard before every request: who asks, from which page, and how much may come in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from heygem_cli.errors import HeygemError
from heygem_cli.serve.access import Access
from heygem_cli.serve.store import Store

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/healthz", "/readyz")
"""What monitors may ask without a password."""
FOR_PROGRAMS = re.compile(r"/(api/v1|easy|metrics)(/|$)")
UPLOADS = re.compile(r"/(gradio_api/)?upload$|/api/v1/jobs$")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_BODY = 16 * 10**6
"""Bytes of a request that brings no file."""
STALL_SECONDS = 60.0
"""Seconds without a byte after which an upload is given up."""
CHECK_BYTES = 50 * 10**6
"""Bytes of an upload after which the room is looked at again."""
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
}


class Guard:
    """Lets only those requests pass that the application may see.

    Args:
        app: The application.
        access: Who may use it.
        store: Where uploads go.
        max_upload: Bytes of a request with files.
    """

    def __init__(self, app: App, access: Access, store: Store, max_upload: int) -> None:
        self._app = app
        self._access = access
        self._store = store
        self._max_upload = max_upload
        self._arrived = 0  # bytes of the uploads that are on their way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        path = scope["path"]
        refusal = self._refusal(path, scope.get("method", "GET"), headers)
        if scope["type"] != "http":  # the page needs no web socket
            refusal = refusal or problem(403, "forbidden", "there are no web sockets here")
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        is_upload = UPLOADS.search(path) is not None and scope["method"] == "POST"
        limit = self._max_upload if is_upload else MAX_BODY
        length = int(text) if (text := headers.get("content-length", "")).isdecimal() else None
        if (length or 0) > limit:
            answer = problem(413, "too-large", too_large_message(limit), close=True)
            await answer(scope, receive, send)
            return
        if not is_upload:
            await self._pass_on(scope, _limited(receive, limit), send)
            return
        try:
            await self._check_space(length or 0)
        except HeygemError as error:
            await problem(507, error.code, error.message, error.hint)(scope, receive, send)
            return
        await self._pass_on_upload(scope, _limited(receive, limit), send)

    def _refusal(self, path: str, method: str, headers: Headers) -> Response | None:
        if path in OPEN:
            return None
        if not self._access.knows(headers.get("host", "")):
            hint = "Use its address, or start it with --allow-host NAME"
            return problem(421, "unknown-host", "this server is not known under this name", hint)
        if method not in SAFE and not _is_same_origin(headers):
            return problem(403, "foreign-page", "a page of another server may not do this")
        program = FOR_PROGRAMS.match(path) is not None
        if not self._access.allows(headers.get("authorization", ""), program=program):
            scheme = "Bearer" if program and self._access.token else 'Basic realm="heygem", charset="UTF-8"'
            return problem(401, "unauthorized", "a password or a token is missing or wrong", scheme=scheme)
        return None

    async def _check_space(self, more: int) -> None:
        await run_in_threadpool(self._store.check_space, self._arrived + more)

    async def _pass_on_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what arrives, not what is announced: who sends nothing takes no room from others."""
        received = checked = 0

        async def counted() -> Message:
            nonlocal received, checked
            message = await receive()
            size = len(message.get("body", b""))
            received += size
            self._arrived += size
            if received - checked >= CHECK_BYTES:
                checked = received
                await self._check_space(0)
            return message

        try:
            await self._pass_on(scope, counted, send)
        finally:
            self._arrived -= received

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                more = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in names]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        with suppress(ClientDisconnect):  # in the middle of an upload
            await self._app(scope, receive, with_headers)


def _limited(receive: Receive, limit: int) -> Receive:
    """Return what receives a request of so many bytes at most, which may not pause for long."""
    received = 0
    complete = False

    async def receive_more() -> Message:
        nonlocal received, complete
        if complete:  # the application waits until the client goes
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), STALL_SECONDS)
        except asyncio.TimeoutError as error:
            raise HTTPException(408, f"nothing arrived for {STALL_SECONDS:.0f} s") from error
        received += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if received > limit:
            raise HTTPException(413, too_large_message(limit))
        return message

    return receive_more


def _is_same_origin(headers: Headers) -> bool:
    """Return whether a request comes from our own page or from no page: a browser says where it comes from."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or origin.lower().partition("://")[2] == headers.get("host", "").lower()


def too_large_message(limit: int) -> str:
    """Say that a request brings more than ``limit`` bytes."""
    return f"this is larger than {limit / 10**6:,.3g} MB; the server's --max-upload allows no more"


def problem(
    status: int, code: str, message: str, hint: str = "", *, scheme: str = "", close: bool = False
) -> JSONResponse:
    """Return the answer to a request that failed."""
    headers: Mapping[str, str] = {
        **HEADERS,
        **({"www-authenticate": scheme} if scheme else {}),
        **({"connection": "close"} if close else {}),
    }
    return JSONResponse({"error": {"code": code, "message": message, "hint": hint}}, status, dict(headers))
