"""The jobs that wait, grouped by the face video that they share, so that its track is made once."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator

from heygem_cli.batch.plan import PlannedJob

Waiting = tuple[PlannedJob, int]
"""A job, and how often it may still be retried."""


class JobQueue:
    """Jobs in the order of the plan; those that are tried again come after all others.

    Args:
        jobs: The jobs; those of one face video follow each other.
        retries: How often each may be retried.
    """

    def __init__(self, jobs: Iterable[PlannedJob], retries: int) -> None:
        self._retries = retries
        self._groups: dict[str, deque[PlannedJob]] = {}
        for job in jobs:
            self._groups.setdefault(job.digests[1] if job.digests else "", deque()).append(job)
        self._count = sum(map(len, self._groups.values()))
        self._untouched = iter(list(self._groups))
        self._group_of: dict[str, str] = {}
        self._groups_of_node: dict[str, set[str]] = defaultdict(set)
        self._again: deque[Waiting] = deque()

    def __len__(self) -> int:
        return self._count + len(self._again)

    def take(self, worker: str = "", node: str = "") -> Waiting:
        """Remove and return the job that a worker should do next.

        It is one of the face video on which the worker is, then of one that no worker has, then of one whose track
        is on the worker's node, then of the one with the most jobs left.

        Raises:
            IndexError: No job waits.
        """
        if not self._count:
            return self._again.popleft()
        name = next(name for name in self._candidates(worker, node) if self._groups.get(name))
        self._group_of[worker] = name
        self._groups_of_node[node].add(name)
        job = self._groups[name].popleft()
        if not self._groups[name]:
            del self._groups[name]
        self._count -= 1
        return job, self._retries

    def put_back(self, job: PlannedJob, retries: int) -> None:
        """Add a job that is to be tried again."""
        self._again.append((job, retries))

    def _candidates(self, worker: str, node: str) -> Iterator[str]:
        if worker in self._group_of:
            yield self._group_of[worker]
        yield from self._untouched
        known = self._groups_of_node[node]
        known &= self._groups.keys()
        yield from known
        yield max(self._groups, key=lambda name: len(self._groups[name]))
