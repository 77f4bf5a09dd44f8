"""Choose the person who speaks among several faces, and follow that face from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heygem_cli.options import Person


@dataclass(frozen=True)
class Box:
    """A face in pixels: the centre of its bounding box, and the longer side of it.

    The angle is that of the line between the eyes, in radians, clockwise.
    """

    x: float
    y: float
    size: float
    angle: float = 0.0

    def matches(self, other: Box) -> bool:
        """Return whether boxes of successive frames can be the same face: they overlap and have a similar size."""
        distance = max(abs(self.x - other.x), abs(self.y - other.y))
        return distance < 0.6 * max(self.size, other.size) and 0.5 < self.size / other.size < 2


def choose(boxes: Sequence[Box], person: Person, width: int) -> Box | None:
    """Return the face of the person who speaks, among all faces of a frame of this width; None if it is not there."""
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
    return by_rule.get(person.rule or "main", by_rule["largest"])


def follow(boxes: Sequence[Box], last: Box) -> Box | None:
    """Return the face that matches the one in the last frame; a face that is alone in the frame always does."""
    matching = [box for box in boxes if box.matches(last)]
    if matching:
        return min(matching, key=lambda box: (box.x - last.x) ** 2 + (box.y - last.y) ** 2)
    return boxes[0] if len(boxes) == 1 else None
