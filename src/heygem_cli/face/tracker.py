"""Find the faces of a video and follow each of them through its shot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from heygem_cli.face.appearance import describe
from heygem_cli.face.box import Box, face_box
from heygem_cli.face.detector import FaceDetector
from heygem_cli.face.geometry import Array
from heygem_cli.face.region import MARGIN, Region, face_region
from heygem_cli.face.shots import ShotDetector
from heygem_cli.face.smooth import MAX_GAP
from heygem_cli.face.video_track import Face, TrackedFrame
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
MAX_FACES = 6
"""Faces that are followed at a time, the largest ones."""
MIN_SHARE = 0.2
"""Size of the smallest face that is followed, relative to the largest."""
SEARCH_INTERVAL = 20
"""Frames between two searches for faces that have appeared."""
LOST_FRAMES = 75
"""Frames after a face was lost, in which it is searched ..."""
LOST_SEARCH_INTERVAL = 3
"""... every so many frames: it may come back."""
TILED_SEARCH_INTERVAL = 8
"""Frames between two tiled searches where there is no face at all."""
FIRST_SAMPLES = 0, 2, 4, 8
"""Frames of a tracklet in which the face is described: the first ones may show it half covered, or in a dissolve."""
SAMPLE_INTERVAL = 12
"""Frames between two descriptions after that."""
CLOSE_SAMPLE_INTERVAL = 2
"""Frames between two descriptions of a face close to another one, which may be taken for it."""
CLOSE = 1.2
"""Distance of two faces that are close, relative to the larger one."""
HIDING = 0.85
"""Distance of two faces at which one may hide part of the other, likewise."""
SAME_FACE = 0.35
"""Distance of two boxes, relative to the smaller one, within which they are the same face."""


@dataclass
class _Tracklet:
    """A face that is followed.

    Attributes:
        number: Its number.
        box: Where it was seen last.
        region: Where its landmarks are searched.
        age: Frames in which it was seen.
        missing: Frames since it was seen.
    """

    number: int
    box: Box
    region: Region
    age: int = 0
    missing: int = 0


class FaceTracker:
    """A tracker that finds faces with a detector, and follows each from where its landmarks were in the last frame.

    Its networks are loaded when they are first used: a cached track needs none. Then it raises NotCapableError if one
    is missing, or if ``cuda`` is not available.
    """

    version = "face-mesh/3"
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
        shots, shot = ShotDetector(), _Shot(self, 0)
        for frame in frames:
            cut = shots.is_new(frame)
            if cut:
                shot = _Shot(self, shot.next_number)
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

    def landmarks(self, frame: Frame, region: Region) -> Array | None:
        """Return the landmarks (478, 3) of the face in a region, None if there is none."""
        landmarks, presence = self._session.run(None, {"picture": region.picture(frame)[None]})
        return region.to_frame(landmarks) if presence[0] >= MIN_PRESENCE else None

    def find_near(self, frame: Frame, face: Box) -> Array | None:
        """Return the landmarks (478, 3) of a face that was or may be at a place."""
        near = self._detector.detect_near(frame, face)
        return self._refined(frame, near) if near else None

    def find_new(self, frame: Frame, known: Sequence[Box], *, tiled: bool) -> list[Array]:
        """Return the landmarks (478, 3) of each face that is not known, the largest first.

        In the whole frame the detector takes other small things for faces, but rarely in an enlarged part of it.
        """
        boxes = sorted(self._detector.detect(frame, tiled=tiled), key=lambda box: box.size, reverse=True)
        found: list[Array] = []
        taken = list(known)
        for box in boxes:
            if any(is_same_face(box, face) for face in taken):
                continue
            landmarks = self.find_near(frame, box)
            if landmarks is not None and not any(is_same_face(face_box(landmarks), face) for face in taken):
                found.append(landmarks)
                taken.append(face_box(landmarks))
        return found

    def _refined(self, frame: Frame, face: Box) -> Array | None:
        """Return the landmarks (478, 3) of a face that was detected, None if there is none."""
        landmarks = self.landmarks(frame, Region(face.x, face.y, MARGIN * face.size, face.angle))
        for _ in range(REFINEMENTS):
            landmarks = None if landmarks is None else self.landmarks(frame, face_region(landmarks))
        return landmarks


class _Shot:
    """Follows the faces of one shot."""

    def __init__(self, tracker: FaceTracker, next_number: int) -> None:
        self.next_number = next_number
        self._tracker = tracker
        self._tracklets: list[_Tracklet] = []
        self._frames = 0
        self._empty = 0
        self._lost = 0

    def faces(self, frame: Frame) -> list[Face]:
        """Return the faces of the next frame."""
        followed = len(self._tracklets)
        seen = [(each, landmarks) for each in self._tracklets if (landmarks := self._again(frame, each)) is not None]
        seen = self._separate(seen)
        if len(seen) < followed:
            self._lost = LOST_FRAMES
        self._tracklets = [each for each in self._tracklets if each.missing <= MAX_GAP]
        self._lost = max(0, self._lost - 1)
        if not seen or self._frames % (LOST_SEARCH_INTERVAL if self._lost else SEARCH_INTERVAL) == 0:
            seen += self._find(frame, [face_box(landmarks) for _, landmarks in seen])
        self._frames += 1
        self._empty = 0 if seen else self._empty + 1
        boxes = [face_box(landmarks) for _, landmarks in seen]
        return [self._face(frame, *pair, boxes) for pair in sorted(seen, key=lambda pair: pair[0].number)]

    def _again(self, frame: Frame, tracklet: _Tracklet) -> Array | None:
        """Return the landmarks of a face that was followed; None if it is not where it was."""
        landmarks = self._tracker.landmarks(frame, tracklet.region) if not tracklet.missing else None
        if landmarks is None or not face_box(landmarks).matches(tracklet.box):
            landmarks = self._tracker.find_near(frame, tracklet.box)
        if landmarks is None or not face_box(landmarks).matches(tracklet.box):
            tracklet.missing += 1
            return None
        return landmarks

    def _separate(self, seen: list[tuple[_Tracklet, Array]]) -> list[tuple[_Tracklet, Array]]:
        """Where several tracklets have come to the same face, begin a new one: nobody knows whose face it is."""
        result: list[tuple[_Tracklet, Array]] = []
        for tracklet, landmarks in seen:
            box = face_box(landmarks)
            same = [pair for pair in result if is_same_face(face_box(pair[1]), box)]
            if not same:
                result.append((tracklet, landmarks))
                continue
            ended = {tracklet.number, *(each.number for each, _ in same)}
            self._tracklets = [each for each in self._tracklets if each.number not in ended]
            result = [pair for pair in result if pair[0].number not in ended]
            result.append((self._begin(landmarks), landmarks))
        return result

    def _find(self, frame: Frame, known: list[Box]) -> list[tuple[_Tracklet, Array]]:
        """Find faces that nobody follows; one that was lost a moment ago is followed again."""
        tiled = not known and self._empty % TILED_SEARCH_INTERVAL == 0
        seen = []
        for landmarks in self._tracker.find_new(frame, known, tiled=tiled):
            box = face_box(landmarks)
            largest = max([box.size, *(each.size for each in known)])
            if box.size >= MIN_SHARE * largest and len(known) < MAX_FACES:
                lost = (each for each in self._tracklets if each.missing and box.matches(each.box))
                seen.append((next(lost, None) or self._begin(landmarks), landmarks))
                seen[-1][0].missing = 0
                known = [*known, box]
        return seen

    def _begin(self, landmarks: Array) -> _Tracklet:
        tracklet = _Tracklet(self.next_number, face_box(landmarks), face_region(landmarks))
        self.next_number += 1
        self._tracklets.append(tracklet)
        return tracklet

    def _face(self, frame: Frame, tracklet: _Tracklet, landmarks: Array, boxes: Sequence[Box]) -> Face:
        tracklet.box, tracklet.region, tracklet.missing = face_box(landmarks), face_region(landmarks), 0
        others = [box for box in boxes if box != tracklet.box]
        nearest = min((_distance(box, tracklet.box) / max(box.size, tracklet.box.size) for box in others), default=9.0)
        interval = CLOSE_SAMPLE_INTERVAL if nearest < CLOSE else SAMPLE_INTERVAL
        due = tracklet.age in FIRST_SAMPLES or tracklet.age % interval == 0
        tracklet.age += 1
        appearance = describe(frame, landmarks, hidden=nearest < HIDING) if due else None
        return Face(tracklet.number, landmarks, appearance)


def _distance(one: Box, other: Box) -> float:
    return float(np.hypot(one.x - other.x, one.y - other.y))


def is_same_face(one: Box, other: Box) -> bool:
    """Return whether two boxes of one frame are the same face."""
    return _distance(one, other) < SAME_FACE * min(one.size, other.size)
