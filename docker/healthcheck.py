"""Whether a container is healthy: ``heygem serve`` answers; any other command has its own watchdog.

Where it listens is known from its sockets: options may also come from a file, and PID 1 may be a shell or a supervisor.
"""

import http.client
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SERVE = re.compile(r"heygem[^\0 ]*[\0 ]+serve([\0 ]|$)")
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""Where a server is asked that listens on all addresses."""
LISTENING = "0A"


def main() -> int:
    """Return the exit status that Docker and Podman expect: 0 if healthy, else 1."""
    pids = serving_processes()
    problem = problem_of(pids) if pids else ""
    if problem:
        print(f"heygem serve {problem}")
    return 1 if problem else 0


def serving_processes() -> list[int]:
    """Return the processes of this container whose command line has ``heygem serve``, also those that only start it."""
    own, found = Path("/proc/self/ns/mnt").readlink(), []
    for pid in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()):
        with suppress(OSError):  # it has ended, or is another user's
            command = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
            if SERVE.search(command) and Path(f"/proc/{pid}/ns/mnt").readlink() == own:
                found.append(pid)
    return found


def problem_of(pids: list[int]) -> str:
    """Return what is wrong with a server that some processes run; empty if it answers."""
    sockets = {name for pid in pids for name in _open_files(pid)}
    addresses = [address for address, inode in _listening() if f"socket:[{inode}]" in sockets]
    if not addresses:
        return "does not listen"
    return next(filter(None, map(_problem_at, addresses)), "")


def _open_files(pid: int) -> Iterator[str]:
    with suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # it was closed meanwhile
                yield str(path.readlink())


def _listening() -> Iterator[tuple[tuple[str, int], str]]:
    """Yield the address and the inode of each TCP socket that listens."""
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        with suppress(OSError):  # there may be no IPv6
            for line in Path("/proc/net", name).read_text().splitlines()[1:]:
                _, local, _, state, *others = line.split()
                if state == LISTENING:
                    address, port = local.split(":")
                    words = [bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8)]
                    yield (socket.inet_ntop(family, b"".join(words)), int(port, 16)), others[5]


def _problem_at(address: tuple[str, int]) -> str:
    host, port = address
    connection = http.client.HTTPConnection(EVERYWHERE.get(host, host), port, timeout=8)  # which asks no proxy
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"does not answer: {error}"
    return "" if status == 200 else f"answers with status {status}"


if __name__ == "__main__":
    sys.exit(main())
