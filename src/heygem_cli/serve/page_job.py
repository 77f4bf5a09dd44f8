"""The page of one job: its place in the queue, its progress, its video, its error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from heygem_cli.serve import page_html
from heygem_cli.serve.job import ServedJob, UnknownJobError
from heygem_cli.serve.page_events import DIRECT, parameter
from heygem_cli.serve.page_language import texts_of, translated
from heygem_cli.serve.service import RenderService
from heygem_cli.serve.texts import Texts

SECONDS = 1.0
"""Time between two looks at a job."""

Part = Callable[[ServedJob, Texts], str]
PARTS: dict[str, Part] = {
    "title": lambda job, _: page_html.title(job),
    "status": page_html.status,
    "progress": page_html.progress,
    "preview": page_html.preview,
    "result": page_html.result,
    "again": page_html.links,
    "settings": page_html.settings,
}
"""The parts of the page from the top; the button that cancels follows the preview."""
Shown = dict[str, str]
"""The parts as they were last sent: what has not changed is not sent again, so that a video plays on."""


def build_job_page(page: gr.Blocks, service: RenderService) -> None:
    """Add the components, and what they do, of the page of the job that the address ``job?id=…`` names."""
    parts = []
    for name in PARTS:
        parts.append(gr.HTML(elem_id=f"job-{name}"))
        if name == "preview":
            cancel = gr.Button(translated("cancel"), visible=False, elem_id="cancel")
    shown, timer = gr.State({}), gr.Timer(SECONDS)

    def look(shown: Shown, request: gr.Request) -> list[Any]:
        return _look(service, parameter(request, "id"), shown, texts_of(request))

    def stop(request: gr.Request) -> None:
        service.cancel(parameter(request, "id"))

    outputs = [shown, timer, cancel, *parts]
    gr.on([page.load, timer.tick], look, shown, outputs, **DIRECT)
    cancel.click(stop, **DIRECT).then(look, shown, outputs, **DIRECT)


def _look(service: RenderService, job_id: str, shown: Shown, texts: Texts) -> list[Any]:
    """Return what changes on the page: the parts as they are now, the timer, the button, and the parts themselves."""
    try:
        job = service.job(job_id)
    except UnknownJobError:
        return [shown, gr.Timer(active=False), gr.Button(visible=False), *_unknown(texts)]
    now = {name: part(job, texts) for name, part in PARTS.items()}
    changes = [gr.skip() if shown.get(name) == now[name] else now[name] for name in PARTS]
    return [now, gr.Timer(active=not job.has_ended), gr.Button(visible=not job.has_ended), *changes]


def _unknown(texts: Texts) -> list[str]:
    shown = {"status": page_html.error_line(texts.unknown_job), "again": page_html.new_link(texts)}
    return [shown.get(name, "") for name in PARTS]
