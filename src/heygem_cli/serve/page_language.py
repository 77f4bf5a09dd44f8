"""The language of the page: the browser's, unless another one was chosen on the page."""

from __future__ import annotations

import gradio as gr
from gradio.i18n import I18nData

from heygem_cli.serve.page_options import option_texts
from heygem_cli.serve.texts import TEXTS, Texts, choose_language

COOKIE = "heygem-language"
"""Set by ``static/page.js``."""


def translations() -> gr.I18n:
    """Return the texts of both languages for the browser, which puts them into the components."""
    every = {language: {**vars(texts), **option_texts(language)} for language, texts in TEXTS.items()}
    return gr.I18n(
        **{language: {_key(name): text for name, text in texts.items()} for language, texts in every.items()}
    )


def translated(name: str) -> I18nData:
    """Return what stands for a text until the browser puts it in."""
    return I18nData(_key(name))


def texts_of(request: gr.Request) -> Texts:
    """Return the texts in the language of a request."""
    return TEXTS[choose_language(request.cookies.get(COOKIE) or request.headers.get("accept-language", ""))]


def _key(name: str) -> str:
    return f"heygem_{name}"  # Gradio has texts of its own, under short names
