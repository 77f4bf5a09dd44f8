"""Does a server answer, and how fast? Argument: the address."""

from __future__ import annotations

import base64
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any


def get(url: str) -> dict[str, Any]:
    """The status, the seconds that it took and the beginning of the body; or why there is none."""
    # A proxy of the environment is not asked: the question is about this server.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    parts = urllib.parse.urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl())  # noqa: S310 (http only: the caller looked)
    if user:
        name = urllib.parse.unquote(user).encode()
        request.add_header("Authorization", "Basic " + base64.b64encode(name).decode())
    start = time.perf_counter()
    try:
        with opener.open(request) as response:
            status, body = response.status, response.read(4000)
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read(4000)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return {"error": getattr(reason, "strerror", None) or str(reason)}
    return {"status": status, "seconds": time.perf_counter() - start, "body": body.decode(errors="replace")}


if __name__ == "__main__":
    print(json.dumps(get(sys.argv[1])))
