"""The page of ``heygem serve``."""

from __future__ import annotations

import gradio

from heygem_cli.serve.service import RenderService
from heygem_cli.serve_options import ServeOptions


def make_page(service: RenderService, options: ServeOptions) -> gradio.Blocks:  # noqa: ARG001
    """Return the page."""
    page = gradio.Blocks(title="heygem", analytics_enabled=False)
    with page:
        gradio.Markdown("# heygem")
    return page
