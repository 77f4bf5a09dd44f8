"""``heygem serve``: a page and an HTTP API over one queue of jobs."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from platformdirs import user_data_path
from rich.text import Text

from heygem_cli.cli.output import console
from heygem_cli.cli.parameters import Given, command, only
from heygem_cli.extras import require_extra
from heygem_cli.options import DisplayOptions, EngineOptions, RenderOptions
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings
from heygem_cli.serve_options import ServeOptions

if TYPE_CHECKING:
    import threading

    from heygem_cli.serve.service import RenderService


class ServeCommand(typer.core.TyperCommand):
    """Takes ``--api`` with and without a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401, D102
        return super().parse_args(ctx, list(_with_api(args)))


def _with_api(arguments: Sequence[str]) -> list[str]:
    """Return the command line with the value ``jobs`` after each ``--api`` that has none."""
    completed: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], "--"], strict=False):
        bare = argument == "--api" and following.startswith("-")
        completed.append("--api=jobs" if bare else argument)
    return completed


@command
def serve(
    *,
    options: ServeOptions,
    render: Annotated[RenderOptions, only("engine", "threads", "quality", "crf", "preset", "encoder")],
    engines: EngineOptions,
    display: Annotated[DisplayOptions, only("quiet", "debug")],
    given: Given,
) -> None:
    """Show a page on which people make videos. With `--api` it serves programs, too.

    It goes on until Ctrl-C or SIGTERM. Jobs that wait then, or are interrupted, are rendered after the next start.
    """
    require_extra("serve", "gradio", "prometheus_client")
    settings = read_settings(os.environ, render.encode.threads)
    apply_settings(settings, os.environ)
    from heygem_cli.engines import check_engine_options, check_options
    from heygem_cli.pipeline import check_current_folder

    check_current_folder()
    check_engine_options([render.engine], given)
    check_options(render)
    folder = (options.folder or user_data_path("heygem") / "serve").absolute()
    prepare_gradio(folder)
    from heygem_cli.serve.access import read_access
    from heygem_cli.serve.server import listen, logging_to, serving
    from heygem_cli.serve.service import RenderService

    read_access(options)  # before anything is started
    with ExitStack() as stack:
        service = RenderService(folder, options, engines, render, settings)
        listener = stack.enter_context(listen(options.host, options.port))
        stack.enter_context(logging_to(folder))
        stack.enter_context(service)
        if not display.debug:
            stack.callback(hide_native_output())
        from heygem_cli.serve.app import make_app

        url = address(options)
        thread = stack.enter_context(serving(make_app(service, options), listener, url))
        gc.freeze()  # what the libraries have loaded stays; looking through it all at the end takes seconds
        if not display.quiet:
            console(stderr=True).print(Text(f"{url} (Ctrl-C stops it; files and log: {folder})"))
        _wait(service, thread)


def prepare_gradio(folder: Path) -> None:
    """Let Gradio, which is imported afterwards, keep its files in a folder, and ask nothing of the internet."""
    uploads = str(folder / "uploads")
    os.environ["GRADIO_TEMP_DIR"] = uploads
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):  # Gradio's client, which asks nobody, does not start with some of them
            del os.environ[name]
    tempfile.tempdir = uploads  # what arrives is written there while it arrives


def address(options: ServeOptions) -> str:
    """Return where a browser finds the page."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"http://{host}:{options.port}"


def _wait(service: RenderService, thread: threading.Thread) -> None:
    """Wait until a signal comes.

    Raises:
        StoppedError: It came.
        HeygemError: The engine cannot be loaded, or the server ended by itself.
    """
    from heygem_cli.errors import HeygemError

    while thread.is_alive():
        thread.join(0.5)
        if (failure := service.start_failure) is not None:
            raise failure
    raise HeygemError("server-ended", "the HTTP server ended", hint="See the log")
