"""The faces of a face video, stored in a file so that memory does not grow with the landmarks."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from heygem_cli.errors import HeygemError
from heygem_cli.face.appearance import LENGTH
from heygem_cli.face.geometry import LANDMARKS, Array

Numbers = npt.NDArray[np.int64]

_MAGIC = b"hgtrack3"
_HEADER = struct.Struct("<8sIIIII16s")
_ROW = np.dtype([("frame", "<u4"), ("tracklet", "<u4"), ("landmarks", "<f4", (LANDMARKS, 3))])
_SAMPLE = np.dtype([("frame", "<u4"), ("tracklet", "<u4"), ("appearance", "<f4", (LENGTH,))])
_CUT = np.dtype("<u4")
_CHUNK = 1000
"""Rows that are checked at a time."""


@dataclass(frozen=True)
class Face:
    """A face in one frame.

    Attributes:
        tracklet: The number of the face within its shot, unique in the video.
        landmarks: (478, 3) in pixels, not smoothed.
        appearance: What :func:`heygem_cli.face.appearance.describe` returns, in the frames where it was computed.
    """

    tracklet: int
    landmarks: Array
    appearance: Array | None = None


@dataclass(frozen=True)
class TrackedFrame:
    """What the tracker finds in one frame: whether a shot begins with it, and its faces."""

    cut: bool
    faces: tuple[Face, ...]


@dataclass(frozen=True)
class VideoTrack:
    """All faces that were followed in a face video.

    A tracklet is one face within one shot. The file has a header with a checksum; a row for each face of each frame;
    the samples of the appearance; the first frame of each shot.

    Attributes:
        file: The open file, which may have been deleted or replaced under its name.
        frames: Number of frames.
        complete: Whether the track covers the whole face video, rather than only what a job needed.
        row_frames: (rows,) the frame of each row, ascending.
        row_tracklets: (rows,) the tracklet of each row.
        sample_frames: (samples,) the frame of each sample of the appearance, ascending.
        sample_tracklets: (samples,) the tracklet of each.
        samples: (samples, :data:`heygem_cli.face.appearance.LENGTH`).
        cuts: (shots,) the first frame of each shot.
    """

    file: BinaryIO
    frames: int
    complete: bool
    row_frames: Numbers
    row_tracklets: Numbers
    sample_frames: Numbers
    sample_tracklets: Numbers
    samples: Array
    cuts: Numbers

    def __len__(self) -> int:
        return self.frames

    def landmarks(self, start: int, count: int) -> Array:
        """Read the landmarks (count, 478, 3) of successive rows.

        Raises:
            HeygemError: ``bad-track``: the file has become shorter.
        """
        return np.asarray(self._rows(start, count)["landmarks"], np.float32)

    def _rows(self, start: int, count: int) -> npt.NDArray[Any]:
        rows = np.empty(max(0, min(count, len(self.row_frames) - start)), _ROW)
        if os.preadv(self.file.fileno(), [rows.view("u1").data], _HEADER.size + start * _ROW.itemsize) != rows.nbytes:
            raise _damaged(Path(self.file.name), "cut off while it was used")
        return rows

    def truncated(self, count: int) -> VideoTrack:
        """Return the track of the first ``count`` frames, so that results do not depend on how much is cached."""
        if count >= self.frames:
            return self
        rows, samples = self.row_frames < count, self.sample_frames < count
        return replace(
            self,
            frames=count,
            complete=False,
            row_frames=self.row_frames[rows],
            row_tracklets=self.row_tracklets[rows],
            sample_frames=self.sample_frames[samples],
            sample_tracklets=self.sample_tracklets[samples],
            samples=self.samples[samples],
            cuts=self.cuts[self.cuts < count],
        )

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def write_track(path: Path, tracked: Iterable[TrackedFrame], *, limit: int, key: str = "") -> VideoTrack:
    """Write a track to a file as its frames arrive.

    Args:
        path: The new file.
        tracked: Each frame.
        limit: The largest possible number of frames; with fewer the track is complete.
        key: What :func:`read_track` must be given.
    """
    rows: list[tuple[int, int]] = []
    samples: list[bytes] = []
    cuts: list[int] = []
    frames = 0
    digest = hashlib.blake2b(digest_size=16)
    file = path.open("w+b")
    try:
        file.write(bytes(_HEADER.size))
        for frame in tracked:
            cuts += [frames] if frame.cut else []
            for face in frame.faces:
                row = np.array((frames, face.tracklet, face.landmarks), _ROW).tobytes()
                file.write(row)
                digest.update(row)
                rows.append((frames, face.tracklet))
                if face.appearance is not None:
                    samples.append(np.array((frames, face.tracklet, face.appearance), _SAMPLE).tobytes())
            frames += 1
        rest = b"".join(samples) + np.array(cuts, _CUT).tobytes()
        file.write(rest)
        digest.update(rest)
        file.seek(0)
        header = (_MAGIC, frames, len(rows), len(samples), len(cuts), int(frames < limit))
        file.write(_HEADER.pack(*header, _checksum(digest, header, key)))
        file.flush()
    except BaseException:
        file.close()
        raise
    track = _track(file, header, np.frombuffer(b"".join(samples), _SAMPLE), np.array(cuts, _CUT))
    index = np.array(rows, np.int64).reshape(-1, 2)
    return replace(track, row_frames=index[:, 0], row_tracklets=index[:, 1])


_Header = tuple[bytes, int, int, int, int, int]
"""The magic number, frames, rows, samples and cuts, and whether the track is complete."""


def _checksum(content: hashlib.blake2b, header: _Header, key: str) -> bytes:
    whole = content.copy()
    whole.update(f"{header[1:]} {key}".encode())
    return whole.digest()


def _track(file: BinaryIO, header: _Header, samples: npt.NDArray[Any], cuts: npt.NDArray[Any]) -> VideoTrack:
    """Return a track whose rows are not known yet."""
    return VideoTrack(
        file,
        frames=header[1],
        complete=bool(header[5]),
        row_frames=np.zeros(header[2], np.int64),
        row_tracklets=np.zeros(header[2], np.int64),
        sample_frames=samples["frame"].astype(np.int64),
        sample_tracklets=samples["tracklet"].astype(np.int64),
        samples=np.asarray(samples["appearance"], np.float32),
        cuts=cuts.astype(np.int64),
    )


def read_track(path: Path, *, key: str = "", reach: float = np.inf) -> VideoTrack:
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


def _checked(file: BinaryIO, path: Path, key: str, reach: float) -> VideoTrack:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise _damaged(path, "not a file")
    data = file.read(_HEADER.size)
    if len(data) < _HEADER.size:
        raise _damaged(path, "cut off")
    *header, checksum = _HEADER.unpack(data)
    magic, frames, rows, samples, cuts, _ = header
    if magic != _MAGIC:
        raise _damaged(path, "of another version or kind")
    sizes = rows * _ROW.itemsize, samples * _SAMPLE.itemsize, cuts * _CUT.itemsize
    if not frames or status.st_size != _HEADER.size + sum(sizes):
        raise _damaged(path, "cut off")
    rest = os.pread(file.fileno(), sizes[1] + sizes[2], _HEADER.size + sizes[0])
    track = _track(file, (*header,), np.frombuffer(rest[: sizes[1]], _SAMPLE), np.frombuffer(rest[sizes[1] :], _CUT))
    digest = hashlib.blake2b(digest_size=16)
    for start, chunk in _chunks(track):
        digest.update(chunk.view("u1").data)
        if not (np.abs(chunk["landmarks"]) <= reach).all() or not np.isfinite(chunk["landmarks"]).all():
            raise _damaged(path, "impossible: a point is not in the picture")
        track.row_frames[start : start + len(chunk)] = chunk["frame"]
        track.row_tracklets[start : start + len(chunk)] = chunk["tracklet"]
    digest.update(rest)
    if checksum != _checksum(digest, (*header,), key):
        raise _damaged(path, "damaged, or that of another face")
    if not _is_possible(track):
        raise _damaged(path, "impossible: its frames are in disorder")
    return track


def _chunks(track: VideoTrack) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    for start in range(0, len(track.row_frames), _CHUNK):
        yield start, track._rows(start, _CHUNK)


def _is_possible(track: VideoTrack) -> bool:
    """Return whether all is in order, and each tracklet is in one shot and begins with a sample."""
    rows = track.row_frames * 2**32 + track.row_tracklets
    samples = track.sample_frames * 2**32 + track.sample_tracklets
    _, first = np.unique(track.row_tracklets, return_index=True)
    shots = np.searchsorted(track.cuts, track.row_frames, side="right")
    pairs = np.unique(np.stack([track.row_tracklets, shots]), axis=1)
    return bool(
        len(track.cuts)
        and track.cuts[0] == 0
        and all(_is_ascending(numbers) for numbers in (rows, samples, track.cuts))
        and all((numbers < track.frames).all() for numbers in (track.row_frames, track.cuts))
        and np.isin(samples, rows).all()
        and np.isin(rows[first], samples).all()
        and pairs.shape[1] == len(first)
        and np.isfinite(track.samples).all()
    )


def _is_ascending(numbers: Numbers) -> bool:
    return bool((np.diff(numbers) > 0).all())


def _damaged(path: Path, what: str) -> HeygemError:
    hint = "Run again: it will be computed again"
    return HeygemError("bad-track", f"the cached face track is {what}", path=path, hint=hint)
