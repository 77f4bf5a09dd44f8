"""From frames to landmarks: find the faces, choose one, follow it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import LANDMARKS, Array
from heygem_cli.face.select import Box, Person, choose, follow
from heygem_cli.media.types import Frame, planes

CROP = 320
"""Side of the picture the mesh network sees; larger costs time and gains nothing (its own input is 192)."""
MARGIN = 2.0
"""Side of the crop in sizes of the face: room for the head to move before the crop must follow."""

THOROUGH_EVERY = 8
"""Frames between two thorough looks for a face that is not there."""


class FaceTracker(Protocol):
    """Anything that can follow one face."""

    version: str
    """Changes whenever the landmarks would; part of the cache key."""

    def track(self, frames: Iterable[Frame], choice: Person) -> Iterator[Array | None]:
        """Yield the landmarks (478, 3) of the chosen face in pixels for every frame, None where it is not there."""
        ...


def crop_rgb(frame: Frame, left: int, top: int, size: int) -> npt.NDArray[np.uint8]:
    """Cut a square out of an I420 frame as RGB, black where it lies outside.

    Args:
        frame: I420, see :data:`heygem_cli.media.types.Frame`.
        left: of the square; must be even, as must ``top`` and ``size``. May be negative.
        top: of the square.
        size: side of the square in pixels.

    Returns:
        uint8 (size, size, 3).
    """
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    square = np.full((size * 3 // 2, size), 128, np.uint8)
    square[:size] = 16
    pairs = zip(planes(square), planes(frame), (1, 2, 2), strict=True)
    x0, x1 = max(left, 0), min(left + size, width)
    y0, y1 = max(top, 0), min(top + size, height)
    if x0 < x1 and y0 < y1:
        for target, source, step in pairs:
            to = np.s_[(y0 - top) // step : (y1 - top) // step, (x0 - left) // step : (x1 - left) // step]
            target[to] = source[y0 // step : y1 // step, x0 // step : x1 // step]
    return np.asarray(cv2.cvtColor(square, cv2.COLOR_YUV2RGB_I420), np.uint8)


class MediaPipeTracker:
    """MediaPipe: the full-range detector finds faces, the mesh with refined lips follows one of them in a crop.

    The mesh's own detector is short-range; the crop brings a small face to the size that it needs.
    """

    version = "mediapipe-0.10.21/1"

    def __init__(self) -> None:
        # Nothing is plotted, yet mediapipe imports matplotlib, which warns where the home folder is read-only.
        logging.getLogger("matplotlib").setLevel(logging.ERROR)
        from mediapipe.python.solutions import face_detection, face_mesh

        self._detector: Any = face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.5)
        self._mesh: Any = face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.3)

    def detect(self, frame: Frame, *, thorough: bool = False) -> list[Box]:
        """Find all faces of one frame.

        Args:
            frame: I420.
            thorough: where the whole frame shows none, look at its parts too; finds faces of half the size, takes ten
                times as long.
        """
        rgb = np.asarray(cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420), np.uint8)
        found = self._detect(rgb, 0, 0)
        if found or not thorough:
            return found
        height, width = rgb.shape[:2]
        side = max(width, height) // 2
        for top in _starts(height, side):
            for left in _starts(width, side):
                part = np.ascontiguousarray(rgb[top : top + side, left : left + side])
                new = self._detect(part, left, top)
                found += [box for box in new if not any(box.near(known) for known in found)]
        return found

    def _detect(self, rgb: npt.NDArray[np.uint8], left: int, top: int) -> list[Box]:
        height, width = rgb.shape[:2]
        found = self._detector.process(rgb).detections or []
        boxes = [detection.location_data.relative_bounding_box for detection in found]
        return [
            Box(
                left + (box.xmin + box.width / 2) * width,
                top + (box.ymin + box.height / 2) * height,
                max(box.width * width, box.height * height),
            )
            for box in boxes
        ]

    def track(self, frames: Iterable[Frame], choice: Person) -> Iterator[Array | None]:
        """Yield the landmarks (478, 3) of the chosen face in pixels for every frame, None where it is not there."""
        last: Box | None = None
        crop: Box | None = None
        moved = False
        missing = 0
        for frame in frames:
            landmarks = self._landmarks(frame, crop, anew=moved) if crop else None
            if landmarks is None or (last and not face_box(landmarks).near(last)):
                boxes = self.detect(frame, thorough=missing % THOROUGH_EVERY == 0)
                crop = follow(boxes, last) if last else choose(boxes, choice, frame.shape[1])
                landmarks = self._landmarks(frame, crop, anew=True) if crop else None
            missing = missing + 1 if landmarks is None else 0
            if crop and landmarks is not None:
                last = face_box(landmarks)
                moved = not _well_inside(last, crop)
                crop = last if moved else crop
            yield landmarks

    def _landmarks(self, frame: Frame, crop: Box, *, anew: bool = False) -> Array | None:
        if anew:
            self._mesh.reset()
        size = max(16, int(crop.size * MARGIN) // 2 * 2)
        left, top = (int(middle - size / 2) // 2 * 2 for middle in (crop.x, crop.y))
        square = crop_rgb(frame, left, top, size)
        shrink = cv2.INTER_AREA if size > CROP else cv2.INTER_LINEAR
        found = self._mesh.process(cv2.resize(square, (CROP, CROP), interpolation=shrink)).multi_face_landmarks
        if not found:
            return None
        points = np.array([(p.x, p.y, p.z) for p in found[0].landmark], np.float32)
        assert points.shape == (LANDMARKS, 3)  # noqa: S101
        return np.asarray(points * size + np.array([left, top, 0], np.float32), np.float32)


def face_box(landmarks: Array) -> Box:
    """The box of landmarks (478, 3)."""
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    middle = (low + high) / 2
    return Box(float(middle[0]), float(middle[1]), float((high - low).max()))


def _starts(length: int, side: int) -> range:
    """Where parts of a side begin that cover a length, each overlapping the next by half."""
    return range(0, max(1, length - side + side // 2), max(1, side // 2))


def _well_inside(face: Box, crop: Box) -> bool:
    drift = max(abs(face.x - crop.x), abs(face.y - crop.y))
    return drift + face.size / 2 < crop.size * MARGIN / 2 * 0.9 and 0.6 < face.size / crop.size < 1.6
