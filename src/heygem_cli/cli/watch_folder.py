"""``heygem batch --watch-folder``: render what arrives in a folder, run after run, until a signal ends the program."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from heygem_cli.cli.output import console, spinner
from heygem_cli.errors import StoppedError, printable

if TYPE_CHECKING:
    from heygem_cli.batch.request import BatchRequest


def watch_folder(
    folder: Path, request: BatchRequest, run: Callable[[BatchRequest], int | None], *, quiet: bool
) -> None:
    """Run a batch of the files that have arrived, again and again.

    Args:
        folder: Where audio files arrive.
        request: The batch, without audio files.
        run: Runs a batch and shows its report; returns the signal that stopped it, if any.
        quiet: Whether to say nothing while it waits.

    Raises:
        typer.Exit: A signal came.
        InputError: The folder or the video cannot be used.
        HeygemError: A batch could not be run.
    """
    from heygem_cli.batch.arrivals import Arrivals
    from heygem_cli.batch.source import check_watch

    check_watch(folder, request)
    arrivals = Arrivals(folder, request.options)
    # What cannot be rendered must not stop what can.
    options = replace(request.options, skip_bad=True)
    text = f"Watching {printable(folder)} until Ctrl-C"
    if not quiet and not console(stderr=True).is_terminal:
        console(stderr=True).print(Text(text))
    try:
        while True:
            with nullcontext() if quiet else spinner(text):
                audios = tuple(map(str, arrivals.wait()))
            if stopped := run(replace(request, options=options, audios=audios)):
                raise typer.Exit(128 + stopped)
    except StoppedError as error:  # the usual end
        raise typer.Exit(error.exit_code) from error
