"""The one renderer: results on stdout as tables or as JSON, everything else on stderr."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from heygem_cli.errors import HeygemError, from_system

SCHEMA = 1


def console(*, stderr: bool = False) -> Console:
    """Make a console on the stream as it is now; plain text, never wrapped, where the stream is no terminal."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = 200
    return made


def print_json(content: Mapping[str, object]) -> None:
    """Print the one object that ``--json`` promises on stdout."""
    sys.stdout.write(json.dumps({"schema": SCHEMA, **content}, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def print_facts(facts: Mapping[str, str]) -> None:
    """Print a short summary: one labelled fact a line."""
    table = Table.grid(padding=(0, 2))
    for label, value in facts.items():
        table.add_row(Text(label, style="dim"), Text(value))
    console().print(table)


@contextmanager
def errors_shown(*, as_json: bool = False, debug: bool = False) -> Iterator[None]:
    """Turn an error into one line on stderr (and one object on stdout with ``--json``) and its exit code."""
    try:
        yield
    except (HeygemError, OSError) as caught:
        error = caught if isinstance(caught, HeygemError) else from_system(caught)
        if debug:
            traceback.print_exc()
        if as_json:
            print_json({"error": error.as_object()})
        line = Text.assemble(("error: ", "bold red"), str(error))
        console(stderr=True).print(line)
        raise typer.Exit(error.exit_code) from caught
