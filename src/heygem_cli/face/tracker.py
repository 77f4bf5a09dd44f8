"""Find the faces in a video, choose one, and track its landmarks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from heygem_cli.face.detector import FaceDetector
from heygem_cli.face.geometry import Array
from heygem_cli.face.region import MARGIN, Region, face_region
from heygem_cli.face.select import Box, choose, follow
from heygem_cli.media.types import Frame
from heygem_cli.onnx import make_session, model_path
from heygem_cli.options import Device, Person
from heygem_cli.runtime import Settings

MODEL = "face_landmarks.onnx"
MIN_PRESENCE = 0.5
REFINEMENTS = 2
"""How often the landmarks of a new face are computed again: they say more exactly than the detector where it is."""
TILED_SEARCH_INTERVAL = 8
"""Frames between two tiled searches for a missing face."""


class FaceTracker:
    """A tracker that finds faces with a detector, and follows one from where its landmarks were in the last frame.

    Raises:
        NotCapableError: A model is missing, or ``cuda`` is not available.
    """

    version = "face-mesh/1"
    """Part of the cache key; changes whenever the landmarks would."""

    def __init__(self, device: Device, settings: Settings) -> None:
        # The networks are so small that more threads would mostly wait for each other.
        single = replace(settings, onnx_threads=1)
        self._detector = FaceDetector(device, single)
        self._session = make_session(model_path(MODEL), device, single)

    def track(self, frames: Iterable[Frame], person: Person) -> Iterator[Array | None]:
        """Yield the landmarks (478, 3) of one person in pixels for each frame, None where the face is not found."""
        last: Box | None = None
        region: Region | None = None
        missing = 0
        for frame in frames:
            landmarks = self.landmarks(frame, region) if region else None
            if landmarks is None or (last and not face_box(landmarks).matches(last)):
                landmarks = self._find(frame, person, last, tiled=missing % TILED_SEARCH_INTERVAL == 0)
            missing = missing + 1 if landmarks is None else 0
            region = None if landmarks is None else face_region(landmarks)
            last = last if landmarks is None else face_box(landmarks)
            yield landmarks

    def landmarks(self, frame: Frame, region: Region) -> Array | None:
        """Return the landmarks (478, 3) of the face in a region, None if there is none."""
        landmarks, presence = self._session.run(None, {"picture": region.picture(frame)[None]})
        return region.to_frame(landmarks) if presence[0] >= MIN_PRESENCE else None

    def _find(self, frame: Frame, person: Person, last: Box | None, *, tiled: bool) -> Array | None:
        """Find the person, or the face that was followed, without knowing exactly where it was in the last frame."""
        near = self._detector.detect_near(frame, last) if last else None
        landmarks = self._refined(frame, near) if near else None
        if landmarks is not None:
            return landmarks
        faces = self._faces(frame, self._detector.detect(frame, tiled=tiled))
        face = follow(list(faces), last) if last else choose(list(faces), person, frame.shape[1])
        return faces[face] if face else None

    def _faces(self, frame: Frame, boxes: Iterable[Box]) -> dict[Box, Array | None]:
        """Return the boxes that are faces, with their landmarks, or None for one that is turned away.

        In the whole frame the detector takes other small things for faces, but rarely in an enlarged part of it.
        """
        faces: dict[Box, Array | None] = {}
        for box in boxes:
            near = self._detector.detect_near(frame, box)
            if near is not None and not any(near.matches(known) for known in faces):
                faces[near] = self._refined(frame, near)
        return faces

    def _refined(self, frame: Frame, face: Box) -> Array | None:
        """Return the landmarks (478, 3) of a face that was detected, None if there is none."""
        landmarks = self.landmarks(frame, Region(face.x, face.y, MARGIN * face.size, face.angle))
        for _ in range(REFINEMENTS):
            landmarks = None if landmarks is None else self.landmarks(frame, face_region(landmarks))
        return landmarks


def face_box(landmarks: Array) -> Box:
    """Return the box of landmarks (478, 3)."""
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    center = (low + high) / 2
    return Box(float(center[0]), float(center[1]), float((high - low).max()))
