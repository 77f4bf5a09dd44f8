"""Tracks on disk, by the content of the face video: what many jobs share is computed once."""

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
from heygem_cli.face.select import Person
from heygem_cli.face.track import FaceTrack, read_track, write_track
from heygem_cli.files import PART_SUFFIX, file_digest, part_file, publish, remove_stale_parts

LARGEST = 4 << 30
"""Bytes that the cache may hold; the tracks that were not used for longest go first."""


def default_folder() -> Path:
    """The user's cache folder; ``HEYGEM_CACHE_DIR`` names another one."""
    named = os.environ.get("HEYGEM_CACHE_DIR")
    return Path(named) if named else user_cache_path("heygem")


def track_key(face: Path, choice: Person, tracker_version: str) -> str:
    """Name a track by the content of the face video, the choice of face and the tracker's version."""
    return hashlib.sha256(f"{choice} {tracker_version} {file_digest(face)}".encode()).hexdigest()[:40]


def cached_track(
    folder: Path, key: str, needed: int, track: Callable[[], Iterable[Array | None]]
) -> tuple[FaceTrack, bool]:
    """Read a track of at least ``needed`` frames (or the whole face video) from the cache, or make it.

    Two processes that want the same track make it once: the second waits. A file that is not whole is made anew.

    Returns:
        The track, and whether it came from the cache.

    Raises:
        NotCapableError: the folder cannot be written.
    """
    tracks = folder / "tracks"
    path = tracks / f"{key}.track"
    with cache_errors(folder), ExitStack() as stack:
        tracks.mkdir(parents=True, exist_ok=True)
        stack.enter_context(FileLock(tracks / f"{key}.lock"))
        remove_stale_parts(tracks)
        with suppress(FileNotFoundError, HeygemError):
            found = read_track(path)
            if found.complete or len(found) >= needed:
                path.touch()
                return found.head(needed), True
        part = stack.enter_context(part_file(path))
        made = write_track(part.path, track(), limit=needed)
        publish(part, path)
        prune(tracks, LARGEST)
    return FaceTrack(path, made.present, made.complete), False


@contextmanager
def cache_errors(
    folder: Path, hint: str = "Use --no-cache, or name another folder with HEYGEM_CACHE_DIR"
) -> Iterator[None]:
    """Say what to do where a track cannot be written: no permission, a full disk, a read-only file system."""
    try:
        yield
    except OSError as error:
        raise NotCapableError(
            "cache-failed",
            f"the face's track cannot be kept there: {error.strerror or error}",
            hint=hint,
            path=folder,
        ) from error


def prune(tracks: Path, largest: int) -> None:
    """Delete what was not used for longest until at most ``largest`` bytes are held; nothing used within a day goes."""
    files: list[tuple[float, int, Path]] = []
    for path in tracks.iterdir():
        with suppress(FileNotFoundError):  # another process renames and deletes here too
            found = path.stat()
            files.append((found.st_mtime, found.st_size, path))
    files.sort()
    held = sum(size for _, size, _ in files)
    for used, size, path in files:
        if used > time.time() - 86400:
            return
        if held > largest or path.name.endswith(PART_SUFFIX):
            path.unlink(missing_ok=True)
            held -= size
