"""The journal: what happened to every job, one JSON line per event, synced before the next step."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from heygem_cli.batch.validate import all_match
from heygem_cli.errors import HeygemError, InputError, from_os_error, printable

Status = Literal["started", "done", "failed", "retrying", "interrupted", "died"]
"""``retrying``: it failed, and is tried again in the same run; ``died``: the process did, during the job."""

DEATHS = 2
"""A job during which the process died this often is not tried again: no file can block a batch for ever."""


@dataclass(frozen=True)
class JobState:
    """A job as its journal knows it.

    Attributes:
        key: the content key of the last attempt, see :func:`heygem_cli.batch.plan.content_key`.
        output: the file that was made or was to be made, as the manifest writes it.
        run: the run of the last event.
        attempts: with this key, over all runs.
        deaths: of the process during this job since it last ended otherwise.
        made: whether the output may be there because this job made it, now or before.
        seconds: that the last attempt took.
        result: of the last success: frames, bytes, …
        error: of the last failure: code, message, hint.
    """

    status: Status
    key: str
    output: str
    run: str
    attempts: int = 0
    deaths: int = 0
    made: bool = False
    seconds: float = 0.0
    result: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None

    @property
    def crashed_too_often(self) -> bool:
        """Whether the process died so often during this job that it is not tried again."""
        return self.deaths + (self.status == "started") >= DEATHS

    @property
    def owns_output(self) -> bool:
        """Whether what is there under the output's name may be replaced by this job."""
        return self.made or self.status == "started"


def apply_event(states: MutableMapping[str, JobState], event: Mapping[str, Any]) -> None:
    """Let an event take effect on the states of the jobs; events of other kinds have none."""
    kind, name = event["event"], event.get("id")
    if not isinstance(name, str):
        return
    if kind == "started":
        states[name] = _started(states.get(name), event)
    elif kind in ("done", "failed", "retrying", "interrupted", "died") and name in states:
        state = states[name]
        states[name] = replace(
            state,
            status=kind,
            run=event["run"],
            made=state.made or kind in ("done", "interrupted", "died"),
            deaths=state.deaths + 1 if kind == "died" else state.deaths if kind == "interrupted" else 0,
            seconds=event.get("seconds", 0.0),
            result=event.get("result"),
            error=event.get("error"),
        )


def _started(before: JobState | None, event: Mapping[str, Any]) -> JobState:
    key, output = event["key"], event["output"]
    made = before is not None and before.output == output and before.owns_output
    if before is None or before.key != key:
        return JobState("started", key, output, event["run"], attempts=1, made=made)
    died = before.deaths + (before.status == "started")
    return JobState("started", key, output, event["run"], attempts=before.attempts + 1, deaths=died, made=made)


Event = dict[str, Any]
ALWAYS = {"event": str, "time": float, "run": str}
STARTED = {"id": str, "key": str, "output": str}
SOMETIMES = {"id": str, "seconds": float, "result": Mapping[str, object], "error": Mapping[str, str]}
RESULT = {"duration": float, "bytes": int, "fps": str, "frames": int, "frames_without_face": int | None}


def parse_events(data: bytes, name: str = "the journal") -> list[Event]:
    """Read events. What follows the last end of line was torn by the death of its writer and is left out.

    Raises:
        InputError: a whole line is no event.
    """
    events: list[Event] = []
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not is_event(event):
            message = f"line {number} is not an event of a batch"
            hint = "Delete that line, or the whole file to begin anew"
            raise InputError("bad-journal", f"{printable(name)}: {message}", hint=hint)
        events.append(event)
    return events


def is_event(found: object) -> bool:
    """Whether this is what a line of a journal can hold."""
    if not isinstance(found, dict) or not all_match(found, ALWAYS) or not all_match(found, SOMETIMES, needed=False):
        return False
    result = found.get("result") or {}
    return all_match(result, RESULT, needed=False) and (found["event"] != "started" or all_match(found, STARTED))


def read_events(paths: Iterable[Path]) -> list[Event]:
    """Read the events of several journals in the order in which they happened; nothing is written.

    Raises:
        InputError: a journal is damaged or cannot be read.
    """
    timed: list[tuple[float, Event]] = []
    for path in paths:
        latest = 0.0
        for event in parse_events(_read(path), str(path)):
            latest = max(latest, event["time"])  # a clock that was set back does not change the order of one file
            timed.append((latest, event))
    return [event for _, event in sorted(timed, key=lambda pair: pair[0])]


def _read(path: Path) -> bytes:
    hint = "Move it away to begin anew"
    if not path.is_file():
        raise InputError("bad-journal", "the journal is not a file", hint=hint, path=path)
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"the journal cannot be read ({error.strerror})"
        raise InputError("bad-journal", message, hint=hint, path=path) from error


class Journal:
    """A journal that is open for writing; the caller holds its lock.

    Attributes:
        states: of every job, as the events so far tell.
    """

    def __init__(self, path: Path, states: dict[str, JobState], descriptor: int) -> None:
        self.path = path
        self.states = states
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def write(self, event: str, **facts: object) -> None:
        """Append an event; when this returns it is on the disk.

        Raises:
            HeygemError: ``journal-failed``.
        """
        content: Event = {"event": event, "time": round(time.time(), 3), **facts}
        line = json.dumps(content, ensure_ascii=False).encode() + b"\n"
        with self._lock:
            size = os.fstat(self._descriptor).st_size
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
                os.fsync(self._descriptor)
            except OSError as error:
                os.ftruncate(self._descriptor, size)
                message = f"the journal cannot be written: {from_os_error(error).message}"
                raise HeygemError(
                    "journal-failed", message, hint="Run the same command again", path=self.path
                ) from error
            apply_event(self.states, content)


@contextmanager
def open_journal(path: Path, others: Iterable[Path] = ()) -> Iterator[Journal]:
    """Open a journal, or make it; a torn last line is cut off.

    Args:
        path: of the journal.
        others: journals of the same manifest, whose jobs count too.

    Raises:
        InputError: a journal is damaged, or its folder cannot be written.
    """
    states: dict[str, JobState] = {}
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        hint = "The journal lies beside the manifest: use a copy of it in a folder that can be written"
        raise InputError("journal-failed", from_os_error(error).message, hint=hint) from error
    try:
        data = path.read_bytes()
        os.ftruncate(descriptor, data.rfind(b"\n") + 1)
        for event in read_events([path, *others]):
            apply_event(states, event)
        _sync_folder(path.parent)
        yield Journal(path, states, descriptor)
    finally:
        os.close(descriptor)


def replay(paths: Iterable[Path]) -> dict[str, JobState]:
    """The state of every job by its id, as journals tell; nothing is written.

    Raises:
        InputError: a journal is damaged.
    """
    states: dict[str, JobState] = {}
    for event in read_events(paths):
        apply_event(states, event)
    return states


def _sync_folder(folder: Path) -> None:
    """Bring the name of a new file to the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
