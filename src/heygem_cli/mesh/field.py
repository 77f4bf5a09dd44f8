"""A smooth displacement field interpolated from control points, with a cut along the mouth.

Radial basis functions (multiquadrics: R. L. Hardy, "Multiquadric equations of topography and other irregular
surfaces", 1971) interpolate between control points. The lips touch when the mouth is closed and yet move apart, so
every point gets a third coordinate that separates the upper lip from the lower: largest in the middle of the mouth,
zero at its corners and beyond, where both sides coincide.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import Array
from heygem_cli.mesh.warp import Box

SOFTNESS = 0.06
"""Shape parameter of the multiquadrics in half mouth widths, about the distance between two lip points."""
RIDGE = 1e-3
"""Regularisation: keeps the system solvable when two control points coincide."""


def smoothstep(x: Array | float) -> Array:
    """Rise smoothly from 0 at 0 to 1 at 1."""
    clipped = np.minimum(np.maximum(np.asarray(x, np.float32), 0), 1)
    return np.asarray(clipped * clipped * (3 - 2 * clipped), np.float32)


@dataclass(frozen=True)
class MouthFrame:
    """A coordinate system of the mouth in the image: its centre and the vector from there to one corner, in pixels."""

    center: Array
    axis: Array

    @staticmethod
    def between(corner: Array, other: Array) -> MouthFrame:
        """Return the coordinate system spanned by the two corners of the mouth, in pixels."""
        return MouthFrame((corner + other) / 2, (other - corner) / 2)

    def to_local(self, points: Array) -> Array:
        """Convert points (points, 2) from pixels to half mouth widths along and across the mouth."""
        x, y = self.axis / float(self.axis @ self.axis)
        return np.asarray((points - self.center) @ np.array([[x, -y], [y, x]], np.float32), np.float32)


def lift(local: Array, side: Array | float) -> Array:
    """Add the third coordinate to points (points, 2) in mouth coordinates: (points, 3)."""
    along, across = local[:, 0], local[:, 1]
    height = np.clip(1 - along**2, 0, None) * np.exp(-((across / 0.8) ** 2))
    return np.column_stack([local, side * height]).astype(np.float32)


def _kernel(points: Array, centers: Array) -> Array:
    # |p - c|² as one matrix product, and the rest in place: this table is what takes the time of a warp.
    left = np.column_stack([points, (points**2).sum(1), np.ones(len(points), np.float32)])
    right = np.column_stack([-2 * centers, np.ones(len(centers), np.float32), (centers**2).sum(1)])
    table = left @ right.T
    np.maximum(table, 0, out=table)
    table += np.float32(SOFTNESS**2)
    return np.asarray(np.sqrt(table, out=table), np.float32)


@dataclass(frozen=True)
class Field:
    """A displacement field from each target position to its source."""

    frame: MouthFrame
    centers: Array
    weights: Array

    def evaluate(self, lifted: Array) -> Array:
        """Return displacements (points, 2) in pixels at points that :func:`lift` returned (points, 3)."""
        return np.asarray(_kernel(lifted, self.centers) @ self.weights[:-1] + self.weights[-1], np.float32)


def fit_field(frame: MouthFrame, targets: Array, displacements: Array, side: Array) -> Field:
    """Fit a field to control points.

    Args:
        frame: The target mouth.
        targets: (points, 2) target positions in pixels.
        displacements: (points, 2) from there to the sources.
        side: (points,) +1 on the upper lip, −1 on the lower lip, 0 elsewhere.
    """
    centers = lift(frame.to_local(targets), side)
    count = len(centers)
    system = np.ones((count + 1, count + 1))
    system[-1, -1] = 0
    system[:-1, :-1] = _kernel(centers, centers)
    # The multiquadric matrix is conditionally negative definite, hence the minus.
    system[np.arange(count), np.arange(count)] -= RIDGE
    right = np.zeros((count + 1, 2))
    right[:-1] = displacements
    return Field(frame, centers, np.linalg.solve(system, right).astype(np.float32))


@dataclass(frozen=True)
class Grid:
    """A displacement field sampled on a grid.

    Attributes:
        box: The region, its sides multiples of ``step``.
        step: Node spacing in pixels; each node is the centre of its cell.
        upper: (rows, columns, 2) displacements of the upper side, in pixels.
        tear: (rows, columns, 2) what to add below the mouth line; 0 away from the mouth.
    """

    box: Box
    step: int
    upper: Array
    tear: Array

    def weighted(self, weight: Array, threshold: float) -> Grid:
        """Scale by ``weight`` (rows, columns) and shorten each displacement by ``threshold`` pixels, to at least 0.

        Regions that hardly move then do not move at all and need not be rendered.
        """
        lower = _shorten((self.upper + self.tear) * weight[..., None], threshold)
        upper = _shorten(self.upper * weight[..., None], threshold)
        return Grid(self.box, self.step, upper, lower - upper)

    def crop(self, keep: npt.NDArray[np.bool_]) -> Grid | None:
        """Return the smallest part that contains the nodes ``keep`` (rows, columns) and a margin; None if no node."""
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


def _shorten(displacements: Array, by: float) -> Array:
    lengths = np.linalg.norm(displacements, axis=-1, keepdims=True)
    return np.asarray(displacements * np.clip(1 - by / np.maximum(lengths, 1e-6), 0, None), np.float32)


def _span(keep: npt.NDArray[np.bool_]) -> tuple[int, int]:
    kept = np.flatnonzero(keep)
    return max(0, int(kept[0]) - 2), min(len(keep), int(kept[-1]) + 3)


def sample_field(field: Field, box: Box, step: int, active: npt.NDArray[np.bool_]) -> Grid:
    """Sample a field on a grid.

    Args:
        field: The field.
        box: The region, its sides multiples of ``step``.
        step: Node spacing in pixels.
        active: (rows, columns) nodes to evaluate; the others are 0.
    """
    rows, columns = np.nonzero(active)
    xs, ys = box.left + (columns + 0.5) * step - 0.5, box.top + (rows + 0.5) * step - 0.5
    nodes = np.column_stack([xs, ys]).astype(np.float32)
    upper, tear = np.zeros((2, *active.shape, 2), np.float32)
    lifted = lift(field.frame.to_local(nodes), 1.0)
    upper[active] = above = field.evaluate(lifted)
    torn = lifted[:, 2] > 1e-3
    below = lifted[torn] * np.array([1, 1, -1], np.float32)
    tear[rows[torn], columns[torn]] = field.evaluate(below) - above[torn]
    return Grid(box, step, upper, tear)


def upsample(nodes: Array, box: Box) -> Array:
    """Interpolate grid values (rows, columns, 2) to every pixel of the box (height, width, 2)."""
    return np.asarray(cv2.resize(nodes, (box.width, box.height), interpolation=cv2.INTER_CUBIC), np.float32)
