"""Wrong usage of the command line that Typer finds, reported as every other error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import SequenceMatcher

import typer

from heygem_cli.cli.output import report_errors
from heygem_cli.errors import InputError

_TYPES = {"a valid int range": "a whole number", "a valid float range": "a number"}
"""Typer's names of types, in words."""


def run_command(app: typer.Typer, name: str) -> None:
    """Run an application with the arguments of this process, and exit with its status."""
    try:
        status = app(prog_name=name, standalone_mode=False)
    except typer.TyperException as error:
        status = _report(error, name)
    sys.exit(status)


def _report(error: typer.TyperException, name: str) -> int:
    """Report an error of Typer, and return the exit status."""
    try:
        with report_errors(as_json="--json" in sys.argv):
            raise _usage_error(error, name) from error
    except typer.Exit as ended:
        return ended.exit_code


def _usage_error(error: typer.TyperException, name: str) -> InputError:
    """Convert an error of Typer, which has its context if it was raised for a command.

    Raises:
        typer.Exit: It is the help of a command that was called without arguments.
    """
    context = getattr(error, "ctx", None)
    if context is not None and error.message == context.get_help():
        typer.echo(error.message, err=True)
        raise typer.Exit(error.exit_code)
    known: Sequence[str] = getattr(error, "possibilities", None) or ()
    reason, _, nearest = (error.message if known else error.format_message()).partition(". Did you mean ")
    for name_of_type, words in _TYPES.items():
        reason = reason.replace(f"is not {name_of_type}", f"is not {words}")
    if known:  # Typer lists them in alphabetical order
        nearest = max(known, key=lambda each: SequenceMatcher(a=each, b=getattr(error, "option_name", "")).ratio())
    command = name if context is None else context.command_path
    hint = f"Run: {command} --help"
    if nearest := nearest.rstrip("?"):
        hint = f"Did you mean {nearest}? {hint}"
    return InputError("wrong-usage", f"{reason[:1].lower()}{reason[1:].rstrip('.')}", hint=hint)
