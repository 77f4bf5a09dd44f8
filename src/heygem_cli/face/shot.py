"""Follow the faces of one shot, also while one passes in front of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np
import numpy.typing as npt

from heygem_cli.face.appearance import are_whole, describe, described_points, distance, point_distances
from heygem_cli.face.box import Box, face_box
from heygem_cli.face.geometry import STABLE, Array
from heygem_cli.face.outline import EVERYTHING, View, are_inside, outline
from heygem_cli.face.region import Region, face_region
from heygem_cli.face.smooth import MAX_GAP
from heygem_cli.face.video_track import Face
from heygem_cli.media.types import Frame

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
UNUSUAL_SAMPLE_INTERVAL = 4
"""Frames between two descriptions of a face that looks unlike itself: it may be covered for a moment."""
CLOSE = 1.2
"""Distance of two faces that are close, relative to the larger one."""
HIDING = 0.85
"""Distance of two faces at which one may hide part of the other, likewise."""
SAME_FACE = 0.35
"""Distance of two boxes, relative to the smaller one, within which they are the same face."""
FAR = 0.1
"""Motion of a face within a frame, relative to its size, or change of its size, from which its landmarks are inexact,
since the network looked where it was: it looks again, where it is now, ..."""
LOOKS = 3
"""... as often as this in all."""
SEEN_AROUND = 1.25
"""What the network sees of a face beside another one, and what it does not see of one in front, ..."""
HIDDEN_AROUND = 1.15
"""... both relative to the outline of the landmarks."""
HIDDEN = 0.7
"""Share of the landmarks behind other faces from which a face is not seen."""
MIN_POINTS = 6
"""Points of a face within the outline of another that tell which of them is in front."""


class Finder(Protocol):
    """Finds the landmarks (478, 3) of faces in a single frame, see :class:`heygem_cli.face.tracker.FaceTracker`."""

    def landmarks(self, frame: Frame, region: Region, view: View = EVERYTHING) -> Array | None:
        """Return those of the face in a region."""

    def find_near(self, frame: Frame, face: Box, view: View = EVERYTHING) -> Array | None:
        """Return those of a face that was or may be at a place."""

    def find_new(self, frame: Frame, known: Sequence[Box], view: View, *, tiled: bool) -> list[Array]:
        """Return those of each face that is not known."""


@dataclass
class _Tracklet:
    """A face that is followed.

    Attributes:
        number: Its number.
        landmarks: (478, 3) where it was seen last.
        motion: (2,) how it moved between the last two frames.
        age: Frames in which it was seen.
        missing: Frames since it was seen.
        crowded: Frames in which another face may still be in front of it or behind it.
        whole: What it looked like when nothing hid it; None: not known yet.
        usual: What it looked like before it began to look unlike itself; None likewise.
        unusual: Frames in which it has looked unlike itself.
    """

    number: int
    landmarks: Array
    motion: Array
    age: int = 0
    missing: int = 0
    crowded: int = 0
    whole: Array | None = None
    usual: Array | None = None
    unusual: int = 0

    @property
    def box(self) -> Box:
        """Where it was seen last."""
        return face_box(self.landmarks)

    @property
    def expected(self) -> Array:
        """Where it should be in the next frame; beside other faces the search must not drift to them."""
        expected = self.landmarks.copy()
        expected[:, :2] += self.motion if self.crowded else 0
        return expected

    def compare(self, appearance: Array) -> None:
        """Note whether it looks unlike itself; after a while, that is what it looks like."""
        if self.usual is None or self.unusual > LOST_FRAMES or distance(self.usual, appearance) <= 1:
            self.usual, self.unusual = appearance, 0
        else:
            self.unusual = max(1, self.unusual)

    def move(self, landmarks: Array) -> None:
        """Move to where it was found in the next frame."""
        moved = (landmarks - self.landmarks)[list(STABLE), :2].mean(0)
        self.motion = np.zeros(2, np.float32) if self.missing else np.asarray(moved, np.float32)
        self.landmarks, self.missing = landmarks, 0


class Shot:
    """Follows the faces of one shot.

    Args:
        finder: Finds them in a frame.
        next_number: The number of the first one.
    """

    def __init__(self, finder: Finder, next_number: int) -> None:
        self.next_number = next_number
        self._finder = finder
        self._tracklets: list[_Tracklet] = []
        self._in_front: dict[tuple[int, int], float] = {}
        """By the numbers of two faces that overlap: above 0 if the first is in front, below 0 if the second is."""
        self._frames = 0
        self._empty = 0
        self._lost = 0

    def faces(self, frame: Frame) -> list[Face]:
        """Return the faces of the next frame."""
        followed = len(self._tracklets)
        seen: list[_Tracklet] = []
        for each in sorted(self._tracklets, key=self._depth):
            # A face that was lost is not the one that is followed beside it.
            in_front = seen if each.missing else self._in_front_of(each, seen)
            seen += [each] if self._follow(frame, each, in_front) else []
        seen = self._separate(seen)
        if len(seen) < followed:
            self._lost = LOST_FRAMES
        self._tracklets = [each for each in self._tracklets if each.missing <= MAX_GAP]
        self._lost = max(0, self._lost - 1)
        if not seen or self._frames % (LOST_SEARCH_INTERVAL if self._lost else SEARCH_INTERVAL) == 0:
            seen += self._find(frame, seen)
        self._frames += 1
        self._empty = 0 if seen else self._empty + 1
        self._compare(frame, seen)
        return [self._face(frame, each, seen) for each in sorted(seen, key=lambda each: each.number)]

    def _follow(self, frame: Frame, tracklet: _Tracklet, in_front: Sequence[_Tracklet]) -> bool:
        """Move a face that was followed to where it is; return whether it is seen.

        Args:
            frame: The next frame.
            tracklet: The face.
            in_front: Those in front of it.
        """
        expected = tracklet.expected
        hidden = [outline(each.landmarks, HIDDEN_AROUND) for each in in_front]
        if _hidden_share(expected, hidden) > HIDDEN:
            tracklet.missing += 1
            return False
        view = View(hidden, outline(expected, SEEN_AROUND) if tracklet.crowded else None)
        landmarks = self._refine(frame, expected, view) if not tracklet.missing else None
        if landmarks is None or not face_box(landmarks).matches(tracklet.box):
            landmarks = self._finder.find_near(frame, tracklet.box, View(hidden))
        if landmarks is None or not face_box(landmarks).matches(tracklet.box):
            tracklet.missing += 1
            return False
        tracklet.move(landmarks)
        return True

    def _refine(self, frame: Frame, expected: Array, view: View) -> Array | None:
        """Return the landmarks of the face that is expected at those landmarks, None if it is not near."""
        for _ in range(LOOKS):
            landmarks = self._finder.landmarks(frame, face_region(expected), view)
            if landmarks is None or not _is_far(face_box(landmarks), face_box(expected)):
                return landmarks
            expected = landmarks
        return None

    def _separate(self, seen: Sequence[_Tracklet]) -> list[_Tracklet]:
        """Where several tracklets have come to the same face, it is that of the one in front.

        If that is not known, a new tracklet begins, since it is not certain whose face it is.
        """
        result: list[_Tracklet] = []
        for tracklet in seen:
            same = [each for each in result if is_same_face(each.box, tracklet.box)]
            if not same:
                result.append(tracklet)
            elif len(self._in_front_of(tracklet, same)) == len(same) == 1:
                tracklet.missing += 1
            else:
                ended = [tracklet, *same]
                self._tracklets = [each for each in self._tracklets if each not in ended]
                result = [each for each in result if each not in ended]
                result.append(self._begin(tracklet.landmarks))
        return result

    def _find(self, frame: Frame, known: Sequence[_Tracklet]) -> list[_Tracklet]:
        """Find faces that are not followed yet; one that was lost a moment ago is followed again."""
        tiled = not known and self._empty % TILED_SEARCH_INTERVAL == 0
        hidden = [outline(each.landmarks, HIDDEN_AROUND) for each in known if each.crowded]
        seen: list[_Tracklet] = []
        for landmarks in self._finder.find_new(frame, [each.box for each in known], View(hidden), tiled=tiled):
            box = face_box(landmarks)
            largest = max([box.size, *(each.box.size for each in (*known, *seen))])
            too_many = len(known) + len(seen) >= MAX_FACES
            if box.size < MIN_SHARE * largest or too_many or _hidden_share(landmarks, hidden) > HIDDEN:
                continue
            lost = next((each for each in self._tracklets if each.missing and box.matches(each.box)), None)
            if lost:
                lost.move(landmarks)
            seen.append(lost or self._begin(landmarks))
            for each in known:
                if each.crowded and _distance(each, seen[-1]) < HIDING:
                    self._set_in_front(each, seen[-1])
        return seen

    def _begin(self, landmarks: Array) -> _Tracklet:
        tracklet = _Tracklet(self.next_number, landmarks, np.zeros(2, np.float32))
        self.next_number += 1
        self._tracklets.append(tracklet)
        return tracklet

    def _depth(self, tracklet: _Tracklet) -> tuple[bool, int]:
        """Return a key that sorts faces from the front to the back, and those that were lost after them."""
        return tracklet.missing > 0, len(self._in_front_of(tracklet, self._tracklets))

    def _in_front_of(self, tracklet: _Tracklet, others: Sequence[_Tracklet]) -> list[_Tracklet]:
        """Return which of the others are in front of a face."""
        return [each for each in others if self._is_in_front(each, tracklet)]

    def _is_in_front(self, one: _Tracklet, other: _Tracklet) -> bool:
        low, high = sorted((one.number, other.number))
        order = self._in_front.get((low, high), 0.0)
        return order > 0 if one.number == low else order < 0

    def _set_in_front(self, one: _Tracklet, other: _Tracklet) -> None:
        low, high = sorted((one.number, other.number))
        self._in_front[low, high] = np.inf if one.number == low else -np.inf

    def _compare(self, frame: Frame, seen: Sequence[_Tracklet]) -> None:
        """Find out which of two faces that overlap is in front: the one that looks there as it did before."""
        lost = [each for each in self._tracklets if each.missing]
        for each in seen:
            near_lost = any(_distance(each, other) < CLOSE for other in lost)
            each.crowded = LOST_FRAMES if near_lost else max(0, each.crowded - 1)
        for one, other in combinations(sorted(seen, key=lambda each: each.number), 2):
            if _distance(one, other) >= HIDING:
                self._in_front.pop((one.number, other.number), None)
                continue
            one.crowded = other.crowded = LOST_FRAMES
            change, others = _change(frame, one, other), _change(frame, other, one)
            if change is not None and others is not None:
                before = self._in_front.get((one.number, other.number), 0.0)
                self._in_front[one.number, other.number] = before + others - change

    def _face(self, frame: Frame, tracklet: _Tracklet, seen: Sequence[_Tracklet]) -> Face:
        nearest = min((_distance(each, tracklet) for each in seen if each is not tracklet), default=np.inf)
        often = UNUSUAL_SAMPLE_INTERVAL if tracklet.unusual else SAMPLE_INTERVAL
        interval = CLOSE_SAMPLE_INTERVAL if nearest < CLOSE else often
        due = tracklet.age in FIRST_SAMPLES or tracklet.age % interval == 0
        tracklet.age += 1
        tracklet.unusual += 1 if tracklet.unusual else 0
        appearance = describe(frame, tracklet.landmarks, hidden=nearest < HIDING) if due else None
        if appearance is not None and are_whole(appearance[None])[0]:
            tracklet.whole = appearance
            tracklet.compare(appearance)
        return Face(tracklet.number, tracklet.landmarks, appearance)


def _distance(one: _Tracklet, other: _Tracklet) -> float:
    """Return the distance of two faces, relative to the larger one."""
    return _apart(one.box, other.box) / max(one.box.size, other.box.size)


def _apart(one: Box, other: Box) -> float:
    return float(np.hypot(one.x - other.x, one.y - other.y))


def _hidden_share(landmarks: Array, hidden: Sequence[Array]) -> float:
    behind: npt.NDArray[np.bool_] = np.zeros(len(landmarks), bool)
    for corners in hidden:
        behind |= are_inside(landmarks[:, :2], corners)
    return float(behind.mean())


def _change(frame: Frame, tracklet: _Tracklet, other: _Tracklet) -> float | None:
    """Return how much a face looks different from before within the outline of another; None if that is not known."""
    if tracklet.whole is None:
        return None
    within = are_inside(described_points(tracklet.landmarks), outline(other.landmarks))
    if within.sum() < MIN_POINTS:
        return None
    return float(point_distances(describe(frame, tracklet.landmarks), tracklet.whole)[within].mean())


def _is_far(one: Box, other: Box) -> bool:
    return max(_apart(one, other), abs(one.size - other.size)) > FAR * other.size


def is_same_face(one: Box, other: Box) -> bool:
    """Return whether two boxes of one frame are the same face."""
    return _apart(one, other) < SAME_FACE * min(one.size, other.size)
