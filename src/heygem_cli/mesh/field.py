"""A smooth displacement field from a few points that move, torn open along the mouth.

Radial basis functions (multiquadrics: R. L. Hardy, "Multiquadric equations of topography and other irregular
surfaces", 1971) interpolate between control points. Upper and lower lip touch when the mouth is closed and yet move
apart, so the points get a third coordinate: the upper lip's are lifted to one side and the lower lip's to the other,
most in the middle of the mouth and not at all at its corners and beyond. There the two sides are one.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import Array
from heygem_cli.mesh.warp import Box

SOFTNESS = 0.06
"""Of the multiquadrics, in units of the mouth frame's axis; about the distance of two lip points."""
RIDGE = 1e-3
"""Keeps the system solvable where two control points fall together."""


def smoothstep(x: Array | float) -> Array:
    """0 below 0, 1 above 1, smooth in between."""
    clipped = np.clip(np.asarray(x, np.float32), 0, 1)
    return np.asarray(clipped * clipped * (3 - 2 * clipped), np.float32)


@dataclass(frozen=True)
class MouthFrame:
    """A frame of reference of the mouth in the image: its middle, and the vector from the middle to a corner."""

    middle: Array
    axis: Array

    @staticmethod
    def between(corner: Array, other: Array) -> MouthFrame:
        """The frame whose ends are the two corners of the mouth, in pixels."""
        return MouthFrame((corner + other) / 2, (other - corner) / 2)

    def local(self, points: Array) -> Array:
        """Pixels (points, 2) to units of half a mouth, along and across the mouth."""
        x, y = self.axis / float(self.axis @ self.axis)
        return np.asarray((points - self.middle) @ np.array([[x, -y], [y, x]], np.float32), np.float32)


def lift(local: Array, side: Array | float) -> Array:
    """Give points (points, 2) of the mouth frame their third coordinate (points, 3)."""
    along, across = local[:, 0], local[:, 1]
    height = np.clip(1 - along**2, 0, None) * np.exp(-((across / 0.8) ** 2))
    return np.column_stack([local, side * height]).astype(np.float32)


def _kernel(points: Array, centres: Array) -> Array:
    squared = (points**2).sum(1)[:, None] + (centres**2).sum(1) - 2 * (points @ centres.T)
    return np.asarray(np.sqrt(np.maximum(squared, 0) + np.float32(SOFTNESS**2)), np.float32)


@dataclass(frozen=True)
class Field:
    """A displacement field: where the pixel that belongs to a place is to be taken from."""

    frame: MouthFrame
    centres: Array
    weights: Array

    def at(self, points: Array, side: float) -> Array:
        """Displacements (points, 2) in pixels at places (points, 2), on the upper (+1) or lower (−1) side."""
        lifted = lift(self.frame.local(points), side)
        return np.asarray(_kernel(lifted, self.centres) @ self.weights[:-1] + self.weights[-1], np.float32)


def fit_field(frame: MouthFrame, places: Array, displacements: Array, side: Array) -> Field:
    """Fit a field.

    Args:
        frame: of the mouth as it shall be.
        places: control points (points, 2) where they shall be, in pixels.
        displacements: (points, 2) from there to where they are.
        side: (points,) +1 on the upper lip, −1 on the lower lip, 0 elsewhere.
    """
    centres = lift(frame.local(places), side)
    count = len(centres)
    system = np.ones((count + 1, count + 1))
    system[-1, -1] = 0
    system[:-1, :-1] = _kernel(centres, centres)
    # The multiquadric's matrix is conditionally negative definite: the ridge goes to its diagonal with a minus.
    system[np.arange(count), np.arange(count)] -= RIDGE
    right = np.zeros((count + 1, 2))
    right[:-1] = displacements
    return Field(frame, centres, np.linalg.solve(system, right).astype(np.float32))


@dataclass(frozen=True)
class Grid:
    """A displacement field at the nodes of a grid over a box.

    Attributes:
        box: its sides are multiples of ``step``.
        step: distance of two nodes in pixels; each stands in the middle of its cell.
        upper: (rows, columns, 2) displacements on the upper side, in pixels.
        tear: (rows, columns, 2) what must be added below the line where the lips meet; 0 away from the mouth.
    """

    box: Box
    step: int
    upper: Array
    tear: Array

    def settled(self, weight: Array, least: float) -> Grid:
        """The grid times a weight (rows, columns), each displacement ``least`` pixels shorter and none below that.

        What hardly moves then does not move at all, and need not be drawn.
        """
        lower = _shorter((self.upper + self.tear) * weight[..., None], least)
        upper = _shorter(self.upper * weight[..., None], least)
        return Grid(self.box, self.step, upper, lower - upper)

    def trimmed(self, keep: npt.NDArray[np.bool_]) -> Grid | None:
        """The smallest part that holds the nodes ``keep`` (rows, columns) and two more around; None without any."""
        if not keep.any():
            return None
        (top, bottom), (left, right) = (_span(keep.any(axis)) for axis in (1, 0))
        box = Box(
            self.box.left + left * self.step,
            self.box.top + top * self.step,
            (right - left) * self.step,
            (bottom - top) * self.step,
        )
        return Grid(box, self.step, self.upper[top:bottom, left:right], self.tear[top:bottom, left:right])


def _shorter(displacements: Array, by: float) -> Array:
    lengths = np.linalg.norm(displacements, axis=-1, keepdims=True)
    return np.asarray(displacements * np.clip(1 - by / np.maximum(lengths, 1e-6), 0, None), np.float32)


def _span(keep: npt.NDArray[np.bool_]) -> tuple[int, int]:
    kept = np.flatnonzero(keep)
    return max(0, int(kept[0]) - 2), min(len(keep), int(kept[-1]) + 3)


def evaluate(field: Field, box: Box, step: int, wanted: npt.NDArray[np.bool_]) -> Grid:
    """Evaluate a field at the nodes of a grid over a box.

    Args:
        field: to evaluate.
        box: its sides are multiples of ``step``.
        step: distance of two nodes in pixels.
        wanted: (rows, columns) the nodes where it is evaluated; it is 0 at the others.
    """
    rows, columns = np.nonzero(wanted)
    xs, ys = box.left + (columns + 0.5) * step - 0.5, box.top + (rows + 0.5) * step - 0.5
    nodes = np.column_stack([xs, ys]).astype(np.float32)
    upper, tear = np.zeros((2, *wanted.shape, 2), np.float32)
    upper[wanted] = above = field.at(nodes, 1.0)
    torn = lift(field.frame.local(nodes), 1.0)[:, 2] > 1e-3
    tear[rows[torn], columns[torn]] = field.at(nodes[torn], -1.0) - above[torn]
    return Grid(box, step, upper, tear)


def dense(nodes: Array, box: Box) -> Array:
    """Bring values at the nodes of a grid (rows, columns, 2) to every pixel of its box (height, width, 2)."""
    return np.asarray(cv2.resize(nodes, (box.width, box.height), interpolation=cv2.INTER_CUBIC), np.float32)
