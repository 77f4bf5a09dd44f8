"""Send a GET request to a server and measure the time. Argument: the URL."""

from __future__ import annotations

import http.client
import json
import sys
import time
from typing import Any

from heygem_cli.http_client import send


def get(url: str) -> dict[str, Any]:
    """Return the status, the seconds it took and the beginning of the body, or the error."""
    start = time.perf_counter()
    try:
        status, body = send(url, timeout=10.0, max_bytes=4000)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return {"error": getattr(error, "strerror", None) or str(error) or type(error).__name__}
    return {"status": status, "seconds": time.perf_counter() - start, "body": body.decode(errors="replace")}


if __name__ == "__main__":
    print(json.dumps(get(sys.argv[1])))
