"""The queue of ``heygem serve``: which job is next, and how the others ended."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from heygem_cli.errors import InputError
from heygem_cli.job import Progress
from heygem_cli.serve.ages import SavedAges
from heygem_cli.serve.job import ENDED, JobPhase, NotDoneError, QueueFullError, ServedJob, UnknownJobError
from heygem_cli.serve.room import Room
from heygem_cli.serve.speed import Speed
from heygem_cli.serve.store import OUTPUT, PREVIEW, Record, Store

_log = logging.getLogger(__name__)
MAX_CRASHES = 2
"""After so many deaths of its process a job is given up."""
CRASHED_TOO_OFTEN = {
    "code": "process-died",
    "message": "the process died twice during this job",
    "hint": "Try it with heygem render --debug on the server",
}


@dataclass
class _Running:
    """The job that runs."""

    id: str
    speed: Speed
    progress: Progress | None = None
    canceled: bool = False


class JobQueue:
    """All jobs of a store; every method may be called from any thread.

    Args:
        store: Keeps them on the disk.
        size: How many may wait or run.
    """

    def __init__(self, store: Store, size: int) -> None:
        self._store = store
        self._size = size
        self._room = Room(store.folder)
        self._changed = threading.Condition(threading.RLock())
        self._records: dict[str, Record] = {}
        self._reserved: list[str | None] = []  # the codes of jobs that are about to be added
        self._running: _Running | None = None
        self._closed = False
        self._unsaved: set[str] = set()
        self._records |= {record.id: record for record in store.load()}
        with self._changed:
            for record in [each for each in self._records.values() if each.phase == "running"]:  # the server died
                self._put_back(record, crashed=True)

    @contextmanager
    def place(self, code: str | None = None) -> Iterator[None]:
        """Reserve a place, and a client's code, for a job that is about to be added.

        Raises:
            QueueFullError: There is none.
            InputError: ``code-in-use``: a job that has not ended has this code.
        """
        with self._changed:
            if code is not None and code in self._codes_in_use():
                hint = "Use another code, or wait until that task has ended"
                raise InputError("code-in-use", f"another task has the code {code}", hint=hint)
            if len(self._reserved) + self.length >= self._size:
                raise QueueFullError(self._size)
            self._reserved.append(code)
        try:
            yield
        finally:
            with self._changed:
                self._reserved.remove(code)

    def _codes_in_use(self) -> set[str | None]:
        return {*self._reserved, *(record.code for record in self._records.values() if record.phase not in ENDED)}

    @property
    def length(self) -> int:
        """How many jobs wait or run."""
        with self._changed:
            return sum(record.phase not in ENDED for record in self._records.values())

    def add(self, record: Record) -> ServedJob:
        """Add a new job; it is on the disk when this returns.

        Raises:
            HeygemError: It cannot be written.
        """
        with self._changed:
            record = replace(record, number=1 + max((each.number for each in self._records.values()), default=0))
            self._store.save(record)
            self._records[record.id] = record
            self._changed.notify_all()
            return self._snapshot(record)

    def take(self, seconds: float | None = None) -> Record | None:
        """Wait for a job and start it; None if none came within the seconds, or the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._next(), seconds)
            if self._closed or (record := self._next()) is None:
                return None
            record = replace(record, phase="running", started=time.time(), error=None)
            self._running = _Running(record.id, Speed())
            self._write(record)
            return record

    def report(self, progress: Progress) -> None:
        """Note the progress of the job that runs."""
        with self._changed:
            if self._running is not None:
                self._running.progress = progress
                self._running.speed.update(progress, time.monotonic())
                self._changed.notify_all()

    @property
    def is_running(self) -> bool:
        """Whether a job runs."""
        with self._changed:
            return self._running is not None

    @property
    def was_canceled(self) -> bool:
        """Whether the job that runs was canceled."""
        with self._changed:
            return self._running is not None and self._running.canceled

    def wait_for_cancel(self, seconds: float) -> None:
        """Wait, at most until the job that runs is canceled or the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.was_canceled, seconds)

    def finish(self, *, result: Mapping[str, Any] | None = None, error: Mapping[str, str] | None = None) -> Record:
        """End the job that runs; without a result and an error it was canceled."""
        with self._changed:
            running, self._running = self._running, None
            assert running is not None  # noqa: S101
            if running.canceled:
                result = error = None
            phase: JobPhase = "done" if result is not None else "failed" if error is not None else "canceled"
            record = replace(
                self._records[running.id],
                phase=phase,
                finished=time.time(),
                frames_per_second=running.speed.frames_per_second,
                result=result,
                error=error,
            )
            self._write(record)
            return record

    def wait_for_room(self, error: Mapping[str, str]) -> Record:
        """Let the job that runs wait again, because the disk is full; others, which may be smaller, go first."""
        with self._changed:
            record = self.put_back(crashed=False)
            if record.phase == "queued":
                record = replace(record, error=error)
                self._room.lacked(record.id)
                self._write(record)
            return record

    @property
    def lacks_room(self) -> bool:
        """Whether jobs wait, all of them for room on the disk."""
        with self._changed:
            return self._running is None and bool(self._waiting()) and self._next() is None

    def put_back(self, *, crashed: bool) -> Record:
        """Let the job that runs wait again; it is the next. One that crashed too often fails."""
        with self._changed:
            running, self._running = self._running, None
            assert running is not None  # noqa: S101
            if running.canceled:
                self._running = running
                return self.finish()
            return self._put_back(self._records[running.id], crashed=crashed)

    def _put_back(self, record: Record, *, crashed: bool) -> Record:
        record = replace(record, phase="queued", started=None, crashes=record.crashes + crashed)
        if record.crashes >= MAX_CRASHES:
            record = replace(record, phase="failed", finished=time.time(), error=CRASHED_TOO_OFTEN)
        self._write(record)
        return record

    def cancel(self, id: str) -> bool:
        """Cancel a job; return whether it runs, so that its worker must be stopped.

        Raises:
            UnknownJobError: There is no such job.
        """
        with self._changed:
            record = self._record(id)
            if record.phase == "queued":
                self._write(replace(record, phase="canceled", finished=time.time()))
            if self._running is None or self._running.id != id:
                return False
            self._running.canceled = True
            self._changed.notify_all()
            return True

    def remove(self, id: str) -> None:
        """Remove a job that has ended, with its files.

        Raises:
            UnknownJobError: There is no such job.
            NotDoneError: It waits or runs, or was canceled and is about to end.
            OSError: The folder cannot be written.
        """
        with self._changed:
            if (phase := self._record(id).phase) not in ENDED:
                raise NotDoneError(phase)
            self._store.remove(id)
            del self._records[id]
            self._unsaved.discard(id)
            self._changed.notify_all()

    def remove_too_old(self, ages: SavedAges) -> None:
        """Remove the jobs that ended too long ago."""
        with self._changed:
            for id in ages.too_old([each.id for each in self._records.values() if each.phase in ENDED]):
                try:
                    self.remove(id)
                except OSError as error:  # the next look tries it again
                    _log.error("job %s cannot be removed: %s", id, error)

    def save_again(self) -> None:
        """Write the records that could not be written, for example because the disk was full."""
        with self._changed:
            self._unsaved = {id for id in self._unsaved if not self._store.try_save(self._records[id])}

    def record(self, id: str) -> Record:
        """Return what is kept of a job.

        Raises:
            UnknownJobError: There is no such job.
        """
        with self._changed:
            return self._record(id)

    def job(self, id: str) -> ServedJob:
        """Return a snapshot of a job.

        Raises:
            UnknownJobError: There is no such job.
        """
        with self._changed:
            return self._snapshot(self._record(id))

    def job_of_code(self, code: str) -> ServedJob:
        """Return a snapshot of the last job with a client's code.

        Raises:
            UnknownJobError: There is none.
        """
        with self._changed:
            for record in reversed(self._records.values()):
                if record.code == code:
                    return self._snapshot(record)
        raise UnknownJobError

    def jobs(self, most: int | None = None) -> list[ServedJob]:
        """Return snapshots of all jobs, or of so many, newest first."""
        with self._changed:
            positions = self._positions()
            newest = islice(reversed(self._records.values()), most)
            return [self._snapshot(record, positions) for record in newest]

    def close(self) -> None:
        """Start no more jobs."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _waiting(self) -> list[Record]:
        return [record for record in self._records.values() if record.phase == "queued"]  # in the order of their coming

    def _next(self) -> Record | None:
        return next((record for record in self._waiting() if not self._room.lacks(record.id)), None)

    def _record(self, id: str) -> Record:
        if id not in self._records:
            raise UnknownJobError
        return self._records[id]

    def _write(self, record: Record) -> None:
        """Change a record in memory even if the disk is full: the queue must go on."""
        self._records[record.id] = record
        if record.phase != "queued":
            self._room.forget(record.id)
        self._unsaved.add(record.id)
        self.save_again()
        self._changed.notify_all()

    def _positions(self) -> dict[str, int]:
        return {record.id: number for number, record in enumerate(self._waiting(), 1)}

    def _snapshot(self, record: Record, positions: Mapping[str, int] | None = None) -> ServedJob:
        running = self._running if self._running is not None and self._running.id == record.id else None
        folder = self._store.of(record.id)
        positions = self._positions() if positions is None else positions
        return ServedJob(
            id=record.id,
            phase="canceled" if running is not None and running.canceled else record.phase,
            position=positions.get(record.id, 0),
            audio_name=record.audio_name,
            face_name=record.face_name,
            options=record.options,
            created=record.created,
            started=record.started,
            finished=record.finished,
            progress=running.progress if running else None,
            frames_per_second=running.speed.frames_per_second if running else record.frames_per_second,
            seconds_left=running.speed.seconds_left(time.monotonic()) if running else None,
            result=record.result,
            error=record.error,
            preview=_existing(folder / PREVIEW) if running else None,
            output=folder / OUTPUT if record.phase == "done" else None,
        )


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None
