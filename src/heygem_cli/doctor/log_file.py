"""Read the end of HeyGem's log and count its messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from heygem_cli.heygem.installation.files import check_regular, read_error
from heygem_cli.heygem.installation.log_messages import JOB_END, JOB_PROGRESS, JOB_START, MESSAGES, READY, TIME

MAX_BYTES = 8 << 20
"""How much is read from the end of the log."""

_RELEVANT = re.compile(
    "|".join(each.pattern.pattern for each in MESSAGES)
    + f"|{READY.pattern}|{JOB_START.pattern}|{JOB_PROGRESS.pattern}|{JOB_END.pattern}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Count:
    """How often a message occurs before and since HeyGem's last start, and the log's own time of the last one."""

    before_start: int = 0
    since_start: int = 0
    last: str = "at an unknown time"


@dataclass(frozen=True)
class Log:
    """A summary of a log.

    Attributes:
        counts: The counts by the name of the message.
        job: The job that is running, if any.
        idle: Seconds, by the times in the log, between the last progress of the job and the last line.
        modified: When the file was last modified, in seconds since 1970.
        truncated: Whether only the end of the file was read.
    """

    path: Path
    counts: dict[str, Count]
    job: str | None
    idle: float
    modified: float
    truncated: bool


def read_log(path: Path) -> Log:
    """Read a log.

    Raises:
        InputError: The file is missing, unreadable or not a regular file.
    """
    try:
        status = check_regular(path)
        truncated = status.st_size > MAX_BYTES
        with path.open("rb") as file:
            file.seek(max(0, status.st_size - MAX_BYTES))
            data = file.read(MAX_BYTES)
    except OSError as error:
        raise read_error(path, error) from error
    try:
        text = data.decode()
    except UnicodeDecodeError:
        # The end of a file can begin in the middle of a character. A complete file that is not UTF-8 is GBK.
        text = data.decode(errors="replace") if truncated else data.decode("gb18030", errors="replace")
    return _summarize(path, text, status.st_mtime, truncated=truncated)


def _summarize(path: Path, text: str, modified: float, *, truncated: bool) -> Log:
    counts: dict[str, Count] = {}
    job: str | None = None
    progress = last = ""
    for line, time in _relevant_lines(text):
        last = time or last
        if READY.search(line):
            counts = {name: Count(each.before_start + each.since_start, 0, each.last) for name, each in counts.items()}
            job = None
        elif start := JOB_START.search(line):
            job, progress = start[1], last
        elif JOB_PROGRESS.search(line):
            progress = last
        elif JOB_END.search(line) or _count(counts, line, last):
            job = None
    end = _last_time(text, len(text) - 10_000, len(text)) or last
    idle = datetime.fromisoformat(end) - datetime.fromisoformat(progress) if progress and end else timedelta()
    return Log(path, counts, job, idle.total_seconds(), modified, truncated)


def _count(counts: dict[str, Count], line: str, time: str) -> bool:
    """Count a message; return whether it ends a job."""
    message = next((each for each in MESSAGES if each.pattern.search(line)), None)
    if message is None:
        return False
    count = counts.get(message.name, Count())
    counts[message.name] = Count(count.before_start, count.since_start + 1, time or count.last)
    return "异常" in line or "失败" in line


def _relevant_lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield each line that contains a match, and its time, else that of the last line with a time shortly before it."""
    line_end = -1
    for match in _RELEVANT.finditer(text):
        if match.start() > line_end:
            start, end = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.end())
            line_end = len(text) if end < 0 else end
            yield text[start:line_end], _last_time(text, match.start() - 4000, line_end)


def _last_time(text: str, start: int, end: int) -> str:
    times = TIME.findall(text, max(0, start), end)
    return times[-1] if times else ""
