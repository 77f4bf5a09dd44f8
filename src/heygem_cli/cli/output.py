"""The one renderer: results on stdout as tables or as JSON, everything else on stderr."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from heygem_cli.errors import HeygemError, from_os_error

SCHEMA = 1


class _Kept:
    """A stream that leads nowhere once its reader is gone (``| head``, a terminal that was closed).

    Args:
        stream: where to write.
        needed: whether any other error, such as a full disk under it, is an error of the command.
    """

    def __init__(self, stream: TextIO, *, needed: bool) -> None:
        self._stream = stream
        self._needed = needed

    def write(self, text: str) -> int:
        """Write, or not."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._lost(error)
            return len(text)

    def flush(self) -> None:
        """Bring what was written to its reader, or not."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lost(error)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def _lost(self, error: OSError) -> None:
        if self._needed and error.errno not in (errno.EPIPE, errno.EIO):
            error.filename = self._stream.name
            raise error
        # What the stream still holds would fail again when Python ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def console(*, stderr: bool = False) -> Console:
    """Make a console on the stream as it is now; plain text, never wrapped, where the stream is no terminal."""
    # Messages are no reason to stop the work, results are what it is for.
    stream = _Kept(sys.stderr, needed=False) if stderr else _Kept(sys.stdout, needed=True)
    made = Console(file=stream, stderr=stderr, highlight=False, soft_wrap=True)  # type: ignore[arg-type]
    if not made.is_terminal:
        made.width = 200
    return made


def spinner(text: str) -> AbstractContextManager[object]:
    """Show an activity indicator on a terminal while the block runs."""
    screen = console(stderr=True)
    return screen.status(text) if screen.is_terminal else nullcontext()


def print_json(content: Mapping[str, object]) -> None:
    """Print the one object that ``--json`` promises on stdout."""
    stream = _Kept(sys.stdout, needed=True)
    stream.write(json.dumps({"schema": SCHEMA, **content}, ensure_ascii=False, indent=2) + "\n")
    stream.flush()


def print_facts(facts: Mapping[str, str]) -> None:
    """Print a short summary: one labelled fact a line."""
    table = Table.grid(padding=(0, 2))
    for label, value in facts.items():
        table.add_row(Text(label, style="dim"), Text(value))
    console().print(table)


@contextmanager
def report_errors(*, as_json: bool = False, debug: bool = False) -> Iterator[None]:
    """Turn an error into one line on stderr (and one object on stdout with ``--json``) and its exit code."""
    try:
        yield
    except (HeygemError, OSError) as caught:
        error = caught if isinstance(caught, HeygemError) else from_os_error(caught)
        if debug:
            traceback.print_exc()
        if as_json:
            print_json({"error": error.to_dict()})
        line = Text.assemble(("error: ", "bold red"), str(error))
        console(stderr=True).print(line)
        raise typer.Exit(error.exit_code) from caught
