r"""Read and edit opt.txt, the dump of options that HeyGem writes at every start.

A line is ``'{:>25}: {:<30}{}'``: key, value, and ``\t[default: x]`` where the value is not the default. The text may be
in any encoding and have any newlines; a :class:`~heygem_cli.heygem.installation.files.TransparentText` brings it here.
HeyGem never reads the file: an edit documents what is wanted and changes nothing by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from heygem_cli.heygem.installation.files import split_lines

NUM_THREADS = "num_threads"

_LINE = re.compile(
    r"(?P<pad>\ufeff?[ \t]*)(?P<key>[^\s:][^:\r\n]*?)(?P<colon>[ \t]*:[ \t]?)"
    r"(?P<value>[^\t\r\n]*?)(?P<fill>[ ]*)(?P<rest>\t[^\r\n]*)?(?P<newline>\r\n|\r|\n|\Z)",
    re.ASCII,
)


@dataclass(frozen=True)
class Option:
    """One option line, in pieces that join to the line again.

    Attributes:
        pad: what stands before the key.
        key: the option's name.
        colon: the colon and the space around it.
        value: the value, which may be empty.
        fill: the spaces that pad the value to its column.
        rest: the note on the default, with its tab.
        newline: as it stands, empty at the end of a file without one.
    """

    pad: str
    key: str
    colon: str
    value: str
    fill: str
    rest: str
    newline: str

    @property
    def line(self) -> str:
        """The line as it stands in the file."""
        return f"{self.pad}{self.key}{self.colon}{self.value}{self.fill}{self.rest}{self.newline}"

    def with_value(self, value: str) -> Option:
        """The option with another value in a column of the same width."""
        fill = " " * max(0, len(self.value) + len(self.fill) - len(value))
        return Option(self.pad, self.key, self.colon or ": ", value, fill, self.rest, self.newline)


def parse_line(line: str) -> Option | None:
    """Take an option line apart; None if it is none (a rule of dashes, an empty line)."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    return Option(**{name: part or "" for name, part in match.groupdict().items()})


def parse(text: str) -> list[Option]:
    """All option lines of a file, in order, repeated ones too."""
    return [option for line in split_lines(text) if (option := parse_line(line))]


def values(text: str, key: str) -> list[str]:
    """Every value that a file gives an option: none, one, or more where lines are repeated."""
    return [option.value.strip(" \t") for option in parse(text) if option.key == key]


def set_value(text: str, key: str, value: str) -> str:
    """Set an option in every line that names it; every other character stays, and so does the width of the column."""
    return "".join(_changed(line, key, value) for line in split_lines(text))


def _changed(line: str, key: str, value: str) -> str:
    option = parse_line(line)
    if option is None or option.key != key or option.value.strip(" \t") == value:
        return line
    return option.with_value(value).line
