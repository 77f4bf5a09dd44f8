"""The manifest: a list of rows in CSV, JSON Lines or JSON."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from heygem_cli.batch.columns import COLUMNS, FILES, column_name, unknown_column_hint
from heygem_cli.batch.encoding import SAVE_AS_UTF_8, EncodingError, decode_text
from heygem_cli.errors import InputError, plural, printable

MAX_LINES = 50
"""Number of different problems that are listed; the others are counted."""
MAX_LISTED = 1000
"""Number of problems in ``--json``; all are counted."""
SEPARATORS = (",", ";", "\t")
_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n])"?[,;\t ]*(?:\r\n|\r|\n)', re.IGNORECASE)
"""A first line that tells Excel the separator."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
"""A line with its end."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a manifest.

    Attributes:
        row: Number of the row, from 1, without the header; None if the whole file is concerned.
        line: Line of the file; None in a JSON list.
        column: Name of the column.
    """

    message: str
    hint: str = ""
    row: int | None = None
    line: int | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row is: its number from 1, and its line in the file, None in a JSON list."""

    number: int
    line: int | None

    def problem(self, column: str | None, message: str, hint: str = "") -> Problem:
        """Return a problem of this row."""
        return Problem(message, hint, self.number, self.line, column)


@dataclass(frozen=True, slots=True)
class RawRow(Place):
    """A row as it was read: the cells that are not empty."""

    values: dict[str, str]


class ManifestError(InputError):
    """A manifest cannot be used; it has one problem or several."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.row or 0))
        count = plural(len(problems), "problem")
        super().__init__("bad-manifest", f"{name}: {count}, nothing was started:")
        self.message += "".join(f"\n  {printable(line)}" for line in format_problems(self.problems))

    def to_dict(self) -> dict[str, object]:
        """Return what ``--json`` prints."""
        listed = [asdict(problem) for problem in self.problems[:MAX_LISTED]]
        return {**super().to_dict(), "problem_count": len(self.problems), "problems": listed}


def format_problems(problems: Sequence[Problem]) -> list[str]:
    """Return lines about the first problems, and how many more there are; rows with the same problem share a line."""
    groups: dict[tuple[str | None, str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.column, problem.message, problem.hint), []).append(problem)
    lines = []
    for (column, message, hint), same in itertools.islice(groups.items(), MAX_LINES):
        place = (_format_rows(same), f"column {_truncate(column, 80)}" if column else "")
        where = ", ".join(part for part in place if part)
        what = _truncate(message, 5000)  # the longest path has 4096 bytes
        lines.append(": ".join(part for part in (where, what) if part) + (f". {hint}" if hint else ""))
    if rest := sum(len(same) for same in itertools.islice(groups.values(), MAX_LINES, None)):
        lines.append(f"and {plural(rest, 'more problem')}")
    return lines


def _truncate(text: str, limit: int) -> str:
    """Truncate the content of a file that is not a manifest at all and would fill the screen."""
    return text if len(text) <= limit else text[:limit] + "…"


def _format_rows(problems: Sequence[Problem]) -> str:
    numbers = [problem.row for problem in problems if problem.row is not None]
    if not numbers:
        return ""
    if len(numbers) == 1:
        line = problems[0].line
        return f"row {numbers[0]}" + (f" (line {line})" if line else "")
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"rows {', '.join(map(str, numbers[:5]))}{more}"


def parse_manifest(data: bytes) -> tuple[list[RawRow], list[Problem]]:
    """Return the rows of a manifest that can be read, and all problems, see :func:`read_rows`."""
    problems: list[Problem] = []
    return list(read_rows(data, problems)), problems


def read_rows(data: bytes, problems: list[Problem]) -> Iterator[RawRow]:
    """Read a manifest row by row; its first character tells the format.

    Args:
        data: CSV with a header, JSON Lines or a JSON list; UTF-8 or UTF-16, with or without a byte order mark.
        problems: Receives what is wrong with rows and with the whole file. If nothing can be read, there are no rows.
    """
    try:
        text = decode_text(data)
        parse = {"[": _parse_json, "{": _parse_json_lines}.get(text.lstrip()[:1], _parse_csv)
        number = 0
        for number, row in enumerate(parse(text, problems), 1):  # noqa: B007 - counts
            yield row
    except EncodingError as error:
        problems.append(Problem(error.message, SAVE_AS_UTF_8, line=error.line))
    except _UnreadableError as error:
        problems[:] = [error.problem]
    else:
        if not number and not problems:
            problems.append(Problem("it has no rows", "Add a header with audio and face, and a row for each video"))


class _UnreadableError(Exception):
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)


