"""The HTTP API of HeyGem's official service; it reports errors in the body's ``code``, under HTTP 200."""

from __future__ import annotations

import http.client
import json
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from heygem_cli.errors import HeygemError, InputError
from heygem_cli.http_client import send

ACCEPTED, BUSY, BAD_PARAMETER, LOCKED, UNKNOWN, ERROR = 10000, 10001, 10002, 10003, 10004, 9999
STATUSES: Mapping[int, Literal["running", "done", "failed"]] = {1: "running", 2: "done", 3: "failed"}
TIMEOUT = 10.0
MAX_BYTES = 1 << 20
_NOT_IN_PATH = re.compile(r"[^!-~]")


@dataclass(frozen=True)
class TaskState:
    """The state of a task.

    Attributes:
        progress: Percent.
        result: The service's name of the finished video.
        message: Why the task failed.
    """

    status: Literal["running", "done", "failed"]
    progress: float
    result: str
    message: str


class Client:
    """A client of the service.

    Every method raises :class:`HeygemError`: ``service-unreachable``, ``service-timeout``, ``service-http-error``,
    ``service-garbage``, ``service-bad-parameter``, ``service-locked``, ``service-error``, ``service-unexpected``.

    Args:
        url: The base URL, checked by :func:`checked_url`.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def submit(self, task: Mapping[str, object]) -> bool:
        """Submit a task; return whether it was accepted. A busy service does not queue it."""
        answer = self._call("/easy/submit", json.dumps(task).encode())
        if answer["code"] in (ACCEPTED, BUSY):
            return bool(answer["code"] == ACCEPTED)
        raise self._refusal(answer)

    def query(self, code: str) -> TaskState | None:
        """Return the state of a task, or None if the service does not know it.

        The service forgets a finished task as soon as its state has been queried.

        Raises:
            HeygemError: As in all methods; ``service-stale`` if the answer is about another task.
        """
        answer = self._call(f"/easy/query?{urllib.parse.urlencode({'code': code})}")
        if answer["code"] == UNKNOWN:
            return None
        data = answer.get("data")
        if answer["code"] != ACCEPTED:
            raise self._refusal(answer)
        status = data.get("status") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(status, int) or status not in STATUSES:
            raise self._invalid("there is no task state in the answer")
        if data.get("code") != code:
            message = f"{self.url} answers with the state of another task, {str(data.get('code'))[:80]!r}"
            raise HeygemError("service-stale", message, hint="Restart the service: its answers are out of step")
        texts = (data.get(name) for name in ("result", "msg"))
        return TaskState(
            STATUSES[status], _percent(data.get("progress")), *("" if text is None else str(text) for text in texts)
        )

    def _call(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        try:
            answer = json.loads(self._fetch(path, body))
        except (ValueError, RecursionError) as error:
            raise self._invalid("the answer is not JSON") from error
        if not isinstance(answer, dict) or not isinstance(answer.get("code"), int):
            raise self._invalid("there is no code in the answer")
        return answer

    def _fetch(self, path: str, body: bytes | None) -> bytes:
        try:
            response = send(self.url + path, body, timeout=TIMEOUT, max_bytes=MAX_BYTES)
        except TimeoutError as error:
            message = f"{self.url} did not answer within {TIMEOUT:.0f} s"
            hint = "It hangs or is overloaded: check its log (docker logs), or restart it"
            raise HeygemError("service-timeout", message, hint=hint) from error
        except OSError as error:
            message = f"{self.url} cannot be reached ({error.strerror or error})"
            hint = "Start the service (docker ps, docker logs), or set the right address with --url"
            raise HeygemError("service-unreachable", message, hint=hint) from error
        except http.client.HTTPException as error:
            raise self._invalid(f"the answer is not valid HTTP ({type(error).__name__})") from error
        if response.status >= 300:
            hint = "Check its log; if this is not HeyGem's service, set the right address with --url"
            raise HeygemError("service-http-error", f"{self.url} answers HTTP {response.status}", hint=hint)
        return response.body

    def _invalid(self, reason: str) -> HeygemError:
        hint = "If this is not HeyGem's service (port 8383), set the right address with --url"
        return HeygemError("service-garbage", f"{self.url} does not answer like HeyGem's service: {reason}", hint=hint)

    def _refusal(self, answer: Mapping[str, Any]) -> HeygemError:
        code, meaning, hint = REFUSALS.get(answer["code"], UNEXPECTED)
        detail = " ".join(str(answer.get("msg") or answer.get("message") or "").split())[:200]
        detail = f": {detail}" if detail else ""
        return HeygemError(code, f"{self.url} answers {answer['code']}, {meaning}{detail}", hint=hint)


CHECK_VERSION = "Check that it is the official service, and its version: heygem doctor --only engine --url URL"
REFUSALS = {
    BAD_PARAMETER: ("service-bad-parameter", "a parameter that it does not accept", CHECK_VERSION),
    LOCKED: ("service-locked", "its lock is held", "Wait, or restart the service if nothing runs on it"),
    ERROR: ("service-error", "an internal error", "Check its log (docker logs), and restart it"),
}
UNEXPECTED = ("service-unexpected", "an unknown code", CHECK_VERSION)


def checked_url(url: str, example: str = "http://127.0.0.1:8383") -> str:
    """Return the URL if it is the address of an HTTP server.

    Raises:
        InputError: ``bad-url``.
    """
    hint = f"Example: --url {example}"
    try:
        parts = urllib.parse.urlsplit(url)
        host = (parts.hostname or "").encode("idna")  # an error if a part of the name is too long
        printable = not _NOT_IN_PATH.search(parts.path + parts.query)
        valid = parts.scheme in ("http", "https") and bool(host) and parts.port != 0 and printable
    except ValueError as error:
        raise InputError("bad-url", f"--url {url}: {error}", hint=hint) from error
    if not valid:
        raise InputError("bad-url", f"--url {url}: not an http address", hint=hint)
    return url


def public_url(url: str) -> str:
    """Return a URL without its user and password."""
    parts = urllib.parse.urlsplit(url.rstrip("/"))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _percent(value: object) -> float:
    try:
        return min(100.0, max(0.0, float(str(value))))
    except ValueError:
        return 0.0
