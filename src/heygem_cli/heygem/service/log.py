"""The log of the service, where a mapped folder shows it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from heygem_cli.folder_map import FolderMap
from heygem_cli.heygem.installation.log_tail import LogTail
from heygem_cli.heygem.job_log import JobLog
from heygem_cli.heygem.service.waiting import sleep
from heygem_cli.heygem.staging import Tick

FOLDERS = (PurePosixPath("/code/data/log"), PurePosixPath("/code/log"))
"""Where the official container writes logs."""
MAX_BYTES = 1 << 22
"""How much of the end of the log is searched for the last start."""
MAX_AGE = 600.0
"""Seconds: a log that nothing was written to for longer does not tell that HeyGem still loads."""
INTERVAL = 0.5


class ServiceLog:
    """Follows the log of the service; without one, HeyGem counts as ready, and its stage is unknown."""

    def __init__(self, maps: Sequence[FolderMap]) -> None:
        self.state = JobLog(ready=True)
        self._folders = [folder for name in FOLDERS for each in maps if (folder := each.to_host(name)) is not None]
        self._path: Path | None = None
        self._tail: LogTail | None = None

    def new_job(self) -> None:
        """Read what was logged since the last job, and forget that job."""
        path = self._newest()
        if path != self._path:
            self.close()
            self._path = path
            self._tail = LogTail(path, MAX_BYTES) if path is not None else None
        self.poll()
        if path is None or _is_old(path):
            self.state.ready = True
        self.state.new_job()

    def wait_until_ready(self, timeout: float, tick: Tick) -> None:
        """Wait until HeyGem has loaded its models, at most for some time: the log need not tell."""
        end = time.monotonic() + timeout
        while not self.state.ready and time.monotonic() < end:
            sleep(INTERVAL, tick)
            self.poll()
        self.state.ready = True

    def poll(self) -> bool:
        """Read what is new; return whether HeyGem has made a step."""
        steps = [self.state.read(line) for line in (self._tail.lines() if self._tail is not None else [])]
        return any(steps)

    def close(self) -> None:
        """Close the log."""
        if self._tail is not None:
            self._tail.close()
            self._tail = None

    def _newest(self) -> Path | None:
        try:
            paths = [path for folder in self._folders for path in folder.glob("*.log") if path.is_file()]
            return max(paths, key=lambda path: path.stat().st_mtime, default=None)
        except OSError:  # a folder of the container's user
            return None


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > MAX_AGE
    except OSError:  # it was just rotated
        return False
