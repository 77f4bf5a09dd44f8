"""Whether a container is healthy: ``heygem serve`` answers; any other command has its own watchdog."""

import sys
import urllib.request
from pathlib import Path

DEFAULT_PORT = "7860"


def served_port(command: list[str]) -> str | None:
    """Return the port of ``heygem serve`` in a command line, or None if it is another command."""
    if "serve" not in command:
        return None
    for word, following in zip(command, [*command[1:], ""], strict=True):
        if word == "--port":
            return following
        if word.startswith("--port="):
            return word.removeprefix("--port=")
    return DEFAULT_PORT


def main() -> int:
    """Return the exit status that Docker and Podman expect: 0 if healthy, else 1."""
    command = Path("/proc/1/cmdline").read_text().split("\0")
    port = served_port(command)
    if port is None:
        return 0
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=8):
            return 0
    except (OSError, ValueError) as error:
        print(f"heygem serve does not answer: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
