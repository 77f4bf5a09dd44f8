"""Recognise the people of a face video across its shots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from heygem_cli.face.appearance import are_whole, distances
from heygem_cli.face.box import Box, face_box
from heygem_cli.face.geometry import Array, canonical_face, head_pose
from heygem_cli.face.shot import CLOSE
from heygem_cli.face.track import FaceTrack, Piece
from heygem_cli.face.video_track import VideoTrack

MAX_SAMPLES = 8
"""Descriptions of a piece that are compared with those of others, evenly spread ..."""
MAX_ALL_SAMPLES = 3000
"""... and of all pieces together, for the sake of memory."""
MIN_FRAMES = 12
"""Frames that show a person at least; a face that is seen for a shorter time may be an error of the tracker."""
MIN_FRAMES_SHARE = 0.1
"""In a short video it is this share of the frames."""
NEAR_FRAMES = 25
"""Frames within which a face that appears where another one was lost, in the same shot, is probably the same."""
NEAR_FACTOR = 0.8
"""What their distance is multiplied by."""
STEADY = 0.08
"""Largest motion within a frame, relative to the face, of one that stays the same while it looks different."""


@dataclass(frozen=True)
class SeenPerson:
    """A person of a face video.

    Attributes:
        number: 1, 2, … by first appearance, then from left to right.
        frames: Number of frames that show the person.
        first: The first of them.
        last: The last of them.
        best: One that shows the person well: large and from the front.
        box: Where the face is in that frame.
        pieces: Where the person was followed.
    """

    number: int
    frames: int
    first: int
    last: int
    best: int
    box: Box
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True)
class _Seen:
    """A piece, samples (n, LENGTH) of its appearance, its shot, and where the face is at both ends."""

    piece: Piece
    samples: Array
    shot: int
    ends: tuple[Box, Box]


def find_people(track: VideoTrack) -> tuple[SeenPerson, ...]:
    """Find the people of a face video, a pure function of its track."""
    pieces = [each for tracklet in np.unique(track.row_tracklets) for each in _pieces(track, int(tracklet))]
    seen = _join_steady(track, pieces)
    people = [_describe(track, [seen[index].piece for index in group]) for group in _group(seen)]
    least = min(MIN_FRAMES, MIN_FRAMES_SHARE * len(track))
    people = [person for person in people if person.frames >= least] or people
    people.sort(key=lambda person: (person.first, person.box.x))
    return tuple(replace(person, number=number) for number, person in enumerate(people, 1))


def person_track(track: VideoTrack, person: SeenPerson) -> FaceTrack:
    """Return the track of one person."""
    return FaceTrack(track, person.pieces)


def _pieces(track: VideoTrack, tracklet: int) -> list[_Seen]:
    """Split a tracklet where two samples are unlike the two before: there it passes to someone else.

    A single one may be unlike the others because of a blink or a blur. The frames between the second and the third
    sample belong to nobody.
    """
    rows = np.flatnonzero(track.row_tracklets == tracklet)
    frames = track.row_frames[rows]
    of_tracklet = track.sample_tracklets == tracklet
    whole = of_tracklet & are_whole(track.samples)
    of_tracklet = whole if whole.any() else of_tracklet
    sampled, samples = track.sample_frames[of_tracklet], track.samples[of_tracklet]
    changes = [
        index
        for index in range(1, len(samples))
        if distances(samples[max(0, index - 2) : index], samples[index : index + 2]).min() > 1
    ]
    seen = []
    for start, stop in pairwise([0, *changes, len(samples)]):
        first = int(sampled[start] if start else frames[0])
        last = int(frames[-1] if stop == len(samples) else sampled[stop - 1])
        at_ends = (track.landmarks(int(rows[np.searchsorted(frames, each)]), 1)[0] for each in (first, last))
        box, other = (face_box(landmarks) for landmarks in at_ends)
        shot = int(np.searchsorted(track.cuts, first, side="right"))
        seen.append(_Seen(Piece(tracklet, first, last), samples[start:stop], shot, (box, other)))
    return seen


def _group(seen: Sequence[_Seen]) -> list[list[int]]:
    """Join the pieces of each person, the most similar groups first, as long as they are the same (average linkage).

    Two faces in one frame are two people.

    Returns:
        The indices of the pieces of each person.
    """
    between = _distances(seen)
    groups: dict[int, list[int]] = {index: [index] for index in range(len(seen))}
    while len(groups) > 1:
        one, other = (int(index) for index in np.unravel_index(np.argmin(between), between.shape))
        if between[one, other] > 1:
            break
        sizes = len(groups[one]), len(groups[other])
        groups[one] += groups.pop(other)
        between[one] = (sizes[0] * between[one] + sizes[1] * between[other]) / sum(sizes)
        between[:, one] = between[one]
        between[other] = between[:, other] = between[one, one] = np.inf
    return list(groups.values())


def _join_steady(track: VideoTrack, seen: Sequence[_Seen]) -> list[_Seen]:
    """Join pieces of a tracklet that look alike with what lies between: a hand at the forehead, or a head that leans.

    It remains someone else if that person is seen in another tracklet, or if the face jumps or has another one near it.
    """
    joined: list[_Seen] = []
    for each in seen:
        for index, before in enumerate(joined):
            between = joined[index + 1 :]
            if _is_one_face(track, before, each) and not any(_is_elsewhere(other, seen) for other in between):
                piece, samples = replace(each.piece, first=before.piece.first), [before.samples, each.samples]
                ends = before.ends[0], each.ends[1]
                joined[index:] = [_Seen(piece, np.concatenate(samples), each.shot, ends)]
                break
        else:
            joined.append(each)
    return joined


def _is_elsewhere(piece: _Seen, seen: Sequence[_Seen]) -> bool:
    """Return whether a piece looks like one of another tracklet."""
    others = (each for each in seen if each.piece.tracklet != piece.piece.tracklet)
    return any(distances(piece.samples, each.samples).mean() <= 1 for each in others)


def _is_one_face(track: VideoTrack, before: _Seen, after: _Seen) -> bool:
    """Return whether two pieces of a tracklet look alike, and it moves steadily between, with no other face near it."""
    if before.piece.tracklet != after.piece.tracklet or distances(before.samples, after.samples).min() > 1:
        return False
    return _is_steady(track, before.piece, after.piece)


def _is_steady(track: VideoTrack, before: Piece, after: Piece) -> bool:
    """Return whether a tracklet moves steadily from one of its pieces to another, with no other face near it."""
    first, last = before.last - NEAR_FRAMES, after.first + NEAR_FRAMES
    start, stop = (int(row) for row in np.searchsorted(track.row_frames, [max(0, first), last + 1]))
    frames, own = track.row_frames[start:stop], track.row_tracklets[start:stop] == before.tracklet
    boxes = [face_box(landmarks) for landmarks in track.landmarks(start, stop - start)]
    places = {int(frames[index]): boxes[index] for index in np.flatnonzero(own)}
    shown = range(before.last, after.first + 1)
    steady = all(
        frame in places and frame + 1 in places and _moves_steadily(places[frame], places[frame + 1])
        for frame in shown[:-1]
    )
    others = ((int(frames[index]), boxes[index]) for index in np.flatnonzero(~own))
    return steady and not any(frame in places and _is_near(places[frame], box) for frame, box in others)


def _moves_steadily(box: Box, later: Box) -> bool:
    change = max(abs(later.x - box.x), abs(later.y - box.y), abs(later.size - box.size))
    return change <= STEADY * box.size


def _is_near(box: Box, other: Box) -> bool:
    return float(np.hypot(other.x - box.x, other.y - box.y)) < CLOSE * max(box.size, other.size)


def _distances(seen: Sequence[_Seen]) -> Array:
    """Return the mean distance of the samples of each two pieces; infinite for a piece itself, and for two people."""
    if not seen:
        return np.zeros((0, 0), np.float32)
    compared = [_spread(each.samples, MAX_ALL_SAMPLES // len(seen)) for each in seen]
    counts = np.array([len(each) for each in compared])
    samples, starts = np.concatenate(compared), np.cumsum(counts) - counts
    sums = np.add.reduceat(np.add.reduceat(distances(samples, samples), starts, axis=0), starts, axis=1)
    between = np.asarray(sums / np.multiply.outer(counts, counts), np.float32)
    first, last = (np.array([getattr(each.piece, name) for each in seen]) for name in ("first", "last"))
    between[(first[:, None] <= last) & (first <= last[:, None])] = np.inf
    for index, each in enumerate(seen):
        for later in np.flatnonzero((first > last[index]) & (first <= last[index] + NEAR_FRAMES)):
            if seen[later].shot == each.shot and seen[later].ends[0].matches(each.ends[1]):
                between[index, later] *= NEAR_FACTOR
                between[later, index] = between[index, later]
    return between


def _spread(samples: Array, limit: int = MAX_SAMPLES) -> Array:
    count = min(len(samples), MAX_SAMPLES, max(1, limit))
    return np.asarray(samples[np.linspace(0, len(samples) - 1, count).astype(int)])


def _describe(track: VideoTrack, pieces: Sequence[Piece]) -> SeenPerson:
    ordered = tuple(sorted(pieces, key=lambda piece: piece.first))
    best, box = _best(track, ordered)
    frames = sum(piece.last + 1 - piece.first for piece in ordered)
    return SeenPerson(0, frames, ordered[0].first, ordered[-1].last, best, box, ordered)


def _best(track: VideoTrack, pieces: Sequence[Piece]) -> tuple[int, Box]:
    """Return the sampled frame in which the face is largest and most frontal, and where it is."""
    chosen = max(_sampled(track, pieces), key=lambda sampled: _size_from_the_front(sampled[1]))
    return chosen[0], face_box(chosen[1])


def _size_from_the_front(landmarks: Array) -> float:
    pose = head_pose(landmarks, canonical_face())
    return face_box(landmarks).size * float(np.cos(np.radians(pose.yaw)) * np.cos(np.radians(pose.pitch)))


def sightings(track: VideoTrack, pieces: Sequence[Piece]) -> Iterator[tuple[int, Box]]:
    """Yield some of the frames that show a face, the first of each piece among them, and where it is."""
    for frame, landmarks in _sampled(track, pieces):
        yield frame, face_box(landmarks)


def _sampled(track: VideoTrack, pieces: Sequence[Piece]) -> Iterator[tuple[int, Array]]:
    """Yield the frames of pieces in which the appearance was sampled, with the landmarks (478, 3)."""
    for piece in pieces:
        frames = track.sample_frames[_samples_of(track, piece)]
        start, stop = np.searchsorted(track.row_frames, [piece.first, piece.last + 1])
        rows = np.flatnonzero(track.row_tracklets[start:stop] == piece.tracklet) + start
        for row in rows[np.isin(track.row_frames[rows], frames)]:
            yield int(track.row_frames[row]), track.landmarks(int(row), 1)[0]


def _samples_of(track: VideoTrack, piece: Piece) -> npt.NDArray[np.bool_]:
    within = (track.sample_frames >= piece.first) & (track.sample_frames <= piece.last)
    return np.asarray(within & (track.sample_tracklets == piece.tracklet))


def likeness(track: VideoTrack, person: SeenPerson, reference: Array) -> float:
    """Return how different a person is from an appearance (LENGTH,): below 1 it is surely the person."""
    samples = np.concatenate([track.samples[_samples_of(track, piece)] for piece in person.pieces])
    return float(distances(_spread(samples), reference[None]).mean())
