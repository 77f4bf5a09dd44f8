"""The options of a command as Typer has them: flags, environment variable, help and default."""

from __future__ import annotations

from collections.abc import Sequence

from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from heygem_cli.cli.main import app
from tools.markdown import Table, Words


def visible_options(command: str) -> dict[str, TyperOption]:
    """Return the options of a command that are not hidden, by their last flag, in the order of ``--help``.

    Raises:
        ValueError: There is no such command.
    """
    group = get_command(app)
    if not isinstance(group, TyperGroup) or command not in group.commands:
        raise ValueError(f"there is no command {command!r}")
    options = [each for each in group.commands[command].params if isinstance(each, TyperOption)]
    return {each.opts[-1]: each for each in options if not each.hidden}


def option_table(command: str, flags: Sequence[str], *, variables: bool) -> Table:
    """Make a table of the options named, or of all visible options of a command.

    Args:
        command: Name of the command.
        flags: The last flag of each option; none for all.
        variables: Whether the table has a column for the environment variables.

    Raises:
        ValueError: The command does not exist, or has no such visible option.
    """
    options = visible_options(command)
    if unknown := [flag for flag in flags if flag not in options]:
        raise ValueError(f"heygem {command} has no visible option {', '.join(unknown)}")
    chosen = [options[flag] for flag in flags or options]
    columns: dict[str, list[str]] = {"option": [_flags(each) for each in chosen]}
    if variables:
        columns["variable"] = [f"`{each.envvar}`" if each.envvar else "" for each in chosen]
    columns["meaning"] = [Words((each.help or "").removesuffix(".")) for each in chosen]
    defaults = [_default(each) for each in chosen]
    if any(defaults):
        columns["default"] = defaults
    return Table(tuple(columns), list(zip(*columns.values(), strict=True)))


def _flags(option: TyperOption) -> str:
    *others, last = option.opts
    metavar = "" if option.metavar is None or "|" in option.metavar else f" {option.metavar}"
    return ", ".join(f"`{each}`" for each in (*others, f"{last}{metavar}"))


def _default(option: TyperOption) -> str:
    value = option.default
    if isinstance(option.show_default, str):
        return Words(option.show_default)
    if value is None or value is False:
        return ""
    return f"{value:g}" if isinstance(value, int | float) else f"`{value}`"
