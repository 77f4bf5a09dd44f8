"""What the official service is asked, and what it answers; HTTP 200 says nothing, the code in the answer does."""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from heygem_cli.errors import HeygemError, InputError

ACCEPTED, BUSY, BAD_PARAMETER, LOCKED, UNKNOWN, ERROR = 10000, 10001, 10002, 10003, 10004, 9999
STATUSES: Mapping[int, Literal["running", "done", "failed"]] = {1: "running", 2: "done", 3: "failed"}
SECONDS = 10.0
"""Until an answer is given up."""
MOST_BYTES = 1 << 20
"""Of an answer; a longer one is none of HeyGem's."""


@dataclass(frozen=True)
class State:
    """A job as the service tells it.

    Attributes:
        progress: in percent.
        result: the finished video, as the service names it.
        message: why it failed.
    """

    status: Literal["running", "done", "failed"]
    progress: float
    result: str
    message: str


class Client:
    """The service at an address.

    Every method raises :class:`HeygemError`: ``service-unreachable``, ``service-timeout``, ``service-http-error``,
    ``service-garbage``, ``service-bad-parameter``, ``service-locked``, ``service-error``, ``service-unexpected``.

    Args:
        url: checked, see :func:`checked_url`.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # A proxy of the environment is not asked: the question is about this server.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def submit(self, task: Mapping[str, object]) -> bool:
        """Hand over a job; tell whether it was accepted: one that finds the service busy is lost, not queued."""
        answer = self._ask("/easy/submit", json.dumps(task).encode())
        if answer["code"] in (ACCEPTED, BUSY):
            return bool(answer["code"] == ACCEPTED)
        raise self._refusal(answer)

    def query(self, code: str) -> State | None:
        """Ask for a job; None where the service does not know it. Of a finished one it knows nothing afterwards.

        Raises:
            HeygemError: as for all methods; ``service-stale`` where the answer is about another job.
        """
        answer = self._ask(f"/easy/query?{urllib.parse.urlencode({'code': code})}")
        if answer["code"] == UNKNOWN:
            return None
        data = answer.get("data")
        if answer["code"] != ACCEPTED:
            raise self._refusal(answer)
        status = data.get("status") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(status, int) or status not in STATUSES:
            raise self._garbage("an answer without a state")
        if data.get("code") != code:
            message = f"{self.url} answers with the state of another job, {str(data.get('code'))[:80]!r}"
            raise HeygemError("service-stale", message, hint="Restart the service: its answers are out of step")
        texts = (data.get(name) for name in ("result", "msg"))
        return State(STATUSES[status], _percent(data.get("progress")), *("" if t is None else str(t) for t in texts))

    def _ask(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        try:
            answer = json.loads(self._fetch(path, body))
        except (ValueError, RecursionError) as error:
            raise self._garbage("no JSON") from error
        if not isinstance(answer, dict) or not isinstance(answer.get("code"), int):
            raise self._garbage("JSON without a code")
        return answer

    def _fetch(self, path: str, body: bytes | None) -> bytes:
        try:
            with self._opener.open(_request(self.url + path, body), timeout=SECONDS) as response:
                return bytes(response.read(MOST_BYTES))
        except urllib.error.HTTPError as error:
            error.close()
            message = f"{self.url} answers HTTP {error.code}"
            hint = "Look at its log; if that is not HeyGem's service, name it with --url"
            raise HeygemError("service-http-error", message, hint=hint) from error
        except TimeoutError as error:
            raise self._timeout() from error
        except OSError as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise self._timeout() from error
            message = f"{self.url} cannot be reached ({getattr(reason, 'strerror', None) or reason})"
            hint = "Start the service (docker ps, docker logs), or name it with --url"
            raise HeygemError("service-unreachable", message, hint=hint) from error
        except http.client.HTTPException as error:
            raise self._garbage(f"no whole HTTP ({type(error).__name__})") from error

    def _timeout(self) -> HeygemError:
        message = f"{self.url} gave no answer within {SECONDS:.0f} s"
        return HeygemError("service-timeout", message, hint="It hangs or is overloaded: look at its log, restart it")

    def _garbage(self, what: str) -> HeygemError:
        hint = "If that is not HeyGem's service (port 8383), name it with --url"
        return HeygemError("service-garbage", f"{self.url} answers as HeyGem's service does not: {what}", hint=hint)

    def _refusal(self, answer: Mapping[str, Any]) -> HeygemError:
        said = " ".join(str(answer.get("msg") or answer.get("message") or "").split())[:200]
        code, what, hint = REFUSALS.get(answer["code"], ("service-unexpected", "an unknown code", CHECK_VERSION))
        said = f": {said}" if said else ""
        return HeygemError(code, f"{self.url} answers {answer['code']}, {what}{said}", hint=hint)


CHECK_VERSION = "Is it the official service (heygem doctor --only engine --url URL), and of which version?"
REFUSALS = {
    BAD_PARAMETER: ("service-bad-parameter", "a parameter that it does not take", CHECK_VERSION),
    LOCKED: ("service-locked", "its lock is held", "Wait, or restart the service if nothing runs on it"),
    ERROR: ("service-error", "an error of its own", "Look at its log (docker logs), and restart it"),
}


def checked_url(url: str, example: str = "http://127.0.0.1:8383") -> str:
    """See whether this is the address of a server.

    Raises:
        InputError: ``bad-url``.
    """
    hint = f"Name it like this: --url {example}"
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise InputError("bad-url", f"--url {url}: {error}", hint=hint) from error
    if not usable:
        raise InputError("bad-url", f"--url {url}: is no http address", hint=hint)
    return url


def _request(url: str, body: bytes | None) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if user:
        name = urllib.parse.unquote(user).encode()
        headers["Authorization"] = "Basic " + base64.b64encode(name).decode()
    # Only http and https: the address has been checked.
    return urllib.request.Request(parts._replace(netloc=host).geturl(), body, headers)  # noqa: S310


def _percent(value: object) -> float:
    try:
        return min(100.0, max(0.0, float(str(value))))
    except ValueError:
        return 0.0
