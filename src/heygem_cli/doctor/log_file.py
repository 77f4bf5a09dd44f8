"""Read the end of HeyGem's log into plain counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from heygem_cli.heygem.installation.files import check_regular, unreadable
from heygem_cli.heygem.installation.log_messages import JOB_END, JOB_MOVES, JOB_START, MESSAGES, READY, TIME

TAIL = 8 << 20
"""Bytes that are read from the end."""

_INTERESTING = re.compile(
    "|".join(each.pattern.pattern for each in MESSAGES)
    + f"|{READY.pattern}|{JOB_START.pattern}|{JOB_MOVES.pattern}|{JOB_END.pattern}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Seen:
    """How often a message was seen before and since the last start, and when last (the log's own time)."""

    before: int = 0
    since: int = 0
    last: str = "at an unknown time"


@dataclass(frozen=True)
class Log:
    """What a log says.

    Attributes:
        path: of the log.
        seen: by the name of the message.
        job: the job that has started and not ended; None if there is none.
        still: seconds by the log's own clock between the job's last step and the last line.
        written: when the file was last written, in seconds since 1970.
        cut: only the end was read.
    """

    path: Path
    seen: dict[str, Seen]
    job: str | None
    still: float
    written: float
    cut: bool


def read_log(path: Path) -> Log:
    """Read a log.

    Raises:
        InputError: it is missing, unreadable or no regular file.
    """
    try:
        status = check_regular(path)
        cut = status.st_size > TAIL
        with path.open("rb") as file:
            file.seek(max(0, status.st_size - TAIL))
            data = file.read(TAIL)
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        text = data.decode()
    except UnicodeDecodeError:
        # A tail can begin within a character; a whole file that is not UTF-8 is GBK.
        text = data.decode(errors="replace") if cut else data.decode("gb18030", errors="replace")
    return _digest(path, text, status.st_mtime, cut=cut)


def _digest(path: Path, text: str, written: float, *, cut: bool) -> Log:
    seen: dict[str, Seen] = {}
    job: str | None = None
    moved = last = ""
    for line, match in _lines(text):
        if time := _time_before(text, match.start()):
            last = time
        if READY.search(line):
            seen = {name: Seen(each.before + each.since, 0, each.last) for name, each in seen.items()}
            job = None
        elif start := JOB_START.search(line):
            job, moved = start[1], last
        elif JOB_MOVES.search(line):
            moved = last
        elif JOB_END.search(line):
            job = None
        else:
            job = None if _count(seen, line, last) else job
    return Log(path, seen, job, _seconds(moved, _last_time(text) or last), written, cut)


def _count(seen: dict[str, Seen], line: str, time: str) -> bool:
    """Count a message; say whether it ends a job."""
    message = next((each for each in MESSAGES if each.pattern.search(line)), None)
    if message is None:
        return False
    before = seen.get(message.name, Seen())
    seen[message.name] = Seen(before.before, before.since + 1, time or before.last)
    return "异常" in line or "失败" in line


def _lines(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Every line with something of interest, once, and the first match in it."""
    done = -1
    for match in _INTERESTING.finditer(text):
        if match.start() > done:
            start, end = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.end())
            done = len(text) if end < 0 else end
            yield text[start:done], match


def _time_before(text: str, at: int) -> str:
    """The time of the line at a place, or of the last line before it that has one, a little way back."""
    end = text.find("\n", at)
    times = TIME.findall(text, max(0, at - 4000), len(text) if end < 0 else end)
    return times[-1] if times else ""


def _last_time(text: str) -> str:
    times = TIME.findall(text, max(0, len(text) - 10_000))
    return times[-1] if times else ""


def _seconds(start: str, end: str) -> float:
    if not start or not end:
        return 0.0
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
