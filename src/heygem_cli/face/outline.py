"""Outlines of faces, so that a network sees one of several that overlap, and not what is beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import Array
from heygem_cli.face.region import Picture, Region

FILL = 128
"""Level of what the network does not see."""
_FRACTION = 4
"""Bits after the point of the corners that OpenCV draws between."""


def outline(landmarks: Array, growth: float = 1.0) -> Array:
    """Return the corners (n, 2) around landmarks (478, 3), moved away from their middle by a factor."""
    points = landmarks[:, :2]
    center = points.mean(0)
    hull = cv2.convexHull(np.asarray(center + growth * (points - center), np.float32))
    return np.asarray(hull[:, 0], np.float32)


def are_inside(points: Array, corners: Array) -> npt.NDArray[np.bool_]:
    """Return which points (n, 2) are inside an outline."""
    closed = np.roll(corners, -1, 0) - corners
    apart = points[:, None] - corners
    turns = closed[:, 0] * apart[..., 1] - closed[:, 1] * apart[..., 0]
    return np.asarray((turns >= 0).all(1) | (turns <= 0).all(1))


@dataclass(frozen=True)
class View:
    """What of a frame the networks see.

    Attributes:
        hidden: Outlines of what they do not see.
        only: The outline of the only part that they see; None: everything.
    """

    hidden: Sequence[Array] = ()
    only: Array | None = None

    def limit(self, picture: Picture, region: Region) -> Picture:
        """Return the picture of a region without what is not seen."""
        if self.only is not None:
            seen = np.zeros(picture.shape[:2], np.uint8)
            _draw(seen, region, self.only)
            picture = np.where(seen[..., None] > 0, picture, np.uint8(FILL))
        for corners in self.hidden:
            _draw(picture, region, corners)
        return np.asarray(picture, np.uint8)


EVERYTHING = View()


def _draw(picture: Picture, region: Region, corners: Array) -> None:
    places = region.to_picture(corners, len(picture)) - 0.5
    fixed = np.round(places * 2**_FRACTION).astype(np.int32)
    cv2.fillConvexPoly(picture, fixed, (FILL,) * 3, cv2.LINE_8, _FRACTION)
