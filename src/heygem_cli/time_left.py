"""How much of a render or a batch is done, and the estimate of how long it still takes."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heygem_cli.job import Progress

MIN_PART = 0.02
"""Part of the work before which there is no estimate: the first frames come after everything is loaded."""
MIN_SECONDS = 10.0
"""Time over which an estimate is averaged at the beginning; later it is a quarter of the time that has passed."""
SAMPLE_INTERVAL = 1.0
STAGE_PARTS = {
    "speech": (0.0, 0.1),
    "track": (0.1, 0.3),
    "prepare": (0.4, 0.0),
    "start": (0.4, 0.0),
    "render": (0.4, 0.6),
}
"""Where a stage begins within a job, and how much of the job it takes; a rough guess is enough for a bar."""


def part_done(progress: Progress) -> float:
    """Return how much of a job is done, from 0 to 1."""
    begin, part = STAGE_PARTS[progress.stage]
    return begin + part * min(1.0, progress.done / progress.total if progress.total else 0.0)


class TimeLeft:
    """Estimates the end from the speed in the latter half, and moves the estimate slowly, so that it counts down.

    Args:
        total: The whole work, in any unit.
        now: The time at the start, in seconds.
    """

    def __init__(self, total: float, now: float) -> None:
        self._total = total
        self._start = now
        self._updated = now
        self._samples = deque([(now, 0.0)])
        self._end: float | None = None

    def update(self, done: float, now: float) -> None:
        """Note how much of the work is done."""
        elapsed = now - self._start
        while len(self._samples) > 1 and self._samples[1][0] <= now - elapsed / 2:
            self._samples.popleft()
        since, before = self._samples[0]
        if now - self._samples[-1][0] >= SAMPLE_INTERVAL:
            self._samples.append((now, done))
        if done < MIN_PART * self._total or done <= before or now <= since:
            return
        end = now + (self._total - done) * (now - since) / (done - before)
        weight = 1 - math.exp((self._updated - now) / max(MIN_SECONDS, elapsed / 4))
        self._end = end if self._end is None else self._end + weight * (end - self._end)
        self._updated = now

    def seconds(self, now: float) -> float | None:
        """Return the seconds that are left; None while that is unknown."""
        return None if self._end is None else max(0.0, self._end - now)
