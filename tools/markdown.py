"""Tables in Markdown, in English and in Chinese."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

CHINESE = {
    "option": "选项",
    "variable": "环境变量",
    "meaning": "含义",
    "default": "默认值",
    "code": "错误码",
    "exit status": "退出码",
    "remedy": "处理办法",
}
_CODE = re.compile(r"`([^` ]+)")
_LITERAL = re.compile(r"`+([^`]+)`+|(--[a-z][a-z-]+)|(?<![\w.:×])(\d+(?:\.\d+)?)(?![\w.:])")
"""What words of both languages contain alike: code without placeholders, flags, numbers."""


class Words(str):
    """The text of a cell, which the Chinese page words itself."""

    __slots__ = ()


class Table(NamedTuple):
    """A table.

    Attributes:
        headers: Of the columns.
        rows: The cells; the last code of the first one identifies the row.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_markdown(self) -> str:
        """Return the lines of the table."""
        lines = (self.headers, *self.rows)
        head, *body = ("|" + "".join(f" {cell} |" if cell else " |" for cell in cells) + "\n" for cells in lines)
        return "".join([head, "|" + "---|" * len(self.headers) + "\n", *body])


def parse_table(text: str) -> Table:
    """Return the first table of a text; without rows if there is none."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in cells] for cells in lines] or [[], []]
    return Table(head, rows)


def translate(table: Table, page: Table) -> tuple[Table, list[str]]:
    """Return a table in Chinese: its words are those of the table that a page has now.

    Returns:
        The table, and the rows whose words the page does not have, or which lack code, flags or numbers of the
        English ones, in brackets.
    """
    known = {_key(cells): dict(zip(page.headers, cells, strict=False)) for cells in page.rows}
    headers = [CHINESE[header] for header in table.headers]
    rows, missing = [], []
    for cells in table.rows:
        words = known.get(_key(cells), {})
        row = [
            words.get(header, "") if isinstance(cell, Words) and cell else cell
            for header, cell in zip(headers, cells, strict=True)
        ]
        if any(cell and not translated for cell, translated in zip(cells, row, strict=True)):
            missing.append(_key(cells))
        elif lost := _lost_literals(cells, row):
            missing.append(f"{_key(cells)} ({', '.join(lost)})")
        rows.append(row)
    return Table(headers, rows), missing


def _lost_literals(cells: Sequence[str], translated: Sequence[str]) -> list[str]:
    """Return the code, the flags and the numbers of cells that their translations do not have."""
    lost: dict[str, None] = {}
    for cell, words in zip(cells, translated, strict=True):
        literals = ("".join(groups) for groups in _LITERAL.findall(cell))
        lost |= dict.fromkeys(each for each in literals if "<" not in each and each not in words)
    return list(lost)


def _key(cells: Sequence[str]) -> str:
    return "".join(_CODE.findall(cells[0])[-1:])
