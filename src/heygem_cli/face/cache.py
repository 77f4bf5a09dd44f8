"""Cache tracks on disk by the content of the face video, so that jobs with the same face share one."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from heygem_cli.errors import HeygemError, NotCapableError
from heygem_cli.face.geometry import Array
from heygem_cli.face.track import FaceTrack, read_track, write_track
from heygem_cli.files import PART_SUFFIX, file_digest, part_file, publish, remove_stale_parts
from heygem_cli.options import Person

MAX_BYTES = 4 << 30
"""Size of the cache; the least recently used tracks are deleted first."""


def default_cache_folder() -> Path:
    """Return ``HEYGEM_CACHE_DIR``, or else the cache folder of the user."""
    folder = os.environ.get("HEYGEM_CACHE_DIR")
    return Path(folder) if folder else user_cache_path("heygem")


def track_key(face: Path, person: Person, tracker_version: str) -> str:
    """Return the cache key for the content of the face video, the person and the version of the tracker."""
    return hashlib.sha256(f"{person} {tracker_version} {file_digest(face)}".encode()).hexdigest()[:40]


def cached_track(
    folder: Path, key: str, needed: int, track: Callable[[], Iterable[Array | None]]
) -> tuple[FaceTrack, bool]:
    """Return a track of at least ``needed`` frames (or of the whole face video) from the cache, or create it.

    If two processes need the same track, one creates it and the other waits. A damaged file is replaced.

    Returns:
        The track, and whether it was cached.

    Raises:
        NotCapableError: The folder cannot be written.
    """
    tracks = folder / "tracks"
    path = tracks / f"{key}.track"
    with cache_errors(folder), ExitStack() as stack:
        tracks.mkdir(parents=True, exist_ok=True)
        stack.enter_context(FileLock(tracks / f"{key}.lock"))
        remove_stale_parts(tracks)
        with suppress(FileNotFoundError, HeygemError):
            cached = read_track(path)
            if cached.complete or len(cached) >= needed:
                path.touch()
                return cached.truncated(needed), True
        part = stack.enter_context(part_file(path))
        written = write_track(part.path, track(), limit=needed)
        publish(part, path)
        prune(tracks, MAX_BYTES)
    return FaceTrack(path, written.present, written.complete), False


@contextmanager
def cache_errors(
    folder: Path, hint: str = "Use --no-cache, or name another folder with HEYGEM_CACHE_DIR"
) -> Iterator[None]:
    """Convert the errors of writing a track: no permission, a full disk, a read-only file system."""
    try:
        yield
    except OSError as error:
        message = f"the face track cannot be written: {error.strerror or error}"
        raise NotCapableError("cache-failed", message, hint=hint, path=folder) from error


def prune(tracks: Path, max_bytes: int) -> None:
    """Delete the least recently used files beyond ``max_bytes``, except those that were used within a day."""
    files: list[tuple[float, int, Path]] = []
    for path in tracks.iterdir():
        with suppress(FileNotFoundError):  # another process deleted or renamed it
            status = path.stat()
            files.append((status.st_mtime, status.st_size, path))
    files.sort()
    total = sum(size for _, size, _ in files)
    for used, size, path in files:
        if used > time.time() - 86400:
            return
        if total > max_bytes or path.name.endswith(PART_SUFFIX):
            path.unlink(missing_ok=True)
            total -= size
