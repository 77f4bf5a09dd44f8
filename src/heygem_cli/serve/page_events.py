"""How the events of the page run, and what they know of its address."""

from __future__ import annotations

from typing import Any

import gradio as gr

DIRECT: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""Arguments of every event: programs have an API of their own, and the service a queue of its own.

Gradio's queue can lose the answer of an event that begins while the answers of another one end.
"""


def parameter(request: gr.Request, name: str) -> str:
    """Return a parameter of the page's address; empty if it is missing."""
    return str(request.query_params.get(name, ""))
