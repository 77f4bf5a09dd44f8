"""Tracks of faces that no tracker has seen."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from heygem_cli.face.appearance import BINS, LENGTH
from heygem_cli.face.people import find_people, person_track
from heygem_cli.face.track import FaceTrack
from heygem_cli.face.video_track import Face, TrackedFrame, write_track


def looks(kind: int) -> np.ndarray:
    """Return the appearance of one of some people who look quite different, seen from the front."""
    appearance = np.zeros(LENGTH, np.float32)
    appearance[kind:-2:BINS] = 1
    appearance[-2] = 1
    return appearance


def frames_of(
    rows: Iterable[np.ndarray | None], *, cuts: Sequence[int] = (0,), kinds: Sequence[int] | None = None
) -> Iterator[TrackedFrame]:
    """Yield the frames of a video with one face: its landmarks in each, None without it.

    Args:
        rows: The landmarks.
        cuts: The first frame of each shot.
        kinds: Who it is in each shot.
    """
    tracklet, described = -1, False
    for number, row in enumerate(rows):
        tracklet += number in cuts
        described = described and number not in cuts
        appearance = None if described or row is None else looks(kinds[tracklet] if kinds else 0)
        described = described or row is not None
        yield TrackedFrame(number in cuts, () if row is None else (Face(tracklet, row, appearance),))


def numbered_rows(count: int, missing: Sequence[int] = ()) -> list[np.ndarray | None]:
    """Return landmarks that are each the number of their frame, None in the frames without a face."""
    return [None if k in missing else np.full((478, 3), k, np.float32) for k in range(count)]


def numbered_frames(count: int, missing: Sequence[int] = ()) -> list[TrackedFrame]:
    """Return the frames of a video with the landmarks of :func:`numbered_rows`."""
    return list(frames_of(numbered_rows(count, missing)))


def face_track(path: Path, rows: Sequence[np.ndarray | None], **shots: Sequence[int]) -> FaceTrack:
    """Write the track of a video with one face, and return that of its first person."""
    track = write_track(path, frames_of(rows, **shots), limit=len(rows) + 1)
    return person_track(track, find_people(track)[0])
