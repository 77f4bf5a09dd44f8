"""The journal: one JSON line for each event of a job, synced to the disk before the next step."""

from __future__ import annotations

import heapq
import io
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from heygem_cli.batch.validate import all_match
from heygem_cli.errors import HeygemError, InputError, from_os_error, printable
from heygem_cli.files import sync_folder

Event = dict[str, Any]
Status = Literal["started", "done", "failed", "retrying", "interrupted", "died"]
"""``retrying``: failed, and will be retried in the same run; ``died``: the worker's process died during the job."""

END_EVENTS = frozenset(get_args(Status)) - {"started"}
MAX_CRASHES = 2
"""Crashes after which a job is not tried again, so that no file blocks a batch for ever."""
UNWRITABLE_HINT = "The journal lies beside the manifest, or in the folder of --output-dir: use one that can be written"
REQUIRED_FIELDS = {"event": str, "time": float, "run": str}
STARTED_FIELDS = {"id": str, "key": str, "output": str}
OPTIONAL_FIELDS = {
    "id": str,
    "seconds": float,
    "sha256": str,
    "result": Mapping[str, object],
    "error": Mapping[str, str],
    "sources": Sequence[str],
    "worker": str,
}
RATE = re.compile(r"[0-9]{1,9}(/[0-9]{1,9})?")
"""A frame rate; an exponent would make a fraction with any number of digits."""
RESULT_FIELDS = {
    "duration": float,
    "bytes": int,
    "version": str,
    "fps": (float, RATE),
    "frame_rate": RATE,
    "frames": int,
    "frames_without_face": int | None,
    "frames_turned_away": int | None,
    "frames_covered": int | None,
    "frames_outside": int | None,
    "frames_other_person": int | None,
    "shots": int | None,
    "people": int | None,
    "warnings": Sequence[str],
}


@dataclass(frozen=True, slots=True)
class JobState:
    """The state of a job in the journal.

    Attributes:
        key: Content key of the last attempt, see :func:`heygem_cli.batch.plan.content_key`.
        output: The output as the manifest writes it.
        run: The run of the last event.
        attempts: Number of attempts with this key, over all runs.
        crashes: Number of consecutive attempts during which the process died.
        made: What attempts made under this output, see :class:`heygem_cli.files.OwnOutputs`.
        seconds: Duration of the last attempt.
        result: Result of the last attempt if it was successful: its :data:`RESULT_FIELDS`.
        error: Code, message and hint of the last attempt if it failed.
        sources: See :class:`heygem_cli.batch.rows.Row`.
        worker: The node whose worker ran the last attempt; empty if the batch itself did.
    """

    status: Status
    key: str
    output: str
    run: str
    attempts: int = 0
    crashes: int = 0
    made: frozenset[str] = frozenset()
    seconds: float = 0.0
    result: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None
    sources: tuple[str, ...] = ()
    worker: str = ""

    @property
    def crashed(self) -> bool:
        """Whether the batch died during the last attempt; where others run the jobs, that says nothing of the job."""
        return self.status == "started" and not self.worker

    @property
    def crashed_too_often(self) -> bool:
        """Whether the job is not tried again because the process died during it too often."""
        return self.crashes + self.crashed >= MAX_CRASHES


def apply_event(states: MutableMapping[str, JobState], event: Mapping[str, Any]) -> None:
    """Update the states of the jobs by an event; events of unknown kinds are ignored."""
    kind, job_id = event["event"], event.get("id")
    if not isinstance(job_id, str):
        return
    if kind == "started":
        states[job_id] = _start_attempt(states.get(job_id), event)
    elif kind == "publishing" and job_id in states:
        states[job_id] = replace(states[job_id], made=_made(states[job_id], event))
    elif kind in get_args(Status) and job_id in states:
        state = states[job_id]
        states[job_id] = replace(
            state,
            status=kind,
            run=sys.intern(event["run"]),
            made=_made(state, event),
            crashes=state.crashes + 1 if kind == "died" else state.crashes if kind == "interrupted" else 0,
            seconds=event.get("seconds", 0.0),
            result=_used_part(event.get("result")),
            error=event.get("error"),
        )


