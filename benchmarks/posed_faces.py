"""Frames in which a face is small, tilted or turned to the side, made from ordinary ones."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.face.box import face_box
from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame

SIZE = (1280, 720)
GREY = (96, 96, 96)
DETAIL = 3
"""Samples per pixel, in both directions, of a face that is turned."""


def resized(frame: Frame, landmarks: Array, face: float, tilt: float = 0) -> Frame:
    """Return a 720p frame with the face in its middle.

    Args:
        frame: The frame.
        landmarks: (478, 3).
        face: Size of the face in pixels.
        tilt: Degrees by which it is rotated.
    """
    box = face_box(landmarks)
    image = cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420)
    scale = face / box.size
    if scale < 0.5:
        smaller = 1 / np.floor(1 / scale)
        image = cv2.resize(image, None, fx=smaller, fy=smaller, interpolation=cv2.INTER_AREA)
        return _framed(image, (box.x * smaller, box.y * smaller), scale / smaller, tilt)
    return _framed(image, (box.x, box.y), scale, tilt)


def _framed(image: npt.NDArray[Any], center: tuple[float, float], scale: float, tilt: float) -> Frame:
    matrix = cv2.getRotationMatrix2D(center, tilt, scale)
    matrix[:, 2] = matrix[:, 2] + np.array(SIZE) / 2 - center
    framed = cv2.warpAffine(image, matrix, SIZE, flags=cv2.INTER_LINEAR, borderValue=GREY)
    return np.asarray(cv2.cvtColor(framed, cv2.COLOR_BGR2YUV_I420), np.uint8)


def turned(frame: Frame, landmarks: Array, degrees: float, face: float = 250) -> Frame:
    """Return a 720p frame in which the face is turned to the side: its surface, as far as the landmarks know it."""
    box = face_box(landmarks)
    grid = np.linspace(-0.55, 0.55, round(1.1 * face * DETAIL))
    columns, rows = (axis.ravel() for axis in np.meshgrid(grid, grid))
    points = (landmarks - (box.x, box.y, float(landmarks[:, 2].mean()))) / box.size
    depth = _depth(points, grid)
    angle = np.radians(degrees)
    x = face * (columns * np.cos(angle) + depth * np.sin(angle)) + SIZE[0] / 2
    far = depth * np.cos(angle) - columns * np.sin(angle)
    y = face * rows + SIZE[1] / 2
    image = cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420)
    matrix = np.array([[box.size, 0, box.x], [0, box.size, box.y]]) @ np.array(
        [[grid[1] - grid[0], 0, grid[0]], [0, grid[1] - grid[0], grid[0]], [0, 0, 1]]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    colors = cv2.warpAffine(image, matrix, (len(grid), len(grid)), flags=flags).reshape(-1, 3)
    result = np.full((SIZE[1], SIZE[0], 3), GREY, np.uint8)
    order = np.argsort(-far)  # what is near is drawn last
    result[y[order].astype(int), x[order].astype(int)] = colors[order]
    return np.asarray(cv2.cvtColor(cv2.medianBlur(result, 3), cv2.COLOR_BGR2YUV_I420), np.uint8)


def _depth(points: Array, grid: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Interpolate the depths of points (n, 3) at all pairs of ``grid`` by inverse distance weighting."""
    axis = np.linspace(grid[0], grid[-1], 48)
    squared = (axis[None, :, None] - points[:, 0]) ** 2 + (axis[:, None, None] - points[:, 1]) ** 2
    weights = 1 / (squared + 1e-3) ** 2
    depths = (weights * points[:, 2]).sum(-1) / weights.sum(-1)
    return np.asarray(cv2.resize(depths, (len(grid), len(grid)), interpolation=cv2.INTER_CUBIC).ravel(), np.float64)
