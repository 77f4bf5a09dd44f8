"""Draw mouths with red lips, white teeth and a black inside."""

from __future__ import annotations

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP


def lip_points(opening: float, half: float = 0.25) -> Array:
    """Return lip points (40, 2) in inter-ocular distances, relative to the centre of the mouth."""
    x = np.linspace(-1, 1, 11)
    bow = 1 - x**2
    top, bottom = (np.stack([x * half, sign * opening / 2 * bow], 1) for sign in (-1, 1))
    inner = np.concatenate([top, bottom[1:-1]])
    outer = inner * 1.3
    outer[:, 1] += np.concatenate([-0.06 * bow, 0.06 * bow[1:-1]])
    return np.concatenate([outer, inner]).astype(np.float32)


def mouth_frame(opening: float, unit: float, angle: float = 0.0) -> tuple[Array, Array]:
    """Return an I420 frame with a mouth, and its lip points in pixels."""
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (lip_points(opening) @ rotation.T * unit + np.array([200, 150])).astype(np.float32)
    image = np.full((300, 400, 3), (120, 150, 200), np.uint8)
    outer = np.concatenate([points[:11], points[19:10:-1]])
    cv2.fillPoly(image, [np.round(outer).astype(np.int32)], (60, 60, 190))
    inside = np.concatenate([points[INNER_TOP], points[INNER_BOTTOM][-2:0:-1]])
    cv2.fillPoly(image, [np.round(inside).astype(np.int32)], (20, 10, 30))
    teeth = np.concatenate([points[INNER_TOP], (points[INNER_TOP] + points[INNER_BOTTOM])[::-1] / 2])
    cv2.fillPoly(image, [np.round(teeth).astype(np.int32)], (230, 230, 230))
    return cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), points
