"""Puts the page's script where Gradio puts none: before its own, which asks for the language at once."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

PLACE = b"<head>"


class PageScript:
    """An ASGI application around Gradio's that adds a script to the head of its HTML.

    Args:
        app: Gradio's.
        script: JavaScript.
    """

    def __init__(self, app: ASGIApp, script: str) -> None:
        self._app = app
        self._element = f"<script>{script}</script>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        start: MutableMapping[str, Any] = {}
        body = bytearray()

        async def collect(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and _is_html(message):
                start.update(message)
            elif not start:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    await self._finish(start, bytes(body), send)

        await self._app(scope, receive, collect)

    async def _finish(self, start: MutableMapping[str, Any], body: bytes, send: Send) -> None:
        completed = body.replace(PLACE, PLACE + self._element, 1)
        headers = MutableHeaders(scope=start)
        if body:  # the answer to HEAD has none
            headers["content-length"] = str(len(completed))
        await send(start)
        await send({"type": "http.response.body", "body": completed})


def _is_html(message: MutableMapping[str, Any]) -> bool:
    return MutableHeaders(scope=message).get("content-type", "").startswith("text/html")
