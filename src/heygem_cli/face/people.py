"""Recognise the people of a face video across its shots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heygem_cli.face.appearance import distance
from heygem_cli.face.box import Box, face_box
from heygem_cli.face.geometry import Array, canonical_face, head_pose
from heygem_cli.face.track import FaceTrack, Piece
from heygem_cli.face.video_track import VideoTrack

MAX_SAMPLES = 12
"""Descriptions of a piece that are compared with those of others, evenly spread."""


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
    """A piece, and the samples (n, LENGTH) of its appearance."""

    piece: Piece
    samples: Array


def find_people(track: VideoTrack) -> tuple[SeenPerson, ...]:
    """Find the people of a face video, a pure function of its track."""
    seen = [each for tracklet in np.unique(track.row_tracklets) for each in _pieces(track, int(tracklet))]
    people = [_describe(track, group) for group in _group(seen)]
    people.sort(key=lambda person: (person.first, person.box.x))
    return tuple(
        SeenPerson(number, each.frames, each.first, each.last, each.best, each.box, each.pieces)
        for number, each in enumerate(people, 1)
    )


def person_track(track: VideoTrack, person: SeenPerson) -> FaceTrack:
    """Return the track of one person."""
    return FaceTrack(track, person.pieces)


def _pieces(track: VideoTrack, tracklet: int) -> list[_Seen]:
    """Split a tracklet where its appearance changes from one sample to the next: there it passes to someone else.

    The frames between these two samples belong to nobody.
    """
    frames = track.row_frames[track.row_tracklets == tracklet]
    of_tracklet = track.sample_tracklets == tracklet
    sampled, samples = track.sample_frames[of_tracklet], track.samples[of_tracklet]
    pieces, start, begin = [], 0, int(frames[0])
    for index in range(1, len(samples) + 1):
        if index == len(samples):
            end = int(frames[-1])
        elif distance(samples[index - 1], samples[index]) > 1:
            end = int(sampled[index - 1])
        else:
            continue
        pieces.append(_Seen(Piece(tracklet, begin, end), samples[start:index]))
        if index < len(samples):
            start, begin = index, int(sampled[index])
    return pieces


def _group(seen: Sequence[_Seen]) -> list[list[_Seen]]:
    """Join the pieces of a person, the most similar ones first; two faces in one frame are two people."""
    groups = [[each] for each in seen]
    between = np.array([[_distance(one, other) for other in seen] for one in seen])
    members = [[index] for index in range(len(seen))]
    while len(groups) > 1:
        pairs = [
            (float(np.mean(between[np.ix_(members[i], members[j])])), i, j)
            for i in range(len(groups))
            for j in range(i)
            if not _overlap(groups[i], groups[j])
        ]
        nearest, i, j = min(pairs, default=(np.inf, 0, 0))
        if nearest > 1:
            break
        groups[j] += groups.pop(i)
        members[j] += members.pop(i)
    return groups


def _overlap(some: Sequence[_Seen], others: Sequence[_Seen]) -> bool:
    return any(
        one.piece.first <= other.piece.last and other.piece.first <= one.piece.last for one in some for other in others
    )


def _distance(one: _Seen, other: _Seen) -> float:
    pairs = [distance(a, b) for a in _spread(one.samples) for b in _spread(other.samples)]
    return float(np.mean(pairs))


def _spread(samples: Array) -> Array:
    if len(samples) <= MAX_SAMPLES:
        return samples
    return np.asarray(samples[np.linspace(0, len(samples) - 1, MAX_SAMPLES).astype(int)])


def _describe(track: VideoTrack, group: Sequence[_Seen]) -> SeenPerson:
    pieces = tuple(sorted((each.piece for each in group), key=lambda piece: piece.first))
    best, box = _best(track, pieces)
    frames = sum(piece.last + 1 - piece.first for piece in pieces)
    return SeenPerson(0, frames, pieces[0].first, max(piece.last for piece in pieces), best, box, pieces)


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
    return float(np.mean([distance(sample, reference) for sample in _spread(samples)]))
