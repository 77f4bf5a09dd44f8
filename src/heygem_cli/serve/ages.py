"""The ages of jobs and uploads, measured without relying on the system's clock."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from heygem_cli.files import write_atomically

Key = TypeVar("Key")
_log = logging.getLogger(__name__)


class Ages(Generic[Key]):
    """Counts seconds between successive updates, on the monotonic clock.

    Args:
        seconds: What was counted before.
    """

    def __init__(self, seconds: Mapping[Key, float] | None = None) -> None:
        self.seconds = dict(seconds or {})
        self._updated = time.monotonic()

    def update(self, present: Iterable[Key], more: float = 0.0) -> None:
        """Note what is there now; it is so many seconds older than the clock says, unless it is new."""
        now = time.monotonic()
        passed = now - self._updated + more
        self.seconds = {key: self.seconds[key] + passed if key in self.seconds else 0.0 for key in present}
        self._updated = now

    def reached(self, seconds: float) -> list[Key]:
        """Return what is so old."""
        return [key for key, age in self.seconds.items() if age >= seconds]


class SavedAges:
    """Ages that go on after a restart.

    What passed in between is known from the system's clock only, which may be wrong: half a limit counts at the most.

    Args:
        path: The file.
        limit: Seconds after which something is too old.
    """

    def __init__(self, path: Path, limit: float) -> None:
        self._path = path
        self._limit = limit
        seconds, self._saved_at = _read(path)
        self._ages = Ages(seconds)
        self._started = time.monotonic()

    def too_old(self, present: Iterable[str]) -> list[str]:
        """Return what is too old of what is there now."""
        self._ages.update(present, self._pause())
        self._save()
        return self._ages.reached(self._limit)

    def _pause(self) -> float:
        """Return, once, the seconds between two servers."""
        if self._saved_at is None:
            return 0.0
        pause = time.time() - (time.monotonic() - self._started) - self._saved_at
        self._saved_at = None
        return min(max(0.0, pause), self._limit / 2)

    def _save(self) -> None:
        content = json.dumps({"time": time.time(), "seconds": self._ages.seconds})
        try:
            write_atomically(self._path, content.encode())
        except OSError as error:
            _log.error("the ages of jobs are not saved: %s", error)


def _read(path: Path) -> tuple[dict[str, float], float | None]:
    """Return the saved ages, and when they were saved; nothing if that is unknown, which keeps all jobs longer."""
    try:
        content = json.loads(path.read_bytes())
        return {str(key): float(age) for key, age in content["seconds"].items()}, float(content["time"])
    except FileNotFoundError:
        return {}, None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        _log.warning("%s cannot be read (%s): the time for which jobs are kept begins again", path, error)
        return {}, None
