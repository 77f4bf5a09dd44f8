"""Choose the person who speaks among the people of a face video."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from heygem_cli.face.box import Box
from heygem_cli.face.geometry import Array
from heygem_cli.face.people import SeenPerson, likeness, sightings
from heygem_cli.face.video_track import VideoTrack
from heygem_cli.person import Person, Rule

PROMINENT = 0.6
"""Size of a face, relative to the largest in its frame, from which the frame counts for it: a poster's does not."""
SAME_AS_PICTURE = 0.85
"""How different somebody is at the most from a picture that shows the same person. It is less than between shots: in
photographs of different days one of fifty pairs of different people is below 1, and none is below this."""
MAIN_SHARE = 0.9
"""Frames, relative to those of the person who is in most, with which the larger face decides who is meant."""


def choose(
    track: VideoTrack, people: Sequence[SeenPerson], person: Person, width: int, reference: Array | None = None
) -> SeenPerson | None:
    """Return the person who speaks; None if it is not there, or not surely.

    Args:
        track: All faces of the face video.
        people: The people in it.
        person: Who speaks.
        width: Width of the picture in pixels.
        reference: (LENGTH,) the appearance of the face in the picture that ``person`` names, if it names one.
    """
    if not people:
        return None
    if reference is not None:
        nearest = min(people, key=lambda each: likeness(track, each, reference))
        return nearest if likeness(track, nearest, reference) < SAME_AS_PICTURE else None
    if person.number is not None:
        return people[person.number - 1] if person.number <= len(people) else None
    if person.point is not None:
        return _at_point(track, people, person.point)
    return _by_rule(track, people, person.rule or "main", width)


def _at_point(track: VideoTrack, people: Sequence[SeenPerson], point: tuple[float, float]) -> SeenPerson | None:
    """Return who is the first to be at a point."""
    x, y = point
    hits = [
        (frame, (box.x - x) ** 2 + (box.y - y) ** 2, each.number)
        for each in people
        for frame, box in sightings(track, each.pieces)
        if max(abs(box.x - x), abs(box.y - y)) < 0.75 * box.size
    ]
    return people[min(hits)[2] - 1] if hits else None


def _by_rule(track: VideoTrack, people: Sequence[SeenPerson], rule: Rule, width: int) -> SeenPerson:
    """Apply a rule; one about place or size to the first of the frames that show most people."""
    if rule == "main":
        frames = _prominent_frames(track, people)
        seen_most = (each for each in people if frames[each.number - 1] >= MAIN_SHARE * max(frames))
        return max(seen_most, key=lambda each: each.box.size)
    boxes = _together(track, people)
    by_rule = {
        "left": min(boxes, key=lambda number: boxes[number].x),
        "right": max(boxes, key=lambda number: boxes[number].x),
        "center": min(boxes, key=lambda number: abs(boxes[number].x - width / 2)),
        "largest": max(boxes, key=lambda number: boxes[number].size),
    }
    return people[by_rule[rule] - 1]


def _prominent_frames(track: VideoTrack, people: Sequence[SeenPerson]) -> list[int]:
    """Return in how many frames the face of each person is one of the large ones."""
    largest = np.zeros(len(track))
    for each in people:
        np.maximum(largest, _sizes(track, each), out=largest)
    sizes = (_sizes(track, each) for each in people)
    return [int(np.count_nonzero((size > 0) & (size >= PROMINENT * largest))) for size in sizes]


def _sizes(track: VideoTrack, person: SeenPerson) -> npt.NDArray[np.float64]:
    """Return the size of a person's face in pixels in every frame, 0 without it."""
    sizes = np.zeros(len(track))
    for piece in person.pieces:
        frames, boxes = zip(*sightings(track, [piece]), strict=True)
        shown = np.arange(piece.first, piece.last + 1)
        sizes[shown] = np.interp(shown, frames, [box.size for box in boxes])
    return sizes


def _together(track: VideoTrack, people: Sequence[SeenPerson]) -> dict[int, Box]:
    """Return where people are, by their numbers, in the first of the frames that show most of them."""
    shown = np.zeros((len(people), len(track)), bool)
    for each in people:
        for piece in each.pieces:
            shown[each.number - 1, piece.first : piece.last + 1] = True
    frame = int(np.argmax(shown.sum(0)))
    present = (each for each in people if shown[each.number - 1, frame])
    return {
        each.number: min(sightings(track, each.pieces), key=lambda seen: abs(seen[0] - frame))[1] for each in present
    }
