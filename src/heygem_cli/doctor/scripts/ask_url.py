"""Does a server answer, and how fast? Argument: the address."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any


def get(url: str) -> dict[str, Any]:
    """The status, the seconds that it took and the beginning of the body; or why there is none."""
    # A proxy of the environment is not asked: the question is about this server.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    start = time.perf_counter()
    try:
        with opener.open(url) as response:
            status, body = response.status, response.read(4000)
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read(4000)
    except (OSError, ValueError) as error:
        return {"error": str(getattr(error, "reason", error))}
    return {"status": status, "seconds": time.perf_counter() - start, "body": body.decode(errors="replace")}


if __name__ == "__main__":
    print(json.dumps(get(sys.argv[1])))
