"""The aligned mouth crop that the painter works on: upright and at a fixed scale, whatever the frame."""

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
"""Size of a crop in pixels."""
SCALE = 100.0
"""Pixels of a crop per inter-ocular distance."""
CENTER = np.array([48, 26], np.float32)
"""Position in a crop of the midpoint between the inner mouth corners."""


@dataclass(frozen=True)
class MouthCrop:
    """The similarity transform from a frame to a crop in which the mouth corners are level.

    Attributes:
        matrix: (2, 3) from pixels of the frame to pixels of the crop.
        lips: (40, 2) in pixels of the crop.
    """

    matrix: Array
    lips: Array

    @staticmethod
    def from_lips(lips: Array, eye_distance: float) -> MouthCrop:
        """Return the crop for lip points (40, 2) and the inter-ocular distance, both in pixels of the frame."""
        mouth = MouthFrame.between(lips[INNER_TOP[0]], lips[INNER_TOP[-1]])
        cosine, sine = mouth.axis / np.linalg.norm(mouth.axis) * (SCALE / eye_distance)
        turn = np.array([[cosine, sine], [-sine, cosine]], np.float32)
        shift = CENTER - turn @ mouth.center
        return MouthCrop(
            np.column_stack([turn, shift]).astype(np.float32), np.asarray(lips @ turn.T + shift, np.float32)
        )

    def sample(self, frame: Frame) -> Frame:
        """Resample an I420 frame: uint8 (HEIGHT, WIDTH, 3) Y, U and V."""
        return sample_crop(frame, self.matrix, WIDTH, HEIGHT)

    def to_frame(self, values: Array, box: Box, top: int = 0) -> Array:
        """Resample values of the crop's rows from ``top`` on, (rows, WIDTH) or (rows, WIDTH, channels), to a box."""
        matrix = self.matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ box.corner
        matrix[1, 2] -= top
        flags, size = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, (box.width, box.height)
        resampled = cv2.warpAffine(values, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(resampled, np.float32)


def opening_outline(lips: Array) -> Array:
    """Return the outline (20, 2) of the opening between lip points (40, 2)."""
    return np.asarray(lips[[*INNER_TOP, *INNER_BOTTOM[-2:0:-1]]])


def sample_crop(frame: Frame, matrix: Array, width: int, height: int) -> Frame:
    """Resample an I420 frame.

    Args:
        frame: I420.
        matrix: (2, 3) from pixels of the frame to pixels of the crop.
        width: Of the crop.
        height: Likewise.

    Returns:
        uint8 (height, width, 3) Y, U and V; beyond the picture its edge is repeated.
    """
    image = np.empty((height, width, 3), np.uint8)
    # Shrink large frames first: the warp alone would alias.
    shrink = max(1, int(1 / float(np.linalg.norm(matrix[0, :2]))))
    for channel, (plane, step) in enumerate(zip(planes(frame), (1, 2, 2), strict=True)):
        by = max(1, shrink // step)
        source, scaled = plane, matrix * np.array([step * by, step * by, 1], np.float32)
        if by > 1:
            part, corner = _visible_part(plane, matrix, (width, height), step, by)
            scaled[:, 2] += scaled[:, :2] @ ((np.array(corner, np.float32) + (by - 1) / 2) / by)
            source = np.asarray(cv2.resize(part, None, fx=1 / by, fy=1 / by, interpolation=cv2.INTER_AREA), np.uint8)
        image[..., channel] = cv2.warpAffine(
            source, scaled, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    return image


def _visible_part(
    plane: Frame, matrix: Array, size: tuple[int, int], step: int, by: int
) -> tuple[Frame, tuple[int, int]]:
    """Return the part of a plane that the crop covers, its sides multiples of ``by``, and its upper left corner."""
    corners = np.array([[0, 0], [size[0], 0], [0, size[1]], size], np.float32)
    turn, shift = matrix[:, :2], matrix[:, 2]
    places = (corners - shift) @ np.linalg.inv(turn).T / step
    (left, top), (right, bottom) = np.floor(places.min(0)) - 2, np.ceil(places.max(0)) + 2
    rows, columns = plane.shape
    x, y = (int(np.clip(low, 0, length - by)) for low, length in ((left, columns), (top, rows)))
    width, height = (int(min(high, length) - low) for high, length, low in ((right, columns, x), (bottom, rows, y)))
    width, height = (max(by, side // by * by) for side in (width, height))
    return plane[y : y + height, x : x + width], (x, y)
