"""Who speaks, and which audio, as options name it."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from heygem_cli.errors import InputError

Rule = Literal["main", "largest", "left", "center", "right"]
"""``main``: who is seen most."""


@dataclass(frozen=True)
class Person:
    """Who speaks: a rule, a number of ``heygem faces``, a point in pixels, or the file of a picture of the person."""

    rule: Rule | None = "main"
    number: int | None = None
    point: tuple[float, float] | None = None
    picture: Path | None = None

    def located(self, find: Callable[[str], Path]) -> Person:
        """Return the same with the picture where ``find`` finds it."""
        return self if self.picture is None else replace(self, picture=find(str(self.picture)))

    def __str__(self) -> str:
        if self.picture is not None:
            return str(self.picture)
        if self.point is not None:
            return f"{self.point[0]:g},{self.point[1]:g}"
        return str(self.number) if self.number is not None else str(self.rule)


def parse_person(text: str) -> Person:
    """Read a rule such as ``left``, a number from 1, ``X,Y`` in pixels, or the name of a picture, with its extension.

    Raises:
        InputError: ``bad-face-choice``.
    """
    cleaned = text.strip().lower()
    for rule in typing.get_args(Rule):
        if cleaned == rule:
            return Person(rule)
    number = re.fullmatch(r"([0-9]{1,3})(?:\.0)?", cleaned)  # of a table whose column has empty cells
    if number and int(number[1]) >= 1:
        return Person(None, number=int(number[1]))
    if point := re.fullmatch(r"(\d+(?:\.\d+)?)\s*[,x]\s*(\d+(?:\.\d+)?)", cleaned):
        return Person(None, point=(float(point[1]), float(point[2])))
    if re.search(r"\.[a-z]\w*\s*$", text, re.IGNORECASE):
        return Person(None, picture=Path(text))
    hint = (
        "Use a number of heygem faces (1, 2, …), a picture such as anna.jpg, a point X,Y in pixels, or main, "
        "largest, left, center, right"
    )
    raise InputError("bad-face-choice", f"person {text!r} is not understood", hint=hint)


@dataclass(frozen=True)
class Speech:
    """What one of several people says."""

    person: Person
    audio: Path

    def __str__(self) -> str:
        return f"{self.person}={self.audio}"

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are read: the audio, and the picture that says who speaks."""
        picture = self.person.picture
        return (self.audio,) if picture is None else (self.audio, picture)

    def located(self, find: Callable[[str], Path]) -> Speech:
        """Return the same with the files where ``find`` finds them."""
        return Speech(self.person.located(find), find(str(self.audio)))


def parse_speech(text: str) -> Speech:
    """Read ``PERSON=FILE``, with what :func:`parse_person` reads before the first ``=``.

    Raises:
        InputError: ``bad-speech``, ``bad-face-choice``.
    """
    person, _, audio = text.partition("=")
    if not person.strip() or not audio.strip():
        message = f"--speak {text!r} is not of the form PERSON=FILE"
        raise InputError("bad-speech", message, hint="Example: --speak 1=anna.wav --speak 2=ben.wav")
    return Speech(parse_person(person), Path(audio))
