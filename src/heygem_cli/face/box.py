"""Where a face is in a frame."""

from __future__ import annotations

from dataclasses import dataclass

from heygem_cli.face.geometry import Array, bounds


@dataclass(frozen=True)
class Box:
    """A face in pixels: the centre of its bounding box, and the longer side of it.

    The angle is that of the line between the eyes, in radians, clockwise.
    """

    x: float
    y: float
    size: float
    angle: float = 0.0

    def third(self, width: int) -> str:
        """Return in which third of a picture of this width it is: left, center or right."""
        return ("left", "center", "right")[min(2, max(0, int(3 * self.x / width)))]

    def matches(self, other: Box) -> bool:
        """Return whether boxes of successive frames can be the same face: they overlap and have a similar size."""
        distance = max(abs(self.x - other.x), abs(self.y - other.y))
        return distance < 0.6 * max(self.size, other.size) and 0.5 < self.size / other.size < 2


def face_box(landmarks: Array) -> Box:
    """Return the box of landmarks (478, 3)."""
    low, high = bounds(landmarks)
    center = (low + high) / 2
    return Box(float(center[0]), float(center[1]), float((high - low).max()))
