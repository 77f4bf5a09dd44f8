"""Choose the person who speaks among several faces, and follow that face from frame to frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from heygem_cli.errors import InputError

Rule = Literal["largest", "left", "center", "right"]
RULES: tuple[Rule, ...] = ("largest", "left", "center", "right")


@dataclass(frozen=True)
class Box:
    """A face in pixels: the centre of its bounding box, and the longer side of it."""

    x: float
    y: float
    size: float

    def matches(self, other: Box) -> bool:
        """Return whether boxes of successive frames can be the same face: they overlap and have a similar size."""
        distance = max(abs(self.x - other.x), abs(self.y - other.y))
        return distance < 0.6 * max(self.size, other.size) and 0.5 < self.size / other.size < 2


@dataclass(frozen=True)
class Person:
    """The person who speaks: a rule, the number of the face from the left (1 is leftmost), or a point in pixels."""

    rule: Rule | None = "largest"
    number: int | None = None
    point: tuple[float, float] | None = None

    def __str__(self) -> str:
        if self.point is not None:
            return f"{self.point[0]:g},{self.point[1]:g}"
        return str(self.number) if self.number is not None else str(self.rule)


def parse_person(text: str) -> Person:
    """Parse ``largest``, ``left``, ``center``, ``right``, a number from 1, or ``X,Y`` in pixels.

    Raises:
        InputError: The text is none of these.
    """
    cleaned = text.strip().lower()
    for rule in RULES:
        if cleaned == rule:
            return Person(rule)
    if re.fullmatch(r"\d{1,3}", cleaned) and int(cleaned) >= 1:
        return Person(None, number=int(cleaned))
    if point := re.fullmatch(r"(\d+(?:\.\d+)?)\s*[,x]\s*(\d+(?:\.\d+)?)", cleaned):
        return Person(None, point=(float(point[1]), float(point[2])))
    raise InputError(
        "bad-face-choice",
        f"invalid --face {text!r}",
        hint="Use largest, left, center, right, a number counted from the left (1, 2, …), or a point X,Y in pixels",
    )


def choose(boxes: Sequence[Box], person: Person, width: int) -> Box | None:
    """Return the face of the person who speaks, None if it is not there.

    Args:
        boxes: All faces of one frame.
        person: The person to choose.
        width: Width of the frame in pixels.
    """
    if not boxes:
        return None
    from_left = sorted(boxes, key=lambda box: box.x)
    if person.number is not None:
        return from_left[person.number - 1] if person.number <= len(boxes) else None
    if person.point is not None:
        x, y = person.point
        hits = [box for box in boxes if max(abs(box.x - x), abs(box.y - y)) < 0.75 * box.size]
        return min(hits, key=lambda box: (box.x - x) ** 2 + (box.y - y) ** 2, default=None)
    by_rule = {
        "left": from_left[0],
        "right": from_left[-1],
        "center": min(boxes, key=lambda box: abs(box.x - width / 2)),
        "largest": max(boxes, key=lambda box: box.size),
    }
    return by_rule[person.rule or "largest"]


def follow(boxes: Sequence[Box], last: Box) -> Box | None:
    """Return the face that matches the one in the last frame; a face that is alone in the frame always does."""
    matching = [box for box in boxes if box.matches(last)]
    if matching:
        return min(matching, key=lambda box: (box.x - last.x) ** 2 + (box.y - last.y) ** 2)
    return boxes[0] if len(boxes) == 1 else None
