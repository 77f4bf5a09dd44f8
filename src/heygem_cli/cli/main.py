"""The ``heygem`` program: one Typer application, one file a command."""

from __future__ import annotations

from typing import Annotated

import typer

from heygem_cli import __version__
from heygem_cli.cli.batch import batch
from heygem_cli.cli.doctor import doctor
from heygem_cli.cli.fix_config import fix_config
from heygem_cli.cli.render import render

app = typer.Typer(
    name="heygem",
    help="Make the person in a video speak any audio. Offline, on a CPU, at the video's own resolution.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"heygem {__version__}")
        raise typer.Exit


@app.callback()
def heygem(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make the person in a video speak any audio. Offline, on a CPU, at the video's own resolution."""


app.command()(render)
app.command()(batch)
app.command()(doctor)
app.command()(fix_config)


def run() -> None:
    """Run the program."""
    app()
