"""Where the service of a container answers on this machine."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from heygem_cli.heygem.container.client import Container

SERVICE_PORTS = (8383, 7860)


def published_url(container: Container) -> str | None:
    """Return the address, on this machine, of the service or the web page: if possible, of one that listens."""
    urls = [url for port in SERVICE_PORTS for number, url in container.addresses() if number == port]
    return next((url for url in urls if _accepts(url)), urls[0] if urls else None)


def _accepts(url: str) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=2):
            return True
    except OSError:
        return False
