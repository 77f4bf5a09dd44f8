"""The fields of the page for options."""

from __future__ import annotations

import typing
from typing import Any

import gradio as gr

from heygem_cli.option_fields import Declared
from heygem_cli.serve.page_language import translated
from heygem_cli.serve.page_options import kind, shown_default, text_key


def make_field(each: Declared) -> gr.Component:
    """Return the field of an option, with its default: a choice, a slider or a line of text."""
    common: dict[str, Any] = {
        "value": shown_default(each),
        "label": translated(text_key(each.name, "label")),
        "info": translated(text_key(each.name, "help")),
        "elem_id": f"option-{each.name}",
    }
    match kind(each):
        case "choice":
            return gr.Radio(typing.get_args(each.type), **common)
        case "slider":
            return gr.Slider(each.facts.minimum or 0, each.facts.maximum or 1, step=0.05, **common)
        case "text":
            return gr.Textbox(placeholder=translated(text_key(each.name, "default")), max_lines=1, **common)
