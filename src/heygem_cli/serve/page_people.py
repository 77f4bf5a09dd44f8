"""The part of the first page that shows the people of a face video and asks who speaks."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from heygem_cli.face.listing import ListedPerson
from heygem_cli.face.sheet import COLUMNS
from heygem_cli.serve.page_events import DIRECT
from heygem_cli.serve.page_html import escape
from heygem_cli.serve.page_language import translated
from heygem_cli.serve.texts import Texts

MAIN = "main"
"""The choice of nobody in particular: who is seen most."""
ROW_HEIGHT = 200
"""How high a row of the picture is shown at most, in pixels."""

# Sends where the picture was clicked, as parts of its width and height.
ON_CLICK = """
element.addEventListener('click', (event) => {
    const picture = event.target.closest('img')
    if (!picture) return
    const box = picture.getBoundingClientRect()
    trigger('click', {x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height})
})
"""


@dataclass(frozen=True)
class PeopleFields:
    """The components: what is said, the picture, the choice, and how many people there are."""

    said: gr.HTML
    picture: gr.HTML
    choice: gr.Radio
    count: gr.State

    @property
    def unchanged(self) -> list[Any]:
        """What leaves them as they are."""
        return [gr.skip()] * len(self.all)

    @property
    def all(self) -> list[Any]:
        """All of them, in the order in which :func:`found` and :func:`nobody` return them."""
        return [self.said, self.picture, self.choice, self.count]


def build_people() -> PeopleFields:
    """Add the components; a click on a person of the picture chooses the person."""
    with gr.Row(elem_id="people"):
        picture = gr.HTML(elem_id="people-picture", js_on_load=ON_CLICK)
        with gr.Column(elem_id="people-choice"):
            said = gr.HTML(elem_id="people-said")
            choice = gr.Radio([("", MAIN)], label=translated("person"), value=MAIN, visible=False, elem_id="person")
    count = gr.State(0)

    def choose(count: int, where: gr.EventData) -> Any:  # noqa: ANN401
        number = person_at(float(where.x), float(where.y), count)
        return gr.skip() if number is None or count < 2 else str(number)

    picture.click(choose, count, choice, **DIRECT)
    return PeopleFields(said, picture, choice, count)


def person_at(x: float, y: float, count: int) -> int | None:
    """Return the number of the person in whose cell of the picture a point is; None for no person.

    Args:
        x: The point, as a part of the picture's width.
        y: Likewise of its height.
        count: How many people the picture shows.
    """
    if not (0 <= x < 1 and 0 <= y < 1) or not count:
        return None
    columns, rows = _grid(count)
    number = int(y * rows) * columns + int(x * columns) + 1
    return number if number <= count else None


def _grid(count: int) -> tuple[int, int]:
    """Return the numbers of columns and of rows of the picture of so many people."""
    return min(COLUMNS, count), -(-count // COLUMNS)


def nobody(said: str = "") -> list[Any]:
    """Return what the components show without people; ``said`` is HTML."""
    return [said, "", gr.Radio(choices=[("", MAIN)], value=MAIN, visible=False), 0]


def found(people: Sequence[ListedPerson], picture: Path, chosen: str, texts: Texts) -> list[Any]:
    """Return what the components show for the people of a video, of whom one may be chosen already."""
    count = len(people)
    said = texts.one_person if count == 1 else texts.people.format(count=count)
    choices = [(texts.main_person, MAIN), *((_described(person, texts), str(person.number)) for person in people)]
    if chosen not in {value for _, value in choices}:  # a point, or a side, that a program gave
        choices.append((chosen, chosen))
    choice = gr.Radio(choices=choices, value=chosen, visible=len(choices) > len(people) + 1 or count > 1)
    return [f"<p>{escape(said)}</p>", _embedded(picture, texts.sheet, _grid(count)[1]), choice, count]


def _described(person: ListedPerson, texts: Texts) -> str:
    where = getattr(texts, f"where_{person.where}")
    text = texts.person_in_video if person.frames > 1 else texts.person_in_photo
    return text.format(number=person.number, where=where, share=person.percent, first=person.first, last=person.last)


def _embedded(picture: Path, described: str, rows: int) -> str:
    """Return the picture as HTML that holds it: no address leads to its file."""
    kind = mimetypes.guess_type(picture)[0]
    content = base64.b64encode(picture.read_bytes()).decode("ascii")
    style = f"max-height: {rows * ROW_HEIGHT}px"
    return f'<img src="data:{kind};base64,{content}" alt="{escape(described)}" style="{style}">'