def _parse_csv(text: str, problems: list[Problem]) -> Iterator[RawRow]:
    records = _read_csv(text)
    header = [column_name(cell) for _, cells in itertools.islice(records, 1) for cell in cells]
    while header and not header[-1]:  # spreadsheets write empty columns at the end
        header.pop()
    if header:
        problems += _header_problems(header)
    if _missing(header):
        return
    deque(_read_csv(text), maxlen=0)  # nothing is done about the first rows of a file whose end cannot be read
    for number, (line, cells) in enumerate(records, 1):
        row = RawRow(number, line, {name: cell for name, cell in zip(header, cells, strict=False) if cell.strip()})
        if "".join(cells[len(header) :]).strip():
            message = f"it has {len(cells)} cells, the header has {len(header)}"
            problems.append(row.problem(None, message, 'Put a cell that contains the separator in "quotes"'))
        yield row


def _read_csv(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the records that are not empty, each with the number of its first line."""
    separator, text = _split_separator(text)
    reader = csv.reader(_lines(text), delimiter=separator, skipinitialspace=True, strict=True)
    line = 1
    try:
        for cells in reader:
            if "".join(cells).strip():
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"line {line} is not CSV ({error})"
        raise _UnreadableError(Problem(message, 'Close its "quotes"; write " in a cell as ""', line=line)) from error


def _lines(text: str) -> Iterator[str]:
    """Yield the lines with their ends; a file object in memory would take four bytes for each character."""
    return (match[0] for match in _LINE.finditer(text))


def _split_separator(text: str) -> tuple[str, str]:
    """Return the separator, and the text without the line that declares it, which becomes empty."""
    if declared := _SEPARATOR_LINE.match(text):
        return declared[1], "\n" + text[declared.end() :]
    return _find_separator(text), text


def _find_separator(text: str) -> str:
    """Return the separator that gives the header the most known columns."""
    header = next((line for line in _lines(text) if line.strip()), "").strip()

    def count_columns(separator: str) -> int:
        return sum(column_name(cell.strip(' "')) in COLUMNS for cell in header.split(separator))

    return max(SEPARATORS, key=count_columns)


def _missing(header: Sequence[str]) -> list[str]:
    """Return the columns without which there are no jobs; what several people say stands instead of the audio."""
    return [name for name in FILES if name not in header and not (name == "audio" and "speak" in header)]


def _header_problems(header: Sequence[str]) -> Iterator[Problem]:
    hint = "The first line must name the columns: audio, face, and optionally id, output and options"
    for name in _missing(header):
        yield Problem("the column is missing", hint, column=name)
    counts = Counter(header)
    for name in sorted(name for name, count in counts.items() if count > 1):
        yield Problem("the header contains it twice", "Delete one of the two columns", column=name)
    for name in counts:
        if name not in COLUMNS:
            yield Problem("there is no such column", unknown_column_hint(name), column=printable(name) or "(empty)")


class _JsonObject(list[tuple[str, Any]]):
    """The names and values of a JSON object; unlike in a dict, a name can occur twice."""


def _parse_json_lines(text: str, problems: list[Problem]) -> Iterator[RawRow]:
    number = 0
    # Not splitlines, since a JSON string may contain U+2028 and other line separators.
    for line, part in enumerate(text.split("\n"), 1):
        if not part.strip():
            continue
        number += 1
        try:
            content = json.loads(part, object_pairs_hook=_JsonObject)
        except (ValueError, RecursionError) as error:
            message, hint = f"it is not JSON ({error})", "Write one JSON object per line, or one list of all"
            problems.append(Problem(message, hint, number, line))
            continue
        yield from _parse_object(content, number, line, problems)


def _parse_json(text: str, problems: list[Problem]) -> Iterator[RawRow]:
    try:
        items = json.loads(text, object_pairs_hook=_JsonObject)
    except (ValueError, RecursionError) as error:
        raise _UnreadableError(Problem(f"it is not JSON ({error})", "Check it with `python -m json.tool`")) from error
    for number, item in enumerate(items, 1):
        yield from _parse_object(item, number, None, problems)


def _parse_object(content: object, number: int, line: int | None, problems: list[Problem]) -> Iterator[RawRow]:
    row = RawRow(number, line, {})
    if not isinstance(content, _JsonObject):
        problems.append(row.problem(None, "it is not a JSON object", 'Write {"audio": "…", "face": "…"}'))
        return
    names = set()
    for key, value in content:
        name = column_name(key)
        if name in names:
            problems.append(row.problem(printable(name), "it occurs twice", "Delete one of the two"))
        elif name not in COLUMNS:
            problems.append(row.problem(printable(name), "there is no such column", unknown_column_hint(name)))
        elif isinstance(value, list):
            problems.append(row.problem(name, "it is neither a string nor a number", "Write a single value"))
        elif value is not None and str(value).strip():
            row.values[name] = str(value)
        names.add(name)
    yield row
