"""How fast a job runs, and how long it still takes."""

from __future__ import annotations

from heygem_cli.job import Progress
from heygem_cli.time_left import JobTimeLeft


class Speed:
    """Follows the progress of one job."""

    def __init__(self) -> None:
        self.frames_per_second: float | None = None
        self._left = JobTimeLeft()
        self._first: tuple[float, float] | None = None

    def update(self, progress: Progress, now: float) -> None:
        """Note the progress at a time on the monotonic clock."""
        self._left.update(progress, now)
        if progress.stage != "render":
            return
        if self._first is None:
            self._first = now, progress.done
        since, before = self._first
        if now > since and progress.done > before:
            self.frames_per_second = round((progress.done - before) / (now - since), 2)

    def seconds_left(self, now: float) -> float | None:
        """Return how many seconds it still takes; None while that is unknown."""
        return self._left.seconds(now)
