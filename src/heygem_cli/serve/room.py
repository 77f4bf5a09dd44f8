"""When a job of ``heygem serve`` that found the disk full is tried again."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

PAUSE_SECONDS, TRY_SECONDS = 5.0, 600.0
"""Seconds for which such a job waits at least, and at most: what was full may be a disk that is not looked at here."""
MORE_BYTES = 10**6
"""How much more room there has to be: logs and records come and go."""


class Room:
    """Remembers how much room the jobs found that lacked it.

    Args:
        folder: A folder on the disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lacking: dict[str, tuple[int, float]] = {}

    def lacked(self, id: str) -> None:
        """Note that a job found the disk full; its unfinished files are removed."""
        self._lacking[id] = self._free(), time.monotonic()

    def forget(self, id: str) -> None:
        """Forget a job: it runs, or has ended."""
        self._lacking.pop(id, None)

    def lacks(self, id: str) -> bool:
        """Return whether a job still has no more room than when the disk was full."""
        if id not in self._lacking:
            return False
        found, since = self._lacking[id]
        waited = time.monotonic() - since
        return waited < PAUSE_SECONDS or (waited < TRY_SECONDS and self._free() < found + MORE_BYTES)

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free
