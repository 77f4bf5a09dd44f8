"""Whether a container is healthy: ``heygem serve`` answers; any other command has its own watchdog."""

import argparse
import http.client
import sys
from itertools import pairwise
from pathlib import Path

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""Where a server is asked that listens on all addresses."""


def served_address(command: list[str]) -> tuple[str, int] | None:
    """Return the host and the port of ``heygem serve`` in a command line, or None if it is another command."""
    pairs = enumerate(pairwise(command), 2)
    starts = [start for start, (program, name) in pairs if "heygem" in Path(program).name and name == "serve"]
    if not starts:
        return None
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7860)
    options, _ = parser.parse_known_args(command[starts[0] :])
    return EVERYWHERE.get(options.host, options.host), options.port


def main() -> int:
    """Return the exit status that Docker and Podman expect: 0 if healthy, else 1."""
    address = served_address(Path("/proc/1/cmdline").read_text().split("\0"))
    problem = "" if address is None else problem_of(*address)
    if problem:
        print(f"heygem serve {problem}")
    return 1 if problem else 0


def problem_of(host: str, port: int) -> str:
    """Return what is wrong with a server; empty if it answers."""
    connection = http.client.HTTPConnection(host, port, timeout=8)  # which asks no proxy
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"does not answer: {error}"
    return "" if status == 200 else f"answers with status {status}"


if __name__ == "__main__":
    sys.exit(main())
