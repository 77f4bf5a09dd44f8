"""Who listens on a port of this machine, as far as procfs shows."""

from __future__ import annotations

import contextlib
from pathlib import Path

_LISTEN = "0A"


def listeners(port: int, proc: Path) -> set[str]:
    """Return the inodes of the sockets that listen on a TCP port."""
    inodes = set()
    for name in ("net/tcp", "net/tcp6"):
        with contextlib.suppress(OSError):
            for line in (proc / name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(fields[9])
    return inodes


def owner(inodes: set[str], proc: Path) -> tuple[int, str] | None:
    """Return the process that has one of the sockets, and its command line; None if it is not visible."""
    links = {f"socket:[{inode}]" for inode in inodes}
    for folder in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(each.readlink()) in links for each in (folder / "fd").iterdir()):
                return int(folder.name), (folder / "cmdline").read_text(errors="replace").replace("\0", " ").strip()
    return None
