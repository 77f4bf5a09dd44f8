"""Square regions of a frame, upright along a face, as small pictures for the networks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import LEFT_EYE, RIGHT_EYE, Array, bounds
from heygem_cli.media.types import Frame, planes

Picture = npt.NDArray[np.uint8]
"""RGB, shape (side, side, 3)."""

SIDE = 192
"""Pixels: rows and columns of the pictures that the face networks take."""
MARGIN = 1.5
"""Side of a face's region relative to the face, as the landmark network was trained with."""
_BLACK = (16, 128, 128)


@dataclass(frozen=True)
class Region:
    """A square of a frame: its centre and side in pixels, and its rotation in radians, clockwise."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    def to_frame(self, points: Array, side: int = SIDE) -> Array:
        """Transform points (n, 3) of a picture of this region with ``side`` columns to pixels of the frame."""
        scale = self.side / side
        axes = scale * np.array([self._x_axis, self._y_axis])
        result = points * scale
        result[:, :2] = (points[:, :2] - side / 2) @ axes + (self.x, self.y)
        return np.asarray(result, np.float32)

    def to_picture(self, points: Array, side: int = SIDE) -> Array:
        """Transform points (n, 2) in pixels of the frame to those of a picture of this region with ``side`` columns."""
        axes = np.array([self._x_axis, self._y_axis]).T * (side / self.side)
        return np.asarray((points - (self.x, self.y)) @ axes + side / 2, np.float32)

    @property
    def _x_axis(self) -> tuple[float, float]:
        return math.cos(self.angle), math.sin(self.angle)

    @property
    def _y_axis(self) -> tuple[float, float]:
        return -math.sin(self.angle), math.cos(self.angle)

    def picture(self, frame: Frame, side: int = SIDE, *, black_outside: bool = False) -> Picture:
        """Return this region of a frame as RGB; beyond the frame its edge is repeated, or it is black."""
        warped = np.empty((side * 3 // 2, side), np.uint8)
        for target, source, step, black in zip(planes(warped), planes(frame), (1, 2, 2), _BLACK, strict=True):
            self._warp(source, target, step, black if black_outside else None)
        return np.asarray(cv2.cvtColor(warped, cv2.COLOR_YUV2RGB_I420), np.uint8)

    def _warp(self, source: Frame, target: Frame, step: int, outside: int | None) -> None:
        """Warp a plane with a sample for every ``step`` × ``step`` pixels.

        A plane with many more samples than are needed is first averaged over squares of them, against aliasing.
        """
        scale = self.side / (len(target) * step)
        square = max(1, round(scale))
        left, top, reduced = self._reduced(source, step, square)
        # A sample (i, j) of a plane lies at pixel (step * i + (step - 1) / 2, …), and likewise after averaging.
        middle = (step - 1) / 2
        unit = step * square
        shift = (unit - 1) / 2
        columns = np.array([self._x_axis, self._y_axis]).T * scale * step / unit
        center = (np.array([self.x, self.y]) - shift) / unit - (left, top)
        offset = center - columns @ np.full(2, (len(target) * step / 2 - middle) / step)
        cv2.warpAffine(
            reduced,
            np.column_stack([columns, offset]),
            (len(target), len(target)),
            dst=target,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT,
            borderValue=(outside or 0,),
        )

    def _reduced(self, source: Frame, step: int, square: int) -> tuple[int, int, Frame]:
        """Return the part of a plane that the region covers, averaged over squares, and where it begins in them."""
        if square == 1:
            return 0, 0, source
        reach = self.side / 2 * (abs(math.cos(self.angle)) + abs(math.sin(self.angle))) / (step * square) + 2
        rows, columns = (length // square for length in source.shape)
        left, right = _span(self.x / (step * square), reach, columns)
        top, bottom = _span(self.y / (step * square), reach, rows)
        part = source[top * square : bottom * square, left * square : right * square]
        size = (right - left, bottom - top)
        return left, top, np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)


def _span(center: float, reach: float, length: int) -> tuple[int, int]:
    """Return the first and the last position, exclusive, within ``reach`` of a centre; at least one position."""
    first = min(max(0, math.floor(center - reach)), length - 1)
    return first, max(first + 1, min(length, math.ceil(center + reach)))


def face_region(landmarks: Array) -> Region:
    """Return the region around landmarks (478, 3), rotated so that the line between the eyes is horizontal."""
    low, high = bounds(landmarks)
    x, y = (low + high) / 2
    dx, dy = landmarks[RIGHT_EYE, :2] - landmarks[LEFT_EYE, :2]
    return Region(float(x), float(y), MARGIN * float((high - low).max()), math.atan2(dy, dx))
