"""Follow the faces of a face video, or take their track from the cache."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

from heygem_cli.face.cache import cache_errors, cached_track, default_cache_folder, track_key
from heygem_cli.face.shots import find_shots
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.face.video_track import TrackedFrame, VideoTrack, write_track
from heygem_cli.files import temporary_folder
from heygem_cli.media.arguments import decoding_key
from heygem_cli.media.read import prefetch, read_frames
from heygem_cli.media.types import VideoInfo

REACH = 8
"""Picture sides from the upper left corner within which the tracker finds points, with much to spare."""


def track_faces(
    video: VideoInfo,
    tracker: FaceTracker,
    needed: int,
    *,
    no_cache: bool = False,
    on_frame: Callable[[int], object] = lambda _: None,
    on_damage: Callable[[str], object] = lambda _: None,
) -> tuple[VideoTrack, bool]:
    """Return the track of the first frames of a face video, and whether it was cached.

    Args:
        video: The face video.
        tracker: What follows the faces.
        needed: Number of frames, or more than there are.
        no_cache: Do not read or write the cache.
        on_frame: Called with the number of frames that have been tracked, and while another process tracks them.
        on_damage: See :func:`heygem_cli.face.cache.cached_track`.

    Raises:
        NotCapableError: The track cannot be written.
        LockedError: Another process that tracks the face video does not respond.
        HeygemError: ``disk-full``, or the face video cannot be read.
    """

    def follow() -> Generator[TrackedFrame, None, None]:
        # Shots are found in the thread that reads, which otherwise waits for the tracker most of the time.
        with closing(read_frames(video, count=needed)) as read, closing(prefetch(find_shots(read))) as frames:
            for done, tracked in enumerate(tracker.follow_in_shots(frames), 1):
                yield tracked
                on_frame(done)

    # Left to the garbage collector, it would wait for its thread at any moment, even while another thread starts.
    with closing(follow()) as tracked:
        if no_cache:
            folder = temporary_folder()
            hint = "Free some space, or name another folder with TMPDIR"
            # An unlinked file: nothing is left behind even if the process is killed.
            with cache_errors(folder, hint), tempfile.TemporaryFile(dir=folder) as file:
                return write_track(Path(f"/proc/self/fd/{file.fileno()}"), tracked, limit=needed), False
        return cached_track(
            default_cache_folder(),
            track_key(video.path, decoding_key(video), tracker.version),
            needed,
            lambda: tracked,
            lambda: on_frame(0),
            reach=REACH * max(video.width, video.height),
            on_damage=on_damage,
        )
