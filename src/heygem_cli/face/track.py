"""The track of one face through a face video, stored in a file so that memory does not grow with its length."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from heygem_cli.errors import HeygemError
from heygem_cli.face.geometry import LANDMARKS, Array

_HEADER = struct.Struct("<8sII16s")
_MAGIC = b"hgtrack2"
_ROW = LANDMARKS * 3
_CHUNK = 1000
"""Frames that are checked at a time."""


@dataclass(frozen=True)
class FaceTrack:
    """Landmarks of one person in every frame of a face video.

    The file has a header with a checksum, and for each frame 478 × (x, y, z) as little-endian float32 in pixels, NaN
    without a face.

    Attributes:
        file: The open file, which may have been deleted or replaced under its name.
        present: bool (frames,), whether the face was found.
        complete: Whether the track covers the whole face video, rather than only what a job needed.
    """

    file: BinaryIO
    present: npt.NDArray[np.bool_]
    complete: bool

    def __len__(self) -> int:
        return len(self.present)

    def landmarks(self, index: int) -> Array | None:
        """Read the landmarks (478, 3) of one frame, None without a face."""
        return self.rows(index, 1)[0] if self.present[index] else None

    def rows(self, start: int, count: int) -> Array:
        """Read the landmarks (count, 478, 3) of successive frames, NaN without a face.

        Raises:
            HeygemError: ``bad-track``: the file has become shorter.
        """
        rows = np.empty((max(0, min(count, len(self) - start)), LANDMARKS, 3), "<f4")
        if os.preadv(self.file.fileno(), [rows.data.cast("B")], _HEADER.size + start * _ROW * 4) != rows.nbytes:
            raise _damaged(Path(self.file.name), "cut off while it was used")
        return rows

    def truncated(self, count: int) -> FaceTrack:
        """Return the track of the first ``count`` frames, so that results do not depend on how much is cached."""
        if count >= len(self):
            return self
        return FaceTrack(self.file, self.present[:count], complete=False)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def write_track(path: Path, landmarks: Iterable[Array | None], *, limit: int, key: str = "") -> FaceTrack:
    """Write landmarks to a file as they arrive.

    Args:
        path: The new file.
        landmarks: (478, 3) for each frame, None without a face.
        limit: The largest possible number of frames; with fewer the track is complete.
        key: What :func:`read_track` must be given.
    """
    missing = np.full((LANDMARKS, 3), np.nan, "<f4").tobytes()
    present: list[bool] = []
    digest = hashlib.blake2b(digest_size=16)
    file = path.open("w+b")
    try:
        file.write(bytes(_HEADER.size))
        for row in landmarks:
            data = missing if row is None else row.astype("<f4").tobytes()
            file.write(data)
            digest.update(data)
            present.append(row is not None)
        complete = len(present) < limit
        file.seek(0)
        file.write(_header(digest, len(present), complete, key))
        file.flush()
    except BaseException:
        file.close()
        raise
    return FaceTrack(file, np.array(present, bool), complete)


def _header(rows: hashlib.blake2b, count: int, complete: bool, key: str) -> bytes:
    whole = rows.copy()
    whole.update(f"{count} {complete:d} {key}".encode())
    return _HEADER.pack(_MAGIC, count, complete, whole.digest())


def read_track(path: Path, *, key: str = "", reach: float = np.inf) -> FaceTrack:
    """Open the file of a track, and check all of it.

    Args:
        path: The file.
        key: What it was written with, such as a digest of the face video.
        reach: How far from the upper left corner of the picture points can lie, in pixels.

    Raises:
        FileNotFoundError: There is none.
        HeygemError: ``bad-track``: it is not a track with this key, or is damaged.
    """
    try:
        file = open(path, "rb", buffering=0, opener=_open_file)  # noqa: SIM115 - closed with the track
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _damaged(path, f"unreadable ({error.strerror})") from error
    try:
        return _checked(file, path, key, reach)
    except OSError as error:
        file.close()
        raise _damaged(path, f"unreadable ({error.strerror})") from error
    except BaseException:
        file.close()
        raise


def _open_file(name: str, flags: int) -> int:
    # Not through a link; non-blocking, so that opening a pipe returns.
    return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _checked(file: BinaryIO, path: Path, key: str, reach: float) -> FaceTrack:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise _damaged(path, "not a file")
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise _damaged(path, "cut off")
    magic, count, complete, _ = _HEADER.unpack(header)
    if magic != _MAGIC:
        raise _damaged(path, "of another version or kind")
    if not count or status.st_size != _HEADER.size + count * _ROW * 4:
        raise _damaged(path, "cut off")
    track = FaceTrack(file, np.zeros(count, bool), bool(complete))
    digest = hashlib.blake2b(digest_size=16)
    for start in range(0, count, _CHUNK):
        rows = track.rows(start, _CHUNK)
        digest.update(rows.data.cast("B"))
        track.present[start : start + len(rows)] = _present(rows, path, reach)
    if header != _header(digest, count, bool(complete), key):
        raise _damaged(path, "damaged, or that of another face")
    return track


def _present(rows: Array, path: Path, reach: float) -> npt.NDArray[np.bool_]:
    """Return in which frames there is a face; a row without one is all NaN."""
    missing = np.isnan(rows).all((1, 2))
    with np.errstate(invalid="ignore"):
        possible = (np.abs(rows) <= reach).all((1, 2)) & np.isfinite(rows).all((1, 2))
    if not (missing | possible).all():
        raise _damaged(path, "impossible: a point is not in the picture")
    return np.asarray(~missing)


def _damaged(path: Path, what: str) -> HeygemError:
    hint = "Run again: it will be computed again"
    return HeygemError("bad-track", f"the cached face track is {what}", path=path, hint=hint)
