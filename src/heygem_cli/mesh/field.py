"""A smooth displacement field interpolated from control points, with a cut along the mouth.

Radial basis functions (multiquadrics: R. L. Hardy, "Multiquadric equations of topography and other irregular
surfaces", 1971) interpolate between control points. The lips touch when the mouth is closed and yet move apart, so
every point gets a third coordinate that separates the upper lip from the lower: largest in the middle of the mouth,
zero at its corners and beyond, where both sides coincide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import Array, PerFrame
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
class MouthFrame(PerFrame):
    """Coordinate systems of mouths in their images.

    Attributes:
        center: (…, 2) the centre of the mouth, in pixels.
        axis: (…, 2) the vector from there to one corner.
    """

    center: Array
    axis: Array

    @staticmethod
    def between(corner: Array, other: Array) -> MouthFrame:
        """Return the coordinate systems spanned by the two corners of each mouth, (…, 2) in pixels."""
        return MouthFrame((corner + other) / 2, (other - corner) / 2)

    def to_local(self, points: Array) -> Array:
        """Convert points (…, points, 2) from pixels to half mouth widths along and across the mouth."""
        return np.asarray((points - self.center[..., None, :]) @ self._turn, np.float32)

    @cached_property
    def _turn(self) -> Array:
        """The matrices (…, 2, 2) whose columns lead along and across the mouth."""
        turn = np.empty((*self.axis.shape, 2), np.float32)
        turn[..., 0] = self.axis / _squares(self.axis)
        turn[..., 0, 1], turn[..., 1, 1] = -turn[..., 1, 0], turn[..., 0, 0]
        return turn


def lift(local: Array, side: Array | float) -> Array:
    """Add the third coordinate to points (…, points, 2) in mouth coordinates: (…, points, 3)."""
    along, across = local[..., :1], local[..., 1:]
    height = np.maximum(1 - along**2, 0) * np.exp(-((across / np.float32(0.8)) ** 2))
    return np.concatenate([local, np.asarray(side, np.float32)[..., None] * height], -1)


def _kernel(centers: Array, points: Array) -> Array:
    """Return how far each point is from each centre, softened: (…, centers, points)."""
    # |c - p|² as one matrix product, and the rest in place: this table is what takes the time of a warp.
    left = np.concatenate([-2 * centers, _ones(centers), _squares(centers)], -1)
    right = np.concatenate([points, _squares(points) + np.float32(SOFTNESS**2), _ones(points)], -1)
    table = left @ np.swapaxes(right, -1, -2)
    np.abs(table, out=table)  # rounding may make a tiny one negative
    flat = table.reshape(-1, table.shape[-1])
    cv2.sqrt(flat, flat)  # takes half as long as NumPy's
    return np.asarray(table, np.float32)


def _squares(points: Array) -> Array:
    """Return the squared lengths (…, 1) of points (…, dimensions)."""
    return np.asarray(np.einsum("...i,...i->...", points, points)[..., None])  # a sum takes four times as long


def _ones(points: Array) -> Array:
    return np.ones((*points.shape[:-1], 1), np.float32)


@dataclass(frozen=True)
class Field(PerFrame):
    """A displacement field from each target position to its source, or one for each of several frames.

    Attributes:
        mouth: The target mouth.
        centers: (…, points, 3) the control points, as :func:`lift` returns them.
        weights: (…, points + 1, 2) the weight of each in the displacement in pixels, and a constant.
    """

    mouth: MouthFrame
    centers: Array
    weights: Array


def fit_field(mouth: MouthFrame, targets: Array, displacements: Array, side: Array) -> Field:
    """Fit a field to control points.

    Args:
        mouth: The target mouth.
        targets: (…, points, 2) target positions in pixels.
        displacements: (…, points, 2) from there to the sources.
        side: (points,) +1 on the upper lip, −1 on the lower lip, 0 elsewhere.
    """
    centers = lift(mouth.to_local(targets), side)
    *frames, count, _ = centers.shape
    system = np.ones((*frames, count + 1, count + 1))
    system[..., -1, -1] = 0
    system[..., :-1, :-1] = _kernel(centers, centers)
    # The multiquadric matrix is conditionally negative definite, hence the minus.
    system[..., np.arange(count), np.arange(count)] -= RIDGE
    right = np.zeros((*frames, count + 1, 2))
    right[..., :-1, :] = displacements
    return Field(mouth, centers, np.linalg.solve(system, right).astype(np.float32))


@dataclass(frozen=True)
class Grid:
    """A displacement field sampled on a grid.

    Attributes:
        box: The region, its sides multiples of ``step``.
        step: Node spacing in pixels; each node is the centre of its cell.
        upper: (2, rows, columns) x and y of the displacements of the upper side, in pixels.
        tear: (2, rows, columns) what to add below the mouth line; 0 away from the mouth.
    """

    box: Box
    step: int
    upper: Array
    tear: Array

    def weighted(self, weight: Array, threshold: float) -> Grid:
        """Scale by ``weight`` (rows, columns) and shorten each displacement by ``threshold`` pixels, to at least 0.

        Regions that hardly move then do not move at all and need not be rendered.
        """
        lower = _shorten((self.upper + self.tear) * weight, threshold)
        upper = _shorten(self.upper * weight, threshold)
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
        return Grid(box, self.step, self.upper[:, top:bottom, left:right], self.tear[:, top:bottom, left:right])


def _shorten(displacements: Array, by: float) -> Array:
    lengths = np.sqrt(displacements[0] ** 2 + displacements[1] ** 2)
    return np.asarray(displacements * np.maximum(1 - by / np.maximum(lengths, 1e-6), 0), np.float32)


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
    places = np.flatnonzero(active)
    rows, columns = np.divmod(places, active.shape[1])
    nodes = np.array([columns, rows], np.float32).T * step + (box.corner + (step - 1) / 2)
    lifted = lift(field.mouth.to_local(nodes), 1.0)
    table = _kernel(field.centers, lifted)
    upper, tear = np.zeros((2, 2, active.size), np.float32)
    upper[:, places] = field.weights[:-1].T @ table + field.weights[-1:].T
    # Below the mouth line, only the distance from the lips is another one.
    torn, lips = np.flatnonzero(lifted[:, 2] > 1e-3), np.flatnonzero(field.centers[:, 2])
    below = _kernel(field.centers[lips], lifted[torn] * np.array([1, 1, -1], np.float32))
    tear[:, places[torn]] = field.weights[lips].T @ (below - table[lips].take(torn, 1))
    return Grid(box, step, upper.reshape(2, *active.shape), tear.reshape(2, *active.shape))


def upsample(nodes: Array, box: Box) -> Array:
    """Interpolate grid values (2, rows, columns) to every pixel of the box (2, height, width)."""
    result = np.empty((2, box.height, box.width), np.float32)
    for values, pixels in zip(nodes, result, strict=True):
        cv2.resize(values, (box.width, box.height), dst=pixels, interpolation=cv2.INTER_CUBIC)
    return result
