"""The track of one face through a face video, stored in a file so that memory does not grow with its length."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heygem_cli.errors import HeygemError
from heygem_cli.face.geometry import LANDMARKS, Array

_HEADER = struct.Struct("<8sII")
_MAGIC = b"hgtrack1"
_ROW = LANDMARKS * 3


@dataclass(frozen=True)
class FaceTrack:
    """Landmarks of one person in every frame of a face video.

    The file has a header, and for each frame 478 × (x, y, z) as little-endian float32 in pixels, NaN without a face.

    Attributes:
        path: The file.
        present: bool (frames,), whether the face was found.
        complete: Whether the track covers the whole face video, rather than only what a job needed.
    """

    path: Path
    present: npt.NDArray[np.bool_]
    complete: bool

    def __len__(self) -> int:
        return len(self.present)

    def landmarks(self, index: int) -> Array | None:
        """Read the landmarks (478, 3) of one frame, None without a face."""
        return self.rows(index, 1)[0] if self.present[index] else None

    def rows(self, start: int, count: int) -> Array:
        """Read the landmarks (count, 478, 3) of successive frames, NaN without a face."""
        offset = _HEADER.size + start * _ROW * 4
        return np.fromfile(self.path, "<f4", count * _ROW, offset=offset).reshape(-1, LANDMARKS, 3)

    def truncated(self, count: int) -> FaceTrack:
        """Return the track of the first ``count`` frames, so that results do not depend on how much is cached."""
        if count >= len(self):
            return self
        return FaceTrack(self.path, self.present[:count], complete=False)


def write_track(path: Path, landmarks: Iterable[Array | None], *, limit: int) -> FaceTrack:
    """Write landmarks to a file as they arrive.

    Args:
        path: The new file.
        landmarks: (478, 3) for each frame, None without a face.
        limit: The largest possible number of frames; with fewer the track is complete.
    """
    missing = np.full((LANDMARKS, 3), np.nan, "<f4").tobytes()
    present: list[bool] = []
    with path.open("wb") as file:
        file.write(_HEADER.pack(_MAGIC, 0, 0))
        for row in landmarks:
            file.write(missing if row is None else row.astype("<f4").tobytes())
            present.append(row is not None)
        complete = len(present) < limit
        file.seek(0)
        file.write(_HEADER.pack(_MAGIC, len(present), complete))
    return FaceTrack(path, np.array(present, bool), complete)


def read_track(path: Path) -> FaceTrack:
    """Open the file of a track.

    Raises:
        HeygemError: ``bad-track``: the file is damaged.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
    size = path.stat().st_size - _HEADER.size
    if len(header) == _HEADER.size:
        magic, count, complete = _HEADER.unpack(header)
        if magic == _MAGIC and size == count * _ROW * 4:
            first = np.memmap(path, "<f4", "r", _HEADER.size, (count, _ROW))[:, 0] if count else np.zeros(0)
            return FaceTrack(path, ~np.isnan(first), bool(complete))
    raise HeygemError("bad-track", "the face track is damaged", path=path, hint="Delete it; it will be created again")
