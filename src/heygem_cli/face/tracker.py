"""Find the faces in a video, choose one, and track its landmarks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import LANDMARKS, Array
from heygem_cli.face.select import Box, choose, follow
from heygem_cli.media.types import Frame, planes
from heygem_cli.options import Person

CROP_SIZE = 320
"""Pixels. Crops are resized to this side; more costs time without gain, since the input of the network is 192."""
CROP_SCALE = 2.0
"""Side of the crop relative to the face: the head can move within it before the crop must follow."""
TILED_SEARCH_INTERVAL = 8
"""Frames between two tiled searches for a missing face."""


def crop_rgb(frame: Frame, left: int, top: int, size: int) -> npt.NDArray[np.uint8]:
    """Crop a square (size, size, 3) from a frame, as RGB; it is black outside the frame.

    All positions are even; ``left`` and ``top`` may be negative.
    """
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    square = np.full((size * 3 // 2, size), 128, np.uint8)
    square[:size] = 16
    pairs = zip(planes(square), planes(frame), (1, 2, 2), strict=True)
    x0, x1 = max(left, 0), min(left + size, width)
    y0, y1 = max(top, 0), min(top + size, height)
    if x0 < x1 and y0 < y1:
        for target, source, step in pairs:
            region = np.s_[(y0 - top) // step : (y1 - top) // step, (x0 - left) // step : (x1 - left) // step]
            target[region] = source[y0 // step : y1 // step, x0 // step : x1 // step]
    return np.asarray(cv2.cvtColor(square, cv2.COLOR_YUV2RGB_I420), np.uint8)


class MediaPipeTracker:
    """A tracker that finds faces with MediaPipe's full-range detector, and follows one with Face Mesh in a crop.

    The detector of Face Mesh itself is short-range; the crop enlarges small faces to the size that it needs.
    """

    version = "mediapipe-0.10.21/1"
    """Part of the cache key; changes whenever the landmarks would."""

    def __init__(self) -> None:
        # MediaPipe imports matplotlib, which warns if the home folder is read-only.
        logging.getLogger("matplotlib").setLevel(logging.ERROR)
        from mediapipe.python.solutions import face_detection, face_mesh

        self._detector: Any = face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.5)
        self._mesh: Any = face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.3)

    def detect(self, frame: Frame, *, tiled: bool = False) -> list[Box]:
        """Find all faces in one frame.

        Args:
            frame: The frame.
            tiled: If there is none, search overlapping tiles: finds faces of half the size, and is ten times slower.
        """
        rgb = np.asarray(cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420), np.uint8)
        boxes = self._detect(rgb, 0, 0)
        if boxes or not tiled:
            return boxes
        height, width = rgb.shape[:2]
        side = max(width, height) // 2
        for top in _tile_starts(height, side):
            for left in _tile_starts(width, side):
                tile = np.ascontiguousarray(rgb[top : top + side, left : left + side])
                new = self._detect(tile, left, top)
                boxes += [box for box in new if not any(box.matches(known) for known in boxes)]
        return boxes

    def _detect(self, rgb: npt.NDArray[np.uint8], left: int, top: int) -> list[Box]:
        height, width = rgb.shape[:2]
        detections = self._detector.process(rgb).detections or []
        boxes = [detection.location_data.relative_bounding_box for detection in detections]
        return [
            Box(
                left + (box.xmin + box.width / 2) * width,
                top + (box.ymin + box.height / 2) * height,
                max(box.width * width, box.height * height),
            )
            for box in boxes
        ]

    def track(self, frames: Iterable[Frame], person: Person) -> Iterator[Array | None]:
        """Yield the landmarks (478, 3) of one person in pixels for each frame, None where the face is not found."""
        last: Box | None = None
        crop: Box | None = None
        moved = False
        missing = 0
        for frame in frames:
            landmarks = self._landmarks(frame, crop, reset=moved) if crop else None
            if landmarks is None or (last and not face_box(landmarks).matches(last)):
                boxes = self.detect(frame, tiled=missing % TILED_SEARCH_INTERVAL == 0)
                crop = follow(boxes, last) if last else choose(boxes, person, frame.shape[1])
                landmarks = self._landmarks(frame, crop, reset=True) if crop else None
            missing = missing + 1 if landmarks is None else 0
            if crop and landmarks is not None:
                last = face_box(landmarks)
                moved = not _fits(last, crop)
                crop = last if moved else crop
            yield landmarks

    def _landmarks(self, frame: Frame, crop: Box, *, reset: bool = False) -> Array | None:
        if reset:
            self._mesh.reset()
        size = max(16, int(crop.size * CROP_SCALE) // 2 * 2)
        left, top = (int(center - size / 2) // 2 * 2 for center in (crop.x, crop.y))
        square = crop_rgb(frame, left, top, size)
        interpolation = cv2.INTER_AREA if size > CROP_SIZE else cv2.INTER_LINEAR
        resized = cv2.resize(square, (CROP_SIZE, CROP_SIZE), interpolation=interpolation)
        faces = self._mesh.process(resized).multi_face_landmarks
        if not faces:
            return None
        points = np.array([(p.x, p.y, p.z) for p in faces[0].landmark], np.float32)
        assert points.shape == (LANDMARKS, 3)  # noqa: S101
        return np.asarray(points * size + np.array([left, top, 0], np.float32), np.float32)


def face_box(landmarks: Array) -> Box:
    """Return the box of landmarks (478, 3)."""
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    center = (low + high) / 2
    return Box(float(center[0]), float(center[1]), float((high - low).max()))


def _tile_starts(length: int, side: int) -> range:
    """Return where tiles begin that cover a length, each overlapping the next by half."""
    return range(0, max(1, length - side + side // 2), max(1, side // 2))


def _fits(face: Box, crop: Box) -> bool:
    drift = max(abs(face.x - crop.x), abs(face.y - crop.y))
    return drift + face.size / 2 < crop.size * CROP_SCALE / 2 * 0.9 and 0.6 < face.size / crop.size < 1.6
