"""The checks before every request: its user, the page it comes from, and its size."""

from __future__ import annotations

import asyncio
import re
import time
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
SLOW_SECONDS, SLOW_BYTES = 60.0, 60_000
"""An upload that brings fewer bytes in so many seconds is given up: it would take room and a connection for days."""
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
            await self._pass_on(scope, _Body(receive, limit), send)
            return
        try:
            await self._check_space(length or 0)
        except HeygemError as error:
            await problem(507, error.code, error.message, error.hint)(scope, receive, send)
            return
        await self._pass_on_upload(scope, _Body(receive, limit), send)

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

    async def _pass_on_upload(self, scope: Scope, body: _Body, send: Send) -> None:
        """Count what arrives, not what is announced: who sends nothing takes no room from others."""
        received = checked = 0

        async def counted() -> Message:
            nonlocal received, checked
            message = await body.receive()
            size = len(message.get("body", b""))
            received += size
            self._arrived += size
            if received - checked >= CHECK_BYTES:
                checked = received
                await self._check_space(0)
            return message

        try:
            await self._pass_on(scope, body, send, counted)
        finally:
            self._arrived -= received

    async def _pass_on(self, scope: Scope, body: _Body, send: Send, receive: Receive | None = None) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                more = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in names]
                if body.is_given_up:
                    more.append((b"connection", b"close"))
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        with suppress(ClientDisconnect):  # in the middle of an upload
            await self._app(scope, receive or body.receive, with_headers)


class _Body:
    """The body of a request, which may be neither too large nor slow.

    Args:
        receive: Receives it.
        limit: Bytes that it may have.
    """

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._received = 0
        self._complete = False
        self._waited, self._recent = 0.0, 0  # since enough had arrived; the time that we take for it does not count
        self.is_given_up = False

    async def receive(self) -> Message:
        """Receive more of it.

        Raises:
            HTTPException: It is too large or too slow.
        """
        if self._complete:  # the application waits until the client goes
            return await self._receive()
        began = time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, SLOW_SECONDS - self._waited))
        except asyncio.TimeoutError as error:
            self.is_given_up = True
            raise HTTPException(408, too_slow_message(self._recent)) from error
        self._count(len(message.get("body", b"")), time.monotonic() - began)
        self._complete = not message.get("more_body", False)
        return message

    def _count(self, size: int, seconds: float) -> None:
        self._received += size
        if self._received > self._limit:
            self.is_given_up = True
            raise HTTPException(413, too_large_message(self._limit))
        self._waited, self._recent = self._waited + seconds, self._recent + size
        if self._recent >= SLOW_BYTES:
            self._waited, self._recent = 0.0, 0


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


def too_slow_message(size: int) -> str:
    """Say that only ``size`` bytes of a request arrived in time."""
    return f"the upload is too slow: {size} bytes arrived in {SLOW_SECONDS:.0f} s, and at least {SLOW_BYTES} have to"


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
