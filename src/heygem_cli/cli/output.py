"""Output that all commands share: results on stdout as text or JSON, everything else on stderr."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from heygem_cli.errors import HeygemError, from_exception, printable

SCHEMA = 1


class _Stream:
    """A standard stream that discards what is written once its reader is gone (``| head``, a closed terminal).

    Args:
        stream: The stream.
        required: Whether any other error, such as a full disk, is an error of the command.
    """

    def __init__(self, stream: TextIO, *, required: bool) -> None:
        self._stream = stream
        self._required = required

    def write(self, text: str) -> int:
        """Write text, unless the reader is gone."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._discard(error)
            return len(text)

    def flush(self) -> None:
        """Flush the stream, unless the reader is gone."""
        try:
            self._stream.flush()
        except OSError as error:
            self._discard(error)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def _discard(self, error: OSError) -> None:
        failure = discard(self._stream, error)
        if self._required and error.errno not in (errno.EPIPE, errno.EIO):
            raise failure from error


def discard(stream: TextIO, error: OSError) -> HeygemError:
    """Discard what a standard stream that failed still holds, and what is written from now on; return the error."""
    # The stream's buffer would fail again when Python exits.
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, stream.fileno())
    os.close(devnull)
    message = f"standard output cannot be written ({error.strerror})"
    return HeygemError("stdout-failed", message, hint="Redirect it elsewhere")


def console(*, stderr: bool = False) -> Console:
    """Return a console; it writes plain text without line breaks of its own where the stream is not a terminal."""
    # A lost message does not stop the work; a lost result is an error.
    stream = _Stream(sys.stderr, required=False) if stderr else _Stream(sys.stdout, required=True)
    screen = Console(file=stream, stderr=stderr, highlight=False, soft_wrap=True)  # type: ignore[arg-type]
    if not screen.is_terminal:
        screen.width = 200
    return screen


def spinner(text: str) -> AbstractContextManager[object]:
    """Show an activity indicator on a terminal while the block runs."""
    screen = console(stderr=True)
    return screen.status(text) if screen.is_terminal else nullcontext()


def print_json(content: Mapping[str, object], *, one_line: bool = False) -> None:
    """Print the JSON object of ``--json`` on stdout; in one line where there are others, as in JSON Lines."""
    stream = _Stream(sys.stdout, required=True)
    indent = None if one_line else 2
    stream.write(json.dumps({"schema": SCHEMA, **content}, ensure_ascii=False, indent=indent) + "\n")
    stream.flush()


def print_facts(facts: Mapping[str, str]) -> None:
    """Print a short summary, one labelled fact per line."""
    table = Table.grid(padding=(0, 2))
    for label, value in facts.items():
        table.add_row(Text(label, style="dim"), Text(value))
    print_table(table)


def print_table(table: Table) -> None:
    """Print a table on stdout; in a file or a pipe each row is one line, without spaces at its end."""
    screen = console()
    if screen.is_terminal:
        screen.print(table)
        return
    screen.width = 1 << 20
    with screen.capture() as capture:
        screen.print(table)
    for line in capture.get().removesuffix("\n").split("\n"):
        screen.print(Text(line.rstrip()))


def format_duration(seconds: float) -> str:
    """Return a duration as a person reads it: ``2 h 05 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


@contextmanager
def report_errors(*, as_json: bool = False, one_line: bool = False, debug: bool = False) -> Iterator[None]:
    """Report an error as one line on stderr, with ``--json`` also as an object on stdout, and exit with its status."""
    try:
        yield
    except Exception as caught:
        error = caught if isinstance(caught, HeygemError) else from_exception(caught)
        if error is None:
            raise
        if debug:
            traceback.print_exc()
        print_error(error)
        if as_json:
            with suppress(HeygemError):  # standard output fails, too
                print_json({"error": error.to_dict()}, one_line=one_line)
        raise typer.Exit(error.exit_code) from caught


def print_error(error: HeygemError) -> None:
    """Print an error as one line on stderr."""
    console(stderr=True).print(Text.assemble(("error: ", "bold red"), str(error)))


def print_warnings(warnings: Iterable[str]) -> None:
    """Print each warning as one line on stderr."""
    for text in warnings:
        console(stderr=True).print(Text.assemble(("warning: ", "bold yellow"), printable(text)))


def format_counts(counts: Iterable[tuple[str, int]]) -> str:
    """Return those counts that are not 0: ``3 done, 1 failed``."""
    return ", ".join(f"{count} {name}" for name, count in counts if count) or "none"


def frames_by_reason(result: Mapping[str, Any]) -> dict[str, int]:
    """Return how many frames were not rendered, by the reason, from the fields of a result or of a report."""
    other_person = result["frames_other_person"] or 0
    return {
        "no face": (result["frames_without_face"] or 0) - other_person,
        "other person": other_person,
        "covered": result["frames_covered"] or 0,
        "turned away": result["frames_turned_away"] or 0,
        "outside": result["frames_outside"] or 0,
    }


def format_speed(real_time_factor: float) -> str:
    """Return seconds of work per second of video as a person says it: ``×1.8``."""
    speed = 1 / real_time_factor
    return f"×{speed:.0f}" if speed >= 10 else f"×{speed:.1f}" if speed >= 0.1 else f"×{speed:.2g}"
