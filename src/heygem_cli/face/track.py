"""The track of one person through a face video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import INNER_LOWER_MID, LANDMARKS, LEFT_EYE, RIGHT_EYE, Array
from heygem_cli.face.smooth import MAX_GAP, RADIUS, bridge_gaps, smooth
from heygem_cli.face.video_track import VideoTrack

Absence = Literal["no face", "other person"]
_CHUNK = 64
"""Frames that are read at a time where single ones are asked for."""
_SAMPLES = 20
"""Frames that show how a head is held."""


@dataclass(frozen=True)
class Piece:
    """Successive frames, from ``first`` to ``last``, in which a tracklet shows the same person."""

    tracklet: int
    first: int
    last: int


class FaceTrack:
    """Landmarks of one person in every frame of a face video.

    Within each piece short gaps are bridged and jitter is removed, but never across a cut, or from one person to
    another.

    Args:
        video: All faces.
        pieces: Those of the person, at most one in a frame.

    Attributes:
        video: All faces.
        present: bool (frames,), whether the person was found.
    """

    def __init__(self, video: VideoTrack, pieces: Sequence[Piece]) -> None:
        self.video = video
        self.present: npt.NDArray[np.bool_] = np.zeros(len(video), bool)
        self._pieces = sorted(pieces, key=lambda piece: piece.first)
        self._row = np.full(len(video), -1)
        for piece in self._pieces:
            self.present[piece.first : piece.last + 1] = True
            rows = _rows_of(video, piece)
            self._row[video.row_frames[rows]] = rows
        self._known: tuple[int, Array] = (0, np.zeros((0, LANDMARKS, 3), np.float32))

    def __len__(self) -> int:
        return len(self.video)

    def absence(self, index: int) -> Absence | None:
        """Return why a frame does not show the person; None where it does."""
        if self.present[index]:
            return None
        row = int(np.searchsorted(self.video.row_frames, index))
        shows_someone = row < len(self.video.row_frames) and self.video.row_frames[row] == index
        return "other person" if shows_someone else "no face"

    def landmarks(self, index: int) -> Array | None:
        """Read the landmarks (478, 3) of one frame, None without the person."""
        if not self.present[index]:
            return None
        start = index // _CHUNK * _CHUNK
        return np.asarray(self.rows(start, _CHUNK)[index - start])

    def rows(self, start: int, count: int) -> Array:
        """Return the landmarks (count, 478, 3) of successive frames, NaN without the person; they are read-only.

        What was read last is kept, since several stages want to know the same frames.

        Raises:
            HeygemError: ``bad-track``: the file has become shorter.
        """
        stop = max(start, min(start + count, len(self)))
        if (start, stop - start) != (self._known[0], len(self._known[1])):
            self._known = start, self._smoothed(start, stop)
        return self._known[1]

    def is_upright(self) -> bool:
        """Return whether the chin is below the eyes, by less than 45°, in most of some frames with the person."""
        shown = np.flatnonzero(self.present)
        some = shown[:: -(-len(shown) // _SAMPLES)]
        landmarks = np.stack([self.rows(int(index), 1)[0] for index in some])
        down = landmarks[:, INNER_LOWER_MID, :2] - landmarks[:, (LEFT_EYE, RIGHT_EYE), :2].mean(1)
        return bool(np.mean(down[:, 1] > np.abs(down[:, 0])) >= 0.5)

    def _smoothed(self, start: int, stop: int) -> Array:
        result = np.full((stop - start, LANDMARKS, 3), np.nan, np.float32)
        for piece in self._pieces:
            first, last = max(start, piece.first), min(stop - 1, piece.last)
            if first <= last:
                before = max(piece.first, first - RADIUS - MAX_GAP)
                known = self._read(before, min(piece.last, last + RADIUS + MAX_GAP))
                result[first - start : last + 1 - start] = _filtered(known)[first - before : last + 1 - before]
        result.flags.writeable = False
        return result

    def _read(self, first: int, last: int) -> Array:
        numbers = self._row[first : last + 1]
        found = numbers >= 0
        rows = np.full((len(numbers), LANDMARKS, 3), np.nan, np.float32)
        if found.any():
            start = int(numbers[found][0])
            rows[found] = self.video.landmarks(start, int(numbers[found][-1]) + 1 - start)[numbers[found] - start]
        return rows

    def close(self) -> None:
        """Close the file."""
        self.video.close()


def _filtered(rows: Array) -> Array:
    return smooth(bridge_gaps(rows, max_jump=np.inf))  # the tracker has made sure that it is one face


def _rows_of(video: VideoTrack, piece: Piece) -> npt.NDArray[np.int64]:
    start, stop = np.searchsorted(video.row_frames, [piece.first, piece.last + 1])
    return np.asarray(np.flatnonzero(video.row_tracklets[start:stop] == piece.tracklet) + start, np.int64)
