"""``heygem config show``: where the value of each option comes from."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from heygem_cli.cli.config_file import FOLDER_FILE, Config, user_file
from heygem_cli.cli.output import print_json, print_table
from heygem_cli.cli.parameters import command, config_of, only
from heygem_cli.errors import printable
from heygem_cli.option_fields import Declared
from heygem_cli.options import DisplayOptions

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


@app.callback()
def config() -> None:
    """Show the options that are set by files and variables."""


@app.command()
@command
def show(context: typer.Context, *, display: Annotated[DisplayOptions, only("as_json")]) -> None:
    """Show the value of each option and where it comes from.

    The command line comes first, then variables, then heygem.toml of the current folder, then the user's own file.
    """
    found = list(_origins(config_of(context)))
    if display.as_json:
        print_json({"files": [str(FOLDER_FILE), str(user_file())], "options": [asdict(each) for each in found]})
        return
    table = Table.grid(padding=(0, 2))
    for each in found:
        style = "dim" if each.source == "default" else ""
        where = "" if len(each.commands) > 1 else f"[{each.commands[0]}]"
        table.add_row(*(Text(printable(text), style) for text in (each.option, each.value, each.source, where)))
    print_table(table)


@dataclass(frozen=True)
class Origin:
    """The value of an option as text, where it comes from, and for which commands."""

    option: str
    value: str
    source: str
    commands: tuple[str, ...]


def _origins(config: Config) -> Iterator[Origin]:
    """Yield the options in the order of their names, one that differs between commands several times."""
    commands = defaultdict[tuple[str, str, str], list[str]](list)
    for name, options in config.commands.items():
        for flag, option in options.items():
            value, source = _value(config, name, option)
            commands[flag, value, source].append(name)
    for (flag, value, source), names in sorted(commands.items()):
        yield Origin(flag, value, source, tuple(names))


def _value(config: Config, name: str, option: Declared) -> tuple[str, str]:
    """Return the value of an option of a command, and where it comes from."""
    variable = option.variable
    if variable and os.environ.get(variable):
        return os.environ[variable], variable
    if setting := config.settings[name].get(option.name):
        return _text(setting.value), str(setting.file)
    return (option.facts.default_text or _text(option.default)).replace("`", ""), "default"


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
