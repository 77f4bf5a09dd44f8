r"""Parse and edit opt.txt, the dump of options that HeyGem writes at every start and never reads.

A line is ``'{:>25}: {:<30}{}'``: key, value, and ``\t[default: x]`` if the value is not the default. The file may be in
any encoding and have any newlines, so :func:`~heygem_cli.heygem.installation.files.decode_lossless` decodes it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from heygem_cli.heygem.installation.files import split_lines

NUM_THREADS = "num_threads"

_LINE = re.compile(
    r"(?P<indent>\ufeff?[ \t]*)(?P<key>[^\s:][^:\r\n]*?)(?P<colon>[ \t]*:[ \t]?)"
    r"(?P<value>[^\t\r\n]*?)(?P<padding>[ ]*)(?P<default>\t[^\r\n]*)?(?P<newline>\r\n|\r|\n|\Z)",
    re.ASCII,
)


class Option(NamedTuple):
    """The parts of an option line, which together are the whole line."""

    indent: str
    key: str
    colon: str
    value: str
    padding: str
    default: str
    newline: str


def parse_line(line: str) -> Option | None:
    """Parse an option line; return None if it is something else, such as a rule of dashes."""
    match = _LINE.fullmatch(line)
    return Option(**match.groupdict("")) if match else None


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
    padding = " " * max(0, len(option.value) + len(option.padding) - len(value))
    return "".join(option._replace(value=value, padding=padding))
