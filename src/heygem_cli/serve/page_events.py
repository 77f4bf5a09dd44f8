"""How the events of the page run, and what they know of its address."""

from __future__ import annotations

from typing import Any

import gradio as gr

QUEUED: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""Arguments of an event that takes long, of which one runs at a time; programs have an API of their own."""
DIRECT: dict[str, Any] = {"queue": False, **QUEUED}
"""Arguments of an event that waits for no other one.

Gradio can lose the answer of a queued event that begins while the answers of another one end.
"""


def parameter(request: gr.Request, name: str) -> str:
    """Return a parameter of the page's address; empty if it is missing."""
    return str(request.query_params.get(name, ""))
