"""Find the faces of a video and follow each of them through its shot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from heygem_cli.face.box import Box, face_box
from heygem_cli.face.detector import FaceDetector
from heygem_cli.face.geometry import Array
from heygem_cli.face.outline import EVERYTHING, View
from heygem_cli.face.region import MARGIN, Region, face_region
from heygem_cli.face.shot import Shot, is_same_face
from heygem_cli.face.shots import find_shots
from heygem_cli.face.video_track import TrackedFrame
from heygem_cli.media.types import Frame
from heygem_cli.onnx import make_session, model_path
from heygem_cli.options import Device
from heygem_cli.runtime import Settings

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODEL = "face_landmarks.onnx"
MIN_PRESENCE = 0.5
REFINEMENTS = 2
"""How often the landmarks of a new face are computed again: they say more exactly than the detector where it is."""


class FaceTracker:
    """A tracker that finds faces with a detector, and follows each from where its landmarks were in the last frame.

    Its networks are loaded when they are first used: a cached track needs none. Then it raises NotCapableError if one
    is missing, or if ``cuda`` is not available.
    """

    version = "face-mesh/8"
    """Part of the cache key; changes whenever the track would."""

    def __init__(self, device: Device, settings: Settings) -> None:
        # The networks are so small that more threads would mostly wait for each other.
        self._settings = replace(settings, onnx_threads=1)
        self._device = device

    @cached_property
    def _detector(self) -> FaceDetector:
        return FaceDetector(self._device, self._settings)

    @cached_property
    def _session(self) -> InferenceSession:
        return make_session(model_path(MODEL), self._device, self._settings)

    def follow(self, frames: Iterable[Frame]) -> Iterator[TrackedFrame]:
        """Yield the faces of each frame. What it finds in a frame does not depend on later frames."""
        yield from self.follow_in_shots(find_shots(frames))

    def follow_in_shots(self, frames: Iterable[tuple[Frame, bool]]) -> Iterator[TrackedFrame]:
        """Do what :meth:`follow` does with the frames of :func:`find_shots`."""
        shot = Shot(self, 0)
        for frame, cut in frames:
            if cut:
                shot = Shot(self, shot.next_number)
            yield TrackedFrame(cut, tuple(shot.faces(frame)))

    def track(self, frames: Iterable[Frame]) -> Iterator[Array | None]:
        """Yield the landmarks (478, 3) of one face in pixels for each frame, None where there is none.

        It is the largest one, and remains the same as long as it is followed.
        """
        followed = -1
        for frame in self.follow(frames):
            by_number = {face.tracklet: face for face in frame.faces}
            if followed not in by_number and frame.faces:
                followed = max(frame.faces, key=lambda face: face_box(face.landmarks).size).tracklet
            yield by_number[followed].landmarks if followed in by_number else None

    def landmarks(self, frame: Frame, region: Region, view: View = EVERYTHING) -> Array | None:
        """Return the landmarks (478, 3) of the face in a region, None if there is none."""
        picture = view.limit(region.picture(frame), region)
        landmarks, presence = self._session.run(None, {"picture": picture[None]})
        return region.to_frame(landmarks) if presence[0] >= MIN_PRESENCE else None

    def find_near(self, frame: Frame, face: Box, view: View = EVERYTHING) -> Array | None:
        """Return the landmarks (478, 3) of a face that was or may be at a place."""
        near = self._detector.detect_near(frame, face, view)
        return self._refined(frame, near, view) if near else None

    def find_new(self, frame: Frame, known: Sequence[Box], view: View, *, tiled: bool) -> list[Array]:
        """Return the landmarks (478, 3) of each face that is not known, the largest first.

        In the whole frame the detector takes other small things for faces, but rarely in an enlarged part of it.
        """
        boxes = sorted(self._detector.detect(frame, view, tiled=tiled), key=lambda box: box.size, reverse=True)
        found: list[Array] = []
        taken = list(known)
        for box in boxes:
            if any(is_same_face(box, face) for face in taken):
                continue
            landmarks = self.find_near(frame, box, view)
            if landmarks is not None and not any(is_same_face(face_box(landmarks), face) for face in taken):
                found.append(landmarks)
                taken.append(face_box(landmarks))
        return found

    def _refined(self, frame: Frame, face: Box, view: View) -> Array | None:
        """Return the landmarks (478, 3) of a face that was detected, None if there is none."""
        landmarks = self.landmarks(frame, Region(face.x, face.y, MARGIN * face.size, face.angle), view)
        for _ in range(REFINEMENTS):
            landmarks = None if landmarks is None else self.landmarks(frame, face_region(landmarks), view)
        return landmarks
