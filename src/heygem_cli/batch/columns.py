"""The columns of a manifest: files, names, and every option that a row may override."""

from __future__ import annotations

import re

from heygem_cli.errors import did_you_mean
from heygem_cli.option_fields import declared
from heygem_cli.options import ROW_OPTIONS, EngineOptions, RenderOptions

FILES = ("audio", "face")
NAMES = ("id", "output")
COLUMNS = (*FILES, *NAMES, *ROW_OPTIONS)
HIDDEN = {each.facts.hidden_column: name for name, each in ROW_OPTIONS.items() if each.facts.hidden_column}
"""Former names of columns, which still work."""


def column_name(text: str) -> str:
    """Return the name of the column that a header names: ``On-Missing-Face`` is ``on_missing_face``."""
    name = text.strip().lower().replace("-", "_")
    return HIDDEN.get(name, name)


_OTHER_NAMES = {
    "audio": {"audio", "driving", "sound", "speech", "voice", "wav"},
    "face": {"avatar", "image", "img", "photo", "picture", "video"},
    "output": {"out", "output", "result"},
}
"""What other programs call the columns."""
_FILLERS = {"file", "filename", "in", "input", "name", "path", "ref", "reference", "source", "src", "target", "url"}


def unknown_column_hint(name: str) -> str:
    """Return what to do about a column that does not exist."""
    for each in (*declared(RenderOptions), *declared(EngineOptions)):
        if name in (each.name, each.flags[-1].removeprefix("--").replace("-", "_")):
            return f"It is the same for all rows: give {each.flags[-1]} on the command line"
    words = set(re.findall("[a-z]+", name.lower())) - _FILLERS
    for column, others in _OTHER_NAMES.items():
        if words and words <= others:
            return f"Call it {column}"
    return did_you_mean(name, COLUMNS, f"There are: {', '.join(COLUMNS)}")
