"""Find the lines that matter in a long log, and their times."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from heygem_cli.heygem.installation.log_events import CAUSE_WORDS, MAX_LINE, STEP_WORDS, TIME, find_header, read_event

_REACH = 10_000
"""Characters in which a time is searched before the end of a line."""


def relevant_lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield the time and the text of each line that can be an event; most lines of a long log are not.

    A line without a time has that of the last line shortly before it.
    """
    starts = {text.rfind("\n", 0, place) + 1 for word in (*STEP_WORDS, *CAUSE_WORDS) for place in _find_all(text, word)}
    time, time_end, end = "", 0, 0
    for start in sorted(starts):
        searched, end = end, text.find("\n", start)
        end = len(text) if end < 0 else end
        for found in TIME.finditer(text, max(searched, end - _REACH), end):
            time, time_end = " ".join(found.groups()), found.end()
        yield time if end - time_end < _REACH else "", text[start : min(end, start + MAX_LINE)]


def _find_all(text: str, word: str) -> Iterator[int]:
    """Yield the first place of a word in each line that contains it."""
    place = text.find(word)
    while place >= 0:
        yield place
        end = text.find("\n", place)
        place = text.find(word, end) if end >= 0 else -1


def last_time(text: str, end: int) -> str:
    """Return the last time that is written shortly before a place; empty if there is none."""
    for reach in (200, _REACH):
        if times := TIME.findall(text, max(0, end - reach), end):
            return " ".join(times[-1])
    return ""


def is_known_format(text: str) -> bool:
    """Return whether HeyGem wrote a line of it, or one contains a message that is known."""
    if any(find_header(line) for line in islice(_lines_with(text, "[line:"), 100)):
        return True
    return any(read_event(line) for _time, line in relevant_lines(text))


def _lines_with(text: str, word: str) -> Iterator[str]:
    for place in _find_all(text, word):
        end = text.find("\n", place)
        yield text[text.rfind("\n", 0, place) + 1 : len(text) if end < 0 else end][:MAX_LINE]
