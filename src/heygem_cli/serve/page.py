"""The page of ``heygem serve``: Gradio's blocks, and how they are mounted."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
from starlette.applications import Starlette
from starlette.routing import Mount

from heygem_cli.errors import HeygemError
from heygem_cli.serve.api import report
from heygem_cli.serve.page_files import file_routes
from heygem_cli.serve.page_form import Form, build_history
from heygem_cli.serve.page_guard import PageGuard
from heygem_cli.serve.page_job import build_job_page
from heygem_cli.serve.page_language import translated, translations
from heygem_cli.serve.page_script import PageScript

if TYPE_CHECKING:
    from fastapi import FastAPI

    from heygem_cli.serve.service import RenderService
    from heygem_cli.serve_options import ServeOptions

STATIC = Path(__file__).parent / "static"
FONTS = [
    "system-ui",
    "Segoe UI",
    "Roboto",
    "Noto Sans",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "sans-serif",
]
"""Those of the browser's system: nothing is loaded."""


def make_page(service: RenderService, options: ServeOptions) -> gr.Blocks:
    """Return the page: the form with the history, and the page of a job."""
    os.environ["GRADIO_TEMP_DIR"] = str(service.store.uploads)  # Gradio reads it whenever a file arrives
    page = gr.Blocks(title="heygem", analytics_enabled=False)
    with page:
        _header()
        Form(page, service)
        build_history(page, service)
    with page.route("Job", "job"):
        _header()
        build_job_page(page, service)
    # No event uses it, see DIRECT; these are the values that operators are told to set.
    page.queue(max_size=options.queue_size, default_concurrency_limit=1, api_open=False)
    page.has_launched = True  # else Gradio takes any file of this machine for one that was uploaded
    return page


def mount_page(app: FastAPI, service: RenderService, options: ServeOptions) -> None:
    """Mount the page and the files that it shows at the root of an application, behind its other routes."""
    app.router.routes.extend(file_routes(service))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "SSR mode")  # which is off
        gr.mount_gradio_app(
            app,
            make_page(service, options),
            path="/",
            root_path=options.root_path or None,
            i18n=translations(),
            theme=_theme(),
            css_paths=STATIC / "page.css",
            favicon_path=str(STATIC / "favicon.svg"),
            max_file_size=int(options.max_upload),
            footer_links=[],
            run_history=False,
            show_error=False,
            ssr_mode=False,
            enable_monitoring=False,
            pwa=False,
        )
    gradio = app.router.routes.pop()
    assert isinstance(gradio, Mount) and isinstance(gradio.app, Starlette)  # noqa: S101 - what Gradio mounts
    for error in (OSError, HeygemError):  # of an upload: the disk or the quota is full
        gradio.app.add_exception_handler(error, report)
    with_script = PageScript(gradio.app, (STATIC / "page.js").read_text(encoding="utf-8"))
    app.router.routes.append(Mount("/", PageGuard(with_script, service.store.uploads)))


def _header() -> None:
    with gr.Row(elem_id="header"):
        gr.HTML('<h1><a href="./">heygem</a></h1>', elem_id="brand")
        change = gr.Button(translated("other_language"), elem_id="language", size="sm")
    change.click(None, js="() => heygemLanguage.change()")


def _theme() -> gr.themes.Base:
    return gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=["monospace"]).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
    )
