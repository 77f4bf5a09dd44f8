"""Cache tracks on disk by the content of the face video, so that jobs with the same face share one."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from platformdirs import user_cache_path

from heygem_cli import locks
from heygem_cli.errors import HeygemError, NotCapableError
from heygem_cli.face.video_track import TrackedFrame, VideoTrack, read_track, write_track
from heygem_cli.files import file_digest, part_file, publish, remove_stale_parts

SUFFIXES = (".track", ".lock", ".holder")
MAX_BYTES = 4 << 30
"""Size of the cache; the least recently used tracks are deleted first."""


def default_cache_folder() -> Path:
    """Return ``HEYGEM_CACHE_DIR``, or else the cache folder of the user."""
    folder = os.environ.get("HEYGEM_CACHE_DIR")
    return Path(folder) if folder else user_cache_path("heygem")


def track_key(face: Path, decoding: str, tracker_version: str) -> str:
    """Return the cache key for the content of a face video, how it is decoded, and the tracker's version."""
    return hashlib.sha256(f"{tracker_version} {file_digest(face)} {decoding}".encode()).hexdigest()[:40]


def cached_track(
    folder: Path,
    key: str,
    needed: int,
    track: Callable[[], Iterable[TrackedFrame]],
    on_wait: Callable[[], object] = lambda: None,
    *,
    reach: float = float("inf"),
    on_damage: Callable[[str], object] = lambda _: None,
) -> tuple[VideoTrack, bool]:
    """Return a track of at least ``needed`` frames (or of the whole face video) from the cache, or create it.

    If two processes need the same track, one creates it and the other waits.

    Args:
        folder: The cache.
        key: See :func:`track_key`.
        needed: Number of frames.
        track: Creates the track.
        on_wait: Called often while another process creates it.
        reach: How far from the upper left corner of the picture points can lie, in pixels.
        on_damage: Called with a message when something else or a damaged file is there, which is replaced.

    Returns:
        The track, which has to be closed, and whether it was cached.

    Raises:
        NotCapableError: The folder cannot be written.
        LockedError: The process that creates the track does not respond.
        HeygemError: ``disk-full``.
    """
    tracks = folder / "tracks"
    path = tracks / f"{key}.track"
    with cache_errors(folder), ExitStack() as stack:
        tracks.mkdir(parents=True, exist_ok=True)
        lock = stack.enter_context(_locked(tracks / f"{key}.lock", on_wait))
        remove_stale_parts(tracks)
        cached = _read_cached(path, key, reach, on_damage)
        if cached is not None:
            if cached.complete or len(cached) >= needed:
                _mark_used(cached)
                return cached.truncated(needed), True
            cached.close()
        part = stack.enter_context(part_file(path))
        written = write_track(part.path, _with_signs_of_life(track(), lock), limit=needed, key=key)
        publish(part, path)
        prune(tracks, MAX_BYTES)
    return written, False


def _locked(path: Path, on_wait: Callable[[], object]) -> AbstractContextManager[locks.FileLock]:
    _discard_unless_file(path)
    message, hint = "another heygem tracks this face video", "Wait until it ends, stop it, or use --no-cache"
    return locks.hold(path, message, hint, on_wait=on_wait)


def _read_cached(path: Path, key: str, reach: float, on_damage: Callable[[str], object]) -> VideoTrack | None:
    try:
        return read_track(path, key=key, reach=reach)
    except FileNotFoundError:
        return None
    except HeygemError as error:
        on_damage(f"{error.message}; it was computed again")
        _discard_unless_file(path)
        return None


def _mark_used(track: VideoTrack) -> None:
    with suppress(OSError):  # of another user, or on a read-only disk
        os.utime(track.file.fileno())


def _discard_unless_file(path: Path) -> None:
    """Remove what has taken the place of a file, such as a link or a pipe; a folder with files is moved away."""
    if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
        path.unlink()
    elif path.is_dir():
        try:
            path.rmdir()
        except OSError:
            path.rename(path.with_name(f"{path.name}.{os.urandom(4).hex()}.moved"))


def _with_signs_of_life(frames: Iterable[TrackedFrame], lock: locks.FileLock) -> Iterator[TrackedFrame]:
    for frame in frames:
        lock.keep_alive()
        yield frame


@contextmanager
def cache_errors(
    folder: Path, hint: str = "Use --no-cache, or name another folder with HEYGEM_CACHE_DIR"
) -> Iterator[None]:
    """Convert the errors of writing a track: no permission, a full disk, a read-only file system.

    Raises:
        HeygemError: ``disk-full``: another attempt may succeed.
        NotCapableError: ``cache-failed``.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = "the disk is full, so the face track cannot be written"
            raise HeygemError("disk-full", message, hint=hint, path=folder) from error
        message = f"the face track cannot be written: {error.strerror or error}"
        raise NotCapableError("cache-failed", message, hint=hint, path=error.filename or folder) from error


def prune(tracks: Path, max_bytes: int) -> None:
    """Delete the least recently used files beyond ``max_bytes``, except those that were used within a day."""
    files: list[tuple[float, int, Path]] = []
    for path in (path for path in tracks.iterdir() if path.suffix in SUFFIXES):  # others are the user's
        with suppress(FileNotFoundError):  # another process deleted or renamed it
            status = path.stat()
            files.append((status.st_mtime, status.st_size, path))
    files.sort()
    total = sum(size for _, size, _ in files)
    for used, size, path in files:
        if used > time.time() - 86400:
            return
        if total > max_bytes:
            path.unlink(missing_ok=True)
            total -= size
