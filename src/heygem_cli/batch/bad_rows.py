"""Rows that cannot be rendered, in a run that leaves them out and renders the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from heygem_cli.batch.manifest import Problem, RawRow
from heygem_cli.batch.plan import PlannedJob
from heygem_cli.batch.rows import Common, Row
from heygem_cli.options import RenderOptions

NO_FILES = Common("", "", RenderOptions())


def unusable_jobs(rows: Iterable[Row], raw_rows: Iterable[RawRow], problems: Iterable[Problem]) -> list[PlannedJob]:
    """Return a job that is reported as failed for each row with problems.

    Args:
        rows: The rows that describe a job, with problems or without.
        raw_rows: The rows that do not, as they were read.
        problems: Problems of rows.
    """
    by_row: dict[int, list[Problem]] = defaultdict(list)
    for problem in problems:
        if problem.row is not None:
            by_row[problem.row].append(problem)
    if not by_row:
        return []
    known = {row.number: row for row in rows}
    raw = {row.number: row for row in raw_rows}
    ids = {row.id for number, row in known.items() if number not in by_row}
    jobs = []
    for number, found in sorted(by_row.items()):
        row = known.get(number) or _nameless(raw.get(number) or RawRow(number, found[0].line, {}))
        if row.id in ids:
            row = replace(row, id=f"{row.id} (row {number})")
        ids.add(row.id)
        jobs.append(PlannedJob(row, None, "failed", _describe(found), hint=found[0].hint))
    return jobs


def _nameless(raw: RawRow) -> Row:
    """Return a row whose output is not known."""
    name = (raw.values.get("id") or raw.values.get("output", "").removesuffix(".mp4")).strip()
    return Row(raw.number, raw.line, name or f"row {raw.number}", "", "", "", NO_FILES)


def _describe(problems: Sequence[Problem]) -> str:
    texts = (f"column {each.column}: {each.message}" if each.column else each.message for each in problems)
    return "; ".join(dict.fromkeys(texts))
