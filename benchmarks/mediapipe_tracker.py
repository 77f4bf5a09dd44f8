"""MediaPipe's face mesh as a tracker, which ours is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from mediapipe.python.solutions import face_detection, face_mesh

from heygem_cli.face.box import Box, face_box
from heygem_cli.face.geometry import Array
from heygem_cli.face.region import Picture, Region
from heygem_cli.media.types import Frame

CROP_SIDE = 320
CROP_SCALE = 2.0
"""Side of the crop relative to the face: the head can move within it before the crop must follow."""
TILED_SEARCH_INTERVAL = 8


class MediaPipeTracker:
    """MediaPipe's full-range detector finds a face, and its face mesh follows it in an enlarged part of the frame.

    The face mesh has a short-range detector of its own, which needs a face of some size.
    """

    def __init__(self) -> None:
        self._detector = face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.5)
        self._mesh = face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.3)

    def track(self, frames: Iterable[Frame]) -> Iterator[Array | None]:
        """Yield the landmarks (478, 3) of one face in pixels for each frame, None where it is not found."""
        last: Box | None = None
        crop: Box | None = None
        moved = False
        missing = 0
        for frame in frames:
            landmarks = self._landmarks(frame, crop, reset=moved) if crop else None
            if landmarks is None or (last and not face_box(landmarks).matches(last)):
                boxes = self._detect(frame, tiled=missing % TILED_SEARCH_INTERVAL == 0)
                crop = _follow(boxes, last) if last else max(boxes, key=lambda box: box.size, default=None)
                landmarks = self._landmarks(frame, crop, reset=True) if crop else None
            missing = missing + 1 if landmarks is None else 0
            if crop and landmarks is not None:
                last = face_box(landmarks)
                moved = not _fits(last, crop)
                crop = last if moved else crop
            yield landmarks

    def _detect(self, frame: Frame, *, tiled: bool) -> list[Box]:
        height, width = frame.shape[0] * 2 // 3, frame.shape[1]
        boxes = self._search(frame, Region(width / 2, height / 2, max(width, height)))
        side = max(width, height) / 2
        for top in np.arange(0, max(1, height - side / 2), side / 2) if tiled and not boxes else ():
            for left in np.arange(0, max(1, width - side / 2), side / 2):
                new = self._search(frame, Region(left + side / 2, top + side / 2, side))
                boxes += [box for box in new if not any(box.matches(known) for known in boxes)]
        return boxes

    def _search(self, frame: Frame, region: Region) -> list[Box]:
        picture = region.picture(frame, 2 * CROP_SIDE, black_outside=True)
        found = [each.location_data.relative_bounding_box for each in self._detector.process(picture).detections or []]
        left, top, side = region.x - region.side / 2, region.y - region.side / 2, region.side
        return [
            Box(
                left + side * (box.xmin + box.width / 2),
                top + side * (box.ymin + box.height / 2),
                side * max(box.width, box.height),
            )
            for box in found
        ]

    def _landmarks(self, frame: Frame, crop: Box, *, reset: bool) -> Array | None:
        if reset:
            self._mesh.reset()
        region = Region(crop.x, crop.y, crop.size * CROP_SCALE)
        picture: Picture = region.picture(frame, CROP_SIDE, black_outside=True)
        faces = self._mesh.process(picture).multi_face_landmarks
        if not faces:
            return None
        points = np.array([(point.x, point.y, point.z) for point in faces[0].landmark], np.float32)
        return region.to_frame(points * CROP_SIDE, CROP_SIDE)


def _follow(boxes: list[Box], last: Box) -> Box | None:
    """Return the face that matches the one in the last frame; a face that is alone in the frame always does."""
    matching = [box for box in boxes if box.matches(last)]
    if matching:
        return min(matching, key=lambda box: (box.x - last.x) ** 2 + (box.y - last.y) ** 2)
    return boxes[0] if len(boxes) == 1 else None


def _fits(face: Box, crop: Box) -> bool:
    drift = max(abs(face.x - crop.x), abs(face.y - crop.y))
    return drift + face.size / 2 < crop.size * CROP_SCALE / 2 * 0.9 and 0.6 < face.size / crop.size < 1.6
