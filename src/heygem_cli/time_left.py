"""How much of a render or a batch is done, and the estimate of how long it still takes."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heygem_cli.job import Progress

MIN_PART = 0.02
"""Part of the work before which there is no estimate: the first frames come after everything is loaded."""
MIN_STAGE = 0.1
"""Part of a job that a stage has to be, for its speed to tell how long the rest takes."""
MIN_SECONDS = 1.0
"""Time over which an estimate is averaged at the beginning; later it is a quarter of the time that has passed."""
SAMPLE_INTERVAL = 1.0
STAGE_PARTS = {
    "speech": (0.0, 0.03),
    "track": (0.03, 0.27),
    "prepare": (0.3, 0.0),
    "start": (0.3, 0.0),
    "render": (0.3, 0.7),
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


class JobTimeLeft:
    """Estimates the end of one job by the speed of the stage it is in: loading and other stages tell nothing of it."""

    def __init__(self) -> None:
        self._stage = ""
        self._left: TimeLeft | None = None

    def update(self, progress: Progress, now: float) -> None:
        """Note the progress at a time on the monotonic clock."""
        if progress.stage != self._stage:
            self._stage = progress.stage
            begin, part = STAGE_PARTS[progress.stage]
            self._left = TimeLeft(1.0 - begin, now) if part >= MIN_STAGE else None
        if self._left is not None:
            self._left.update(part_done(progress) - STAGE_PARTS[progress.stage][0], now)

    def seconds(self, now: float) -> float | None:
        """Return the seconds that are left; None while that is unknown."""
        return None if self._left is None else self._left.seconds(now)
