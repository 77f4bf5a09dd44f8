"""Find all faces in a frame."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from heygem_cli.face.box import Box
from heygem_cli.face.geometry import Array
from heygem_cli.face.outline import EVERYTHING, View
from heygem_cli.face.region import Region
from heygem_cli.media.types import Frame
from heygem_cli.onnx import make_session, model_path
from heygem_cli.options import Device
from heygem_cli.runtime import Settings

MODEL = "face_detector.onnx"
MIN_SCORE = 0.5
MAX_OVERLAP = 0.3
"""Intersection over union from which two boxes are the same face."""
NEIGHBOURHOOD = 4.0
"""Side of the region that is searched around a face, relative to the face."""


class FaceDetector:
    """MediaPipe's full-range detector.

    Raises:
        NotCapableError: The model is missing, or ``cuda`` is not available.
    """

    def __init__(self, device: Device, settings: Settings) -> None:
        self._session = make_session(model_path(MODEL), device, settings)

    def detect(self, frame: Frame, view: View = EVERYTHING, *, tiled: bool = False) -> list[Box]:
        """Find all faces in one frame.

        Args:
            frame: The frame.
            view: What of it is seen.
            tiled: If there is none, search overlapping tiles: finds faces of half the size, and is ten times slower.
        """
        height, width = frame.shape[0] * 2 // 3, frame.shape[1]
        boxes = self._search(frame, Region(width / 2, height / 2, max(width, height)), view)
        if not boxes and tiled:
            for tile in _tiles(width, height):
                new = self._search(frame, tile, view)
                boxes += [box for box in new if not any(box.matches(known) for known in boxes)]
        return boxes

    def detect_near(self, frame: Frame, face: Box, view: View = EVERYTHING) -> Box | None:
        """Find one face around the place where it was, more exactly than in the whole frame; None if it is not."""
        boxes = self._search(frame, Region(face.x, face.y, NEIGHBOURHOOD * face.size), view)
        matching = [box for box in boxes if box.matches(face)]
        return min(matching, key=lambda box: (box.x - face.x) ** 2 + (box.y - face.y) ** 2, default=None)

    def _search(self, frame: Frame, region: Region, view: View) -> list[Box]:
        picture = view.limit(region.picture(frame, black_outside=True), region)
        faces, scores = self._session.run(None, {"picture": picture[None]})
        found = scores >= MIN_SCORE
        scale = region.side / len(picture)
        corner = (region.x - region.side / 2, region.y - region.side / 2)
        boxes = []
        for (x, y), (width, height), right_eye, left_eye, *_ in merge_overlapping(faces[found], scores[found]):
            dx, dy = left_eye - right_eye
            size = float(max(width, height)) * scale
            boxes.append(Box(corner[0] + float(x) * scale, corner[1] + float(y) * scale, size, math.atan2(dy, dx)))
        return boxes


def merge_overlapping(faces: Array, scores: Array) -> Iterator[Array]:
    """Yield one face (8, 2) for every group that overlaps its best one: the mean, weighted by the scores.

    Args:
        faces: (n, 8, 2): centre, size and six points of each.
        scores: (n,).
    """
    order = np.argsort(-scores, kind="stable")
    faces, scores = faces[order], scores[order]
    while len(faces):
        same = _overlap(faces[0], faces) > MAX_OVERLAP
        same[0] = True
        yield np.average(faces[same], axis=0, weights=scores[same])
        faces, scores = faces[~same], scores[~same]


def _overlap(face: Array, others: Array) -> Array:
    """Return the intersection over union of the box of a face (8, 2) and those of others (n, 8, 2)."""
    low = np.maximum(face[0] - face[1] / 2, others[:, 0] - others[:, 1] / 2)
    high = np.minimum(face[0] + face[1] / 2, others[:, 0] + others[:, 1] / 2)
    common = np.prod(np.maximum(high - low, 0), axis=1)
    return np.asarray(common / (face[1].prod() + others[:, 1].prod(1) - common), np.float32)


def _tiles(width: int, height: int) -> Iterator[Region]:
    """Yield tiles that cover a frame, each overlapping the next by half."""
    side = max(width, height) // 2
    for top in _tile_starts(height, side):
        for left in _tile_starts(width, side):
            yield Region(left + side / 2, top + side / 2, side)


def _tile_starts(length: int, side: int) -> range:
    return range(0, max(1, length - side + side // 2), max(1, side // 2))
