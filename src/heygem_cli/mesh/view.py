"""A mouth seen upright and at one size, whatever the frame: what the painter works on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame, planes
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.field import MouthFrame
from heygem_cli.mesh.warp import Box

WIDTH, HEIGHT = 96, 64
"""Of a view, in pixels."""
SCALE = 100.0
"""Pixels of a view in an inter-ocular distance."""
MIDDLE = np.array([48, 26], np.float32)
"""Where a view has the middle between the corners of the inner mouth."""


@dataclass(frozen=True)
class View:
    """How a mouth in a frame is seen: its corners on a horizontal, its size in inter-ocular distances.

    Attributes:
        matrix: (2, 3) from pixels of the frame to pixels of the view.
        lips: (40, 2) in pixels of the view.
    """

    matrix: Array
    lips: Array

    @staticmethod
    def of(lips: Array, unit: float) -> View:
        """The view of lip points (40, 2) in pixels, given the inter-ocular distance in pixels."""
        mouth = MouthFrame.between(lips[INNER_TOP[0]], lips[INNER_TOP[-1]])
        cosine, sine = mouth.axis / np.linalg.norm(mouth.axis) * (SCALE / unit)
        turn = np.array([[cosine, sine], [-sine, cosine]], np.float32)
        shift = MIDDLE - turn @ mouth.middle
        return View(np.column_stack([turn, shift]).astype(np.float32), np.asarray(lips @ turn.T + shift, np.float32))

    def picture(self, frame: Frame) -> Frame:
        """What is seen of an I420 frame: uint8 (HEIGHT, WIDTH, 3) Y, U and V."""
        seen = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        # Where the frame is larger than the view it is shrunk first: the warp alone would pick single pixels.
        shrink = max(1, int(1 / float(np.linalg.norm(self.matrix[0, :2]))))
        for channel, (plane, step) in enumerate(zip(planes(frame), (1, 2, 2), strict=True)):
            by = max(1, shrink // step)
            part, corner = self._part(plane, step, by)
            matrix = self.matrix * np.array([step * by, step * by, 1], np.float32)
            matrix[:, 2] += matrix[:, :2] @ ((np.array(corner, np.float32) + (by - 1) / 2) / by)
            small = cv2.resize(part, None, fx=1 / by, fy=1 / by, interpolation=cv2.INTER_AREA) if by > 1 else part
            seen[..., channel] = cv2.warpAffine(
                small, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        return seen

    def _part(self, plane: Frame, step: int, by: int) -> tuple[Frame, tuple[int, int]]:
        """The part of a plane that is seen, its sides multiples of ``by``, and its upper left corner."""
        corners = np.array([[0, 0], [WIDTH, 0], [0, HEIGHT], [WIDTH, HEIGHT]], np.float32)
        turn, shift = self.matrix[:, :2], self.matrix[:, 2]
        places = (corners - shift) @ np.linalg.inv(turn).T / step
        (left, top), (right, bottom) = np.floor(places.min(0)) - 2, np.ceil(places.max(0)) + 2
        rows, columns = plane.shape
        x, y = (int(np.clip(low, 0, size - by)) for low, size in ((left, columns), (top, rows)))
        width, height = (int(min(high, size) - low) for high, size, low in ((right, columns, x), (bottom, rows, y)))
        width, height = (max(by, side // by * by) for side in (width, height))
        return plane[y : y + height, x : x + width], (x, y)

    def enlarged(self, seen: Array, box: Box, top: int = 0) -> Array:
        """Bring what belongs to rows of a view from ``top`` on (rows, WIDTH) or (rows, WIDTH, up to 4) to a box."""
        matrix = self.matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ box.corner
        matrix[1, 2] -= top
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        size = (box.width, box.height)
        return np.asarray(cv2.warpAffine(seen, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)


def opening(lips: Array) -> Array:
    """The outline (20, 2) of the opening between lip points (40, 2)."""
    return np.asarray(lips[[*INNER_TOP, *INNER_BOTTOM[-2:0:-1]]])
