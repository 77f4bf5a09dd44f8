"""The first page: the audio, the face, who speaks, the options, and the last jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from heygem_cli.errors import HeygemError
from heygem_cli.serve import page_html
from heygem_cli.serve.job import ServedJob, UnknownJobError
from heygem_cli.serve.page_events import DIRECT, parameter
from heygem_cli.serve.page_fields import make_field
from heygem_cli.serve.page_language import texts_of, translated
from heygem_cli.serve.page_options import given_options, offered, offers_people, shown_values
from heygem_cli.serve.page_people import MAIN, build_people, found, nobody
from heygem_cli.serve.service import RenderService
from heygem_cli.serve.texts import Texts

HISTORY = 20
"""How many of the last jobs are listed."""
HISTORY_SECONDS = 5.0
"""Time between two looks at them."""
OPEN_JOB = "(id) => { if (id) window.location.assign('job?id=' + encodeURIComponent(id)) }"


class Form:
    """The part of the page where a job begins; the address ``?again=…`` takes the files of an earlier one.

    Args:
        page: The blocks in which it is made.
        service: Takes the job.
    """

    def __init__(self, page: gr.Blocks, service: RenderService) -> None:
        self._service = service
        self._offered = offered(service.defaults)
        self._again = gr.HTML(elem_id="again")
        with gr.Row(elem_id="files") as self._files:
            self._audio = gr.Audio(
                label=translated("audio"),
                sources=["upload", "microphone"],
                type="filepath",
                editable=False,
                buttons=[],
                elem_id="audio",
            )
            self._face = gr.File(label=translated("face"), file_types=["video", "image"], elem_id="face")
        self._people = build_people()
        with gr.Accordion(translated("options"), open=False, elem_id="options"), gr.Row(elem_id="option-fields"):
            self._options = [make_field(each) for each in self._offered]
        self._error = gr.HTML(elem_id="error")
        start = gr.Button(translated("start"), variant="primary", size="lg", elem_id="start")
        self._connect(page, start)

    def _connect(self, page: gr.Blocks, start: gr.Button) -> None:
        filled = page.load(self._fill, None, [self._again, self._files, *self._options], **DIRECT)
        if offers_people(self._service.defaults):
            self._connect_people(filled)
        started = gr.Textbox(visible=False)
        fields = [self._audio, self._face, self._people.choice, *self._options]
        submitted = start.click(self._submit, fields, [self._error, started], **DIRECT)
        submitted.success(None, started, None, js=OPEN_JOB)
        submitted.failure(_unexpected, None, self._error, **DIRECT)

    def _connect_people(self, filled: Any) -> None:  # noqa: ANN401 - an event that was added
        people = self._people.all
        announced = self._face.change(self._announce, self._face, people, **DIRECT)
        announced_again = filled.then(self._announce_again, None, people, **DIRECT)
        for found_people in (
            announced.then(self._find, self._face, people, trigger_mode="always_last", **DIRECT),
            announced_again.then(self._find_again, None, people, **DIRECT),
        ):
            found_people.failure(_unexpected, None, self._people.said, **DIRECT)

    def _earlier(self, request: gr.Request) -> ServedJob | None:
        """Return the job whose files are used again; None where the address names none."""
        try:
            return self._service.job(parameter(request, "again"))
        except UnknownJobError:
            return None

    def _fill(self, request: gr.Request) -> list[Any]:
        job = self._earlier(request)
        if job is None:
            return [gr.skip()] * (2 + len(self._options))
        note = page_html.again(job, texts_of(request))
        return [note, gr.Row(visible=False), *shown_values(self._offered, job.options)]

    def _announce(self, face: str | None, request: gr.Request) -> list[Any]:
        return nobody() if face is None else nobody(page_html.activity(texts_of(request).looking))

    def _find(self, face: str | None, request: gr.Request) -> list[Any]:
        if face is None:
            return nobody()
        return _people(lambda: self._service.people(Path(face)), MAIN, [face], texts_of(request))

    def _announce_again(self, request: gr.Request) -> list[Any]:
        if self._earlier(request) is None:
            return self._people.unchanged
        return nobody(page_html.activity(texts_of(request).looking))

    def _find_again(self, request: gr.Request) -> list[Any]:
        job = self._earlier(request)
        if job is None:
            return self._people.unchanged
        chosen = str(job.options.get("person", MAIN))
        return _people(lambda: self._service.people_of(job.id), chosen, [], texts_of(request))

    def _submit(
        self, request: gr.Request, audio: str | None, face: str | None, person: str | None, *values: object
    ) -> tuple[str, str]:
        """Submit the job; return an error as HTML, or else the job's id."""
        try:
            if missing := self._missing(audio, face, request):
                return page_html.error_line(missing), ""
            options = given_options(self._offered, values)
            if person and person != MAIN:
                options["person"] = person
            job = self._submit_with(audio, face, options, request)
        except HeygemError as error:
            return page_html.error_of(error, [path for path in (audio, face) if path], texts_of(request)), ""
        return "", job.id

    def _missing(self, audio: str | None, face: str | None, request: gr.Request) -> str:
        """Say which file is missing; empty if none is, or if those of an earlier job are used."""
        if not audio and not face and parameter(request, "again"):
            return ""
        texts = texts_of(request)
        return texts.missing_audio if not audio else texts.missing_face if not face else ""

    def _submit_with(
        self, audio: str | None, face: str | None, options: dict[str, object], request: gr.Request
    ) -> ServedJob:
        if not audio or not face:
            earlier = parameter(request, "again")
            return self._service.again(earlier, {**self._kept(earlier), **options})
        names = {"audio_name": Path(audio).name, "face_name": Path(face).name}
        return self._service.submit(Path(audio), Path(face), options, **names)

    def _kept(self, earlier: str) -> dict[str, object]:
        """Return the options of an earlier job that the page does not ask for, which programs can give."""
        asked = {"person", *(each.name for each in self._offered)}
        return {name: value for name, value in self._service.job(earlier).options.items() if name not in asked}


def _unexpected(request: gr.Request) -> str:
    """Say that an event failed in a way that is no :class:`HeygemError`; the server's log says why."""
    return page_html.error_line(texts_of(request).did_not_work)


def _people(find: Callable[[], Any], chosen: str, paths: list[str], texts: Texts) -> list[Any]:
    try:
        people, picture = find()
    except HeygemError as error:
        return nobody(page_html.error_of(error, paths, texts))
    return found(people, picture, chosen, texts)


def build_history(page: gr.Blocks, service: RenderService) -> None:
    """Add the list of the last jobs."""
    history, shown, timer = gr.HTML(elem_id="history"), gr.State(""), gr.Timer(HISTORY_SECONDS)

    def look(shown: str, request: gr.Request) -> list[Any]:
        now = page_html.history(service.jobs(HISTORY), texts_of(request))
        return [now, gr.skip() if now == shown else now]

    gr.on([page.load, timer.tick], look, shown, [shown, history], **DIRECT)