def _used_part(result: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what the plan and the report use of a result; with its other fields a million of them take 3 GB more."""
    return None if result is None else {name: result[name] for name in RESULT_FIELDS if name in result}


def _made(state: JobState, event: Mapping[str, Any]) -> frozenset[str]:
    digest = event.get("sha256")
    if event["event"] != "done":
        return state.made | {digest} if digest else state.made
    # A journal of an earlier version knows only the size.
    return frozenset({digest or f"{(event.get('result') or {}).get('bytes')} bytes"})


def _start_attempt(state: JobState | None, event: Mapping[str, Any]) -> JobState:
    key, output, run = event["key"], event["output"], sys.intern(event["run"])
    made = state.made if state is not None and state.output == output else frozenset()
    attempts, crashes = 1, 0
    if state is not None and state.key == key:
        attempts, crashes = state.attempts + 1, state.crashes + state.crashed
    sources, worker = tuple(event.get("sources", ())), event.get("worker", "")
    return JobState("started", key, output, run, attempts, crashes, made, sources=sources, worker=worker)


def parse_events(data: bytes, name: str = "the journal") -> list[Event]:
    """Parse the events of a journal; an incomplete last line, left by a killed process, is ignored.

    Raises:
        InputError: ``bad-journal``: a complete line is not an event.
    """
    return list(_parse(data, name))


def _parse(data: bytes, name: str) -> Iterator[Event]:
    for number, line in enumerate(io.BytesIO(data), 1):
        if line.endswith(b"\n"):
            event = _parse_json(line)
            if not _is_event(event):
                raise _damaged(name, number)
            yield event


def _parse_json(text: bytes) -> Any:  # noqa: ANN401
    """Return the value of JSON text; None if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _damaged(name: str, line: int) -> InputError:
    message = f"{printable(name)}: line {line} is not an event of a batch"
    return InputError("bad-journal", message, hint="Delete this line, or the whole file to start over")


def _is_event(content: object) -> bool:
    return (
        isinstance(content, dict)
        and all_match(content, REQUIRED_FIELDS)
        and all_match(content, OPTIONAL_FIELDS, required=False)
        and all_match(content.get("result") or {}, RESULT_FIELDS, required=False)
        and (content["event"] != "started" or all_match(content, STARTED_FIELDS))
    )


def read_events(paths: Iterable[Path]) -> Iterator[Event]:
    """Yield the events of several journals in chronological order.

    Raises:
        InputError: A journal is damaged or cannot be read.
    """
    timed = heapq.merge(*map(_read_timed, paths), key=lambda pair: pair[0])
    return (event for _, event in timed)


def _read_timed(path: Path) -> Iterator[tuple[float, Event]]:
    latest = 0.0
    for event in _parse(_read(path), str(path)):
        latest = max(latest, event["time"])  # a clock that was set back does not change the order within a file
        yield latest, event


def _read(path: Path) -> bytes:
    hint = "Move it away to start over"
    if not path.is_file():
        raise InputError("bad-journal", "the journal is not a file", hint=hint, path=path)
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"the journal cannot be read ({error.strerror})"
        raise InputError("bad-journal", message, hint=hint, path=path) from error


def replay(paths: Iterable[Path]) -> dict[str, JobState]:
    """Return the state of every job by its id, from the events of several journals.

    Raises:
        InputError: A journal is damaged or cannot be read.
    """
    paths = list(paths)
    states: dict[str, JobState] = {}
    for event in read_events(paths):
        apply_event(states, event)
    digests = frozenset(digest for path in paths if (digest := read_receipt(receipt_path(path))))
    for job_id, state in states.items():
        if state.crashed:  # the process may have been killed after it published the output
            states[job_id] = replace(state, made=state.made | digests)
    return states


def receipt_path(journal: Path) -> Path:
    """Return the path of the receipt of a journal, see :class:`heygem_cli.files.OwnOutputs`."""
    return journal.with_suffix(".receipt")


def read_receipt(path: Path) -> str | None:
    """Return the digest in a receipt; None if there is none."""
    try:
        text = path.read_text("ascii") if path.is_file() else ""
    except (OSError, ValueError):
        return None
    return text if re.fullmatch("[0-9a-f]{64}", text) else None


class Journal:
    """A journal opened for writing; the caller holds its lock.

    Attributes:
        states: The state of every job after the last event.
    """

    def __init__(self, path: Path, states: dict[str, JobState], descriptor: int) -> None:
        self.path = path
        self.receipt = receipt_path(path)
        self.states = states
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def write(self, event: str, **fields: object) -> None:
        """Append an event and sync it to the disk.

        Raises:
            HeygemError: ``journal-failed``.
        """
        content: Event = {"event": event, "time": round(time.time(), 3), **fields}
        digest = read_receipt(self.receipt) if event in END_EVENTS and "sha256" not in fields else None
        if digest is not None:
            content["sha256"] = digest
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
                hint = "Run the same command again"
                raise HeygemError("journal-failed", message, hint=hint, path=self.path) from error
            apply_event(self.states, content)
            if digest is not None:
                self.receipt.unlink(missing_ok=True)


def _cut_incomplete_line(path: Path, descriptor: int) -> None:
    """Cut off the line that a killed process left, if it is the beginning of an event."""
    data = _read(path)
    end = data.rfind(b"\n") + 1
    written = data[end:].rstrip(b"\0")  # a crash of the machine may leave zeros
    content = _parse_json(written)
    # What is complete but not an event, or begins otherwise, is a file of somebody else's.
    if not written.startswith(b'{"'[: len(written)]) or not (content is None or _is_event(content)):
        raise _damaged(str(path), data.count(b"\n") + 1)
    os.ftruncate(descriptor, end)


def _settle_receipt(journal: Journal) -> None:
    """Record what a killed process published before it could record that."""
    if os.path.lexists(journal.receipt):
        if read_receipt(journal.receipt) is None:
            message, hint = "heygem itself uses a file of this name", "Move it, or rename the manifest"
            raise InputError("journal-failed", message, hint=hint, path=journal.receipt)
        for job_id, state in replay([journal.path]).items():
            if state.crashed:  # workers of a cluster write no receipts
                journal.write("died", run=state.run, id=job_id, seconds=0.0)
        journal.receipt.unlink(missing_ok=True)


@contextmanager
def open_journal(path: Path, others: Iterable[Path] = ()) -> Iterator[Journal]:
    """Open or create a journal, and cut off an incomplete last line.

    Args:
        path: The journal.
        others: Journals of other runs of the manifest, whose events count too.

    Raises:
        InputError: A journal is damaged or cannot be read, or the folder cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise InputError("journal-failed", from_os_error(error).message, hint=UNWRITABLE_HINT) from error
    try:
        states = replay([path, *others])
        _cut_incomplete_line(path, descriptor)
        sync_folder(path.parent)
        journal = Journal(path, states, descriptor)
        _settle_receipt(journal)
        yield journal
    finally:
        os.close(descriptor)
