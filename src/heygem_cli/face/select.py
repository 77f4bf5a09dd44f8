"""Which of several faces speaks, and which detection is the one that was followed so far."""

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
    """A face in pixels of the frame: its middle, and the longer side of its bounding box."""

    x: float
    y: float
    size: float

    def near(self, other: Box) -> bool:
        """Whether two boxes of successive frames can be the same face: they overlap and are of like size."""
        apart = max(abs(self.x - other.x), abs(self.y - other.y))
        return apart < 0.6 * max(self.size, other.size) and 0.5 < self.size / other.size < 2


@dataclass(frozen=True)
class Person:
    """Which person speaks: a rule, the number of the face from the left (1 is the leftmost), or a point in pixels."""

    rule: Rule | None = "largest"
    number: int | None = None
    point: tuple[float, float] | None = None

    def __str__(self) -> str:
        if self.point is not None:
            return f"{self.point[0]:g},{self.point[1]:g}"
        return str(self.number) if self.number is not None else str(self.rule)


def parse_person(text: str) -> Person:
    """Read ``largest``, ``left``, ``center``, ``right``, a number from 1, or ``X,Y`` in pixels.

    Raises:
        InputError: anything else.
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
        f"--face {text!r} is not understood",
        hint="Use largest, left, center, right, a number counted from the left (1, 2, …), or a point X,Y in pixels",
    )


def choose(boxes: Sequence[Box], choice: Person, width: int) -> Box | None:
    """Pick the person who speaks; None where the choice names a face that is not there.

    Args:
        boxes: all faces of one frame.
        choice: whom to pick.
        width: of the frame, in pixels.
    """
    if not boxes:
        return None
    from_left = sorted(boxes, key=lambda box: box.x)
    if choice.number is not None:
        return from_left[choice.number - 1] if choice.number <= len(boxes) else None
    if choice.point is not None:
        x, y = choice.point
        hit = [box for box in boxes if max(abs(box.x - x), abs(box.y - y)) < 0.75 * box.size]
        return min(hit, key=lambda box: (box.x - x) ** 2 + (box.y - y) ** 2, default=None)
    by_rule = {
        "left": from_left[0],
        "right": from_left[-1],
        "center": min(boxes, key=lambda box: abs(box.x - width / 2)),
        "largest": max(boxes, key=lambda box: box.size),
    }
    return by_rule[choice.rule or "largest"]


def follow(boxes: Sequence[Box], last: Box) -> Box | None:
    """Find the face that was followed so far among new detections; a face alone in the picture is taken to be it."""
    near = [box for box in boxes if box.near(last)]
    if near:
        return min(near, key=lambda box: (box.x - last.x) ** 2 + (box.y - last.y) ** 2)
    return boxes[0] if len(boxes) == 1 else None
