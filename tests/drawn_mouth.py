"""A mouth drawn from nothing: red lips, white above black inside."""

from __future__ import annotations

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP


def lips(opening: float, half: float = 0.25) -> Array:
    """Lip points (40, 2) in inter-ocular distances around the middle of a mouth that is open by ``opening``."""
    x = np.linspace(-1, 1, 11)
    bow = 1 - x**2
    top, bottom = (np.stack([x * half, sign * opening / 2 * bow], 1) for sign in (-1, 1))
    inner = np.concatenate([top, bottom[1:-1]])
    outer = inner * 1.3
    outer[:, 1] += np.concatenate([-0.06 * bow, 0.06 * bow[1:-1]])
    return np.concatenate([outer, inner]).astype(np.float32)


def photographed(opening: float, unit: float, angle: float = 0.0) -> tuple[Array, Array]:
    """A frame (I420) with a mouth: red lips, white above black inside; and its lip points in pixels."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (lips(opening) @ turn.T * unit + np.array([200, 150])).astype(np.float32)
    picture = np.full((300, 400, 3), (120, 150, 200), np.uint8)
    outer = np.concatenate([points[:11], points[19:10:-1]])
    cv2.fillPoly(picture, [np.round(outer).astype(np.int32)], (60, 60, 190))
    inside = np.concatenate([points[INNER_TOP], points[INNER_BOTTOM][-2:0:-1]])
    cv2.fillPoly(picture, [np.round(inside).astype(np.int32)], (20, 10, 30))
    teeth = np.concatenate([points[INNER_TOP], (points[INNER_TOP] + points[INNER_BOTTOM])[::-1] / 2])
    cv2.fillPoly(picture, [np.round(teeth).astype(np.int32)], (230, 230, 230))
    return cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), points
