"""What ``heygem serve`` counts since it was started."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from heygem_cli.serve.store import Record


@dataclass
class Statistics:
    """Counts of the jobs that ended; only the renderer's thread changes them.

    Attributes:
        jobs: How many ended, by their phase.
        seconds: How long they took together, in seconds.
        frames: How many frames they have.
        worker_restarts: How often the worker's process was replaced.
    """

    jobs: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    frames: int = 0
    worker_restarts: int = 0

    def count(self, record: Record, seconds: float) -> None:
        """Count a job that was run for so many seconds."""
        self.seconds += seconds
        if record.finished is not None:
            self.jobs[record.phase] += 1
        if record.result is not None:
            self.frames += int(record.result["frames"])
