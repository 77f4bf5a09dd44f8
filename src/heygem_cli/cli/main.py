"""The ``heygem`` program: a Typer application with one file for each command."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from heygem_cli import __version__
from heygem_cli.cli import config
from heygem_cli.cli.batch import batch
from heygem_cli.cli.batch_inputs import BatchCommand
from heygem_cli.cli.config_file import read_config
from heygem_cli.cli.doctor import doctor
from heygem_cli.cli.engines import engines
from heygem_cli.cli.examples import examples
from heygem_cli.cli.faces import faces
from heygem_cli.cli.fix_config import fix_config
from heygem_cli.cli.output import discard, print_error, report_errors
from heygem_cli.cli.parameters import FilesCommand, options_of
from heygem_cli.cli.render import render
from heygem_cli.cli.restart import restart
from heygem_cli.cli.serve import ServeCommand, serve
from heygem_cli.cli.usage import run_command
from heygem_cli.processes import isolated_environment

app = typer.Typer(
    name="heygem",
    no_args_is_help=True,
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
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("-V", "--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make the person in a video speak any audio. Offline, on a CPU, at the video's own resolution."""
    with report_errors():
        options = {name: options_of(function) for name, function in COMMANDS.items()}
        context.obj = read_config(options, os.environ, _flags_of(context.command))
    context.default_map = context.obj.defaults()


def _flags_of(command: object) -> set[str]:
    """Return the flags of a command and of those in it."""
    own = {flag for parameter in getattr(command, "params", ()) for flag in parameter.opts}
    return own.union(*map(_flags_of, getattr(command, "commands", {}).values()))


def help_(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="COMMAND", show_default="all commands")] = None,
) -> None:
    """Show the help of heygem, or of a command."""
    program = context.find_root()
    arguments = ["--help"] if name is None else [name, "--help"]
    raise typer.Exit(program.command.main(arguments, prog_name=program.info_name, standalone_mode=False))


COMMANDS = {
    "render": render,
    "batch": batch,
    "faces": faces,
    "engines": engines,
    "doctor": doctor,
    "fix-config": fix_config,
    "restart": restart,
    "serve": serve,
}
CLASSES = {"render": FilesCommand, "faces": FilesCommand, "batch": BatchCommand, "serve": ServeCommand}
for name, function in COMMANDS.items():
    app.command(name, cls=CLASSES.get(name), epilog=examples(name))(function)
app.add_typer(config.app, name="config")
app.command("help")(help_)


def run() -> None:
    """Run the program; standard output that cannot be written is an error of one line."""
    open_standard_streams()
    find_no_program_in_current_folder()
    choose_home()
    try:
        try:
            run_command(app, "heygem")
        finally:
            sys.stdout.flush()
    except OSError as error:  # commands report their own errors; Typer itself writes --help
        failure = discard(sys.stdout, error)
        print_error(failure)
        sys.exit(failure.exit_code)


def choose_home() -> None:
    """Set ``HOME`` if it cannot be found: the user of a container may have no entry in /etc/passwd."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"  # as container engines do


def find_no_program_in_current_folder() -> None:
    """Remove the current folder from ``PATH``: libraries look for programs, too."""
    path = isolated_environment(os.environ).get("PATH")
    if path is None:
        os.environ.pop("PATH", None)
    else:
        os.environ["PATH"] = path


def open_standard_streams() -> None:
    """Open the standard streams that the caller closed, and let none fail on a character.

    Otherwise the next file that is opened would get the descriptor of a closed stream.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # What is written to a closed standard output is lost: opened for reading only, it fails.
            devnull = os.open(os.devnull, os.O_RDWR if name == "stderr" else os.O_RDONLY)
            if devnull != number:
                os.dup2(devnull, number)
                os.close(devnull)
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that is not UTF-8, a terminal without ×
            stream.reconfigure(errors="backslashreplace")
