r"""Parse and edit opt.txt, the dump of options that HeyGem writes at every start and never reads.

A line is ``'{:>25}: {:<30}{}'``: key, value, and ``\t[default: x]`` if the value is not the default. The file may be in
any encoding and have any newlines, so it is decoded to :class:`~heygem_cli.heygem.installation.files.LosslessText`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from heygem_cli.heygem.installation.files import split_lines

NUM_THREADS = "num_threads"

_LINE = re.compile(
    r"(?P<indent>\ufeff?[ \t]*)(?P<key>[^\s:][^:\r\n]*?)(?P<colon>[ \t]*:[ \t]?)"
    r"(?P<value>[^\t\r\n]*?)(?P<padding>[ ]*)(?P<default>\t[^\r\n]*)?(?P<newline>\r\n|\r|\n|\Z)",
    re.ASCII,
)


@dataclass(frozen=True)
class Option:
    """The parts of an option line, which together are the whole line."""

    indent: str
    key: str
    colon: str
    value: str
    padding: str
    default: str
    newline: str

    @property
    def line(self) -> str:
        """The line as it is in the file."""
        return f"{self.indent}{self.key}{self.colon}{self.value}{self.padding}{self.default}{self.newline}"

    def with_value(self, value: str) -> Option:
        """Return a copy with another value, padded to the same width."""
        padding = " " * max(0, len(self.value) + len(self.padding) - len(value))
        return replace(self, value=value, padding=padding)


def parse_line(line: str) -> Option | None:
    """Parse an option line; return None if it is something else, such as a rule of dashes."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    return Option(**{name: part or "" for name, part in match.groupdict().items()})


def parse(text: str) -> list[Option]:
    """Parse all option lines in order, including repeated ones."""
    return [option for line in split_lines(text) if (option := parse_line(line))]


def values(text: str, key: str) -> list[str]:
    """Return the values of an option, one for each of its lines."""
    return [option.value.strip(" \t") for option in parse(text) if option.key == key]


def set_value(text: str, key: str, value: str) -> str:
    """Set an option in each of its lines, keeping the width of the column and every other character."""
    return "".join(_set_in_line(line, key, value) for line in split_lines(text))


def _set_in_line(line: str, key: str, value: str) -> str:
    option = parse_line(line)
    if option is None or option.key != key or option.value.strip(" \t") == value:
        return line
    return option.with_value(value).line
