"""HTTP requests to one server, with the credentials of its URL and limits on time and size."""

from __future__ import annotations

import base64
import urllib.error
import urllib.parse
import urllib.request
from typing import NamedTuple


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
        timeout: Seconds that connecting and each read may take.
        max_bytes: Bytes of the body that are read at most.

    Raises:
        TimeoutError: The server does not respond in time.
        OSError: The server cannot be reached.
        http.client.HTTPException: The response is not valid HTTP.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(_request(url, json_body), timeout=timeout) as response:
            return Response(response.status, response.read(max_bytes))
    except urllib.error.HTTPError as error:
        with error:
            return Response(error.code, error.read(max_bytes))
    except urllib.error.URLError as error:
        if isinstance(error.reason, OSError):
            raise error.reason from error
        raise


def _request(url: str, json_body: bytes | None) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    credentials, _, host = parts.netloc.rpartition("@")
    headers = {} if json_body is None else {"Content-Type": "application/json"}
    if credentials:
        encoded = base64.b64encode(urllib.parse.unquote(credentials).encode())
        headers["Authorization"] = f"Basic {encoded.decode()}"
    return urllib.request.Request(parts._replace(netloc=host).geturl(), json_body, headers)  # noqa: S310 - see ``url``
