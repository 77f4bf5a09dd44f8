"""Read the ends of HeyGem's logs and count the jobs in which each message occurs."""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.files import check_regular, read_error
from heygem_cli.heygem.installation.log_events import Job, LogReader
from heygem_cli.heygem.installation.log_lines import is_known_format, last_time, relevant_lines

MAX_BYTES = 8 << 20
"""How much is read from the end of each log."""
STDIN = Path("-")
_CHUNK = 1 << 20
_SAMPLE = 4096


@dataclass(frozen=True)
class Count:
    """In how many jobs a message occurs, before and since HeyGem's last start, and whether outside of them, too.

    Attributes:
        last: The log's own time of the last one.
        healed: Whether HeyGem itself has emptied its queues after the last one.
    """

    before_start: int = 0
    since_start: int = 0
    outside: bool = False
    last: str = "at an unknown time"
    healed: bool = False


@dataclass(frozen=True)
class LogText:
    """The end of a log: its text, the time of its last change, and whether there is more before."""

    path: Path
    text: str
    modified: float | None
    truncated: bool


@dataclass(frozen=True)
class Log:
    """A summary of one or several logs.

    Attributes:
        known: Whether the format of at least one is known; None if all are empty.
        counts: The counts by the name of the message.
        job: The job that is running, if any.
        idle: Seconds, by the times in the log, between the last progress of the job and the last line.
        modified: When the last one was modified, in seconds since 1970; None for standard input.
        truncated: Whether only the end was read.
        newer: Whether they are those of the newer image.
        interrupted: The jobs that ran when HeyGem last started, if there was none since.
        done: How many jobs have succeeded since the last start.
        failed: How many have failed.
        last_job: Seconds, by the times in the log, between the end or last progress of the last job and the last line.
    """

    paths: tuple[Path, ...]
    known: bool | None
    counts: dict[str, Count]
    job: Job | None
    idle: float
    modified: float | None
    truncated: bool
    newer: bool
    interrupted: tuple[str, ...] = ()
    done: int = 0
    failed: int = 0
    last_job: float | None = None

    @property
    def names(self) -> str:
        """The logs, for people."""
        return ", ".join("standard input" if path == STDIN else str(path) for path in self.paths)


def read_texts(paths: Sequence[Path]) -> list[LogText]:
    """Read the ends of logs; ``-`` is standard input.

    Raises:
        InputError: One is missing, unreadable or not a regular file.
    """
    return [_read_text(path) for path in paths]


def read_log(*paths: Path) -> Log:
    """Read logs and summarize them as one.

    Raises:
        InputError: One is missing, unreadable or not a regular file.
    """
    return summarize(read_texts(paths))


def _read_text(path: Path) -> LogText:
    if path == STDIN:
        data, truncated = _read_end(sys.stdin.buffer)
        return LogText(path, _decode(data, truncated=truncated), None, truncated)
    try:
        status = check_regular(path)
        truncated = status.st_size > MAX_BYTES
        with path.open("rb") as file:
            file.seek(max(0, status.st_size - MAX_BYTES))
            data = file.read(MAX_BYTES)
    except FileNotFoundError as error:
        hint = "Name HeyGem's log, or leave out --log"
        raise InputError("missing", "there is no such file", path=path, hint=hint) from error
    except OSError as error:
        raise read_error(path, error) from error
    return LogText(path, _decode(data, truncated=truncated), status.st_mtime, truncated)


def _read_end(file: BinaryIO) -> tuple[bytes, bool]:
    """Return the last bytes of a stream, and whether there are more."""
    chunks: deque[bytes] = deque(maxlen=MAX_BYTES // _CHUNK + 1)
    size = 0
    while chunk := file.read(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)[-MAX_BYTES:], size > MAX_BYTES


def _decode(data: bytes, *, truncated: bool) -> str:
    if b"\0" in data[:_SAMPLE]:  # redirected in Windows PowerShell; a truncated one has no byte-order mark
        encoding = "utf-16-be" if data[:_SAMPLE:2].count(0) > data[1:_SAMPLE:2].count(0) else "utf-16-le"
        return data.decode(encoding, errors="replace").lstrip("\ufeff")
    try:
        return data.decode()
    except UnicodeDecodeError:
        # The end of a file can begin in the middle of a character. A complete file that is not UTF-8 is GBK.
        return data.decode(errors="replace") if truncated else data.decode("gb18030", errors="replace")


def summarize(texts: Sequence[LogText]) -> Log:
    """Summarize logs of the same HeyGem, in the order of the times of their lines."""
    lines = [entry for each in texts for entry in relevant_lines(each.text)]
    if len(texts) > 1:
        lines.sort(key=lambda entry: entry[0])  # stable: lines of the same second stay in the order of the logs
    reader = LogReader()
    for time, line in lines:
        reader.read(line, _parse(time))
    last = max((last_time(each.text, len(each.text)) for each in texts), default="")
    job = reader.current
    updated, end = job.updated if job else None, _parse(last) or reader.last
    changed = [each.modified for each in texts if each.modified is not None]
    filled = [each.text for each in texts if not each.text.isspace() and each.text]
    return Log(
        paths=tuple(each.path for each in texts),
        known=any(map(is_known_format, filled)) if filled else None,
        counts=_count(reader),
        job=job,
        idle=(end - updated).total_seconds() if updated and end else 0.0,
        modified=max(changed, default=None),
        truncated=any(each.truncated for each in texts),
        newer=reader.newer,
        interrupted=tuple(job.code for job in reader.interrupted if len(reader.jobs) == reader.first_job),
        done=sum(each.outcome == "done" for each in reader.jobs[reader.first_job :]),
        failed=sum(each.outcome == "failed" for each in reader.jobs[reader.first_job :]),
        last_job=_seconds_since(reader.jobs[-1], end) if reader.jobs else None,
    )


def _count(reader: LogReader) -> dict[str, Count]:
    counts: defaultdict[str, Count] = defaultdict(Count)
    for name, time in reader.outside_before.items():
        counts[name] = Count(before_start=1, last=time or Count.last)
    for number, job in enumerate(reader.jobs):
        before = int(number < reader.first_job)
        for name in job.causes:
            count = counts[name]
            counts[name] = Count(
                count.before_start + before,
                count.since_start + 1 - before,
                last=str(job.caused) if job.caused else count.last,
                healed=number < reader.healed,
            )
    for name, last in reader.outside.items():
        count = counts[name]
        time = max(last, count.last) if count.since_start else last
        counts[name] = Count(count.before_start, count.since_start, outside=True, last=time or count.last)
    return dict(counts)


def _seconds_since(job: Job, end: datetime | None) -> float | None:
    last = job.ended or job.updated or job.accepted
    return None if last is None or end is None else (end - last).total_seconds()


def _parse(time: str) -> datetime | None:
    try:
        return datetime.fromisoformat(time)
    except ValueError:
        return None
