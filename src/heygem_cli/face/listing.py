"""The people of a video or a photograph, as ``heygem faces`` lists them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass

from heygem_cli.errors import InputError, printable
from heygem_cli.face.follow import track_faces
from heygem_cli.face.people import SeenPerson, find_people
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.media.types import VideoInfo

ALL_FRAMES = 2**31 - 1
"""More frames than a video has."""


@dataclass(frozen=True)
class ListedPerson:
    """A person as ``heygem faces`` lists them.

    Attributes:
        number: The number that ``--person`` takes.
        where: The third of the picture in which the face is: left, center or right.
        left: Of the box around the face, in pixels.
        top: Likewise.
        width: Likewise.
        height: Likewise.
        best_frame: The frame, from 0, to which all these refer: one that shows the person well.
        frames: Number of frames that show the person.
        share: Their share of all frames.
        first: When the person is first seen, in seconds.
        last: When the last frame with the person ends.
    """

    number: int
    where: str
    left: int
    top: int
    width: int
    height: int
    best_frame: int
    frames: int
    share: float
    first: float
    last: float

    @property
    def percent(self) -> str:
        """The share for a person to read."""
        return f"{self.share:.0%}" if self.share >= 0.01 else "< 1%"


@dataclass(frozen=True)
class Found:
    """What is in a video.

    Attributes:
        video: The video.
        frames: How many frames it has.
        shots: How many shots.
        people: The people.
        cached: Whether the track came from the cache.
        warnings: What the user should know about the video.
    """

    video: VideoInfo
    frames: int
    shots: int
    people: tuple[ListedPerson, ...]
    cached: bool
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return what ``--json`` prints."""
        return {
            "file": str(self.video.path),
            "width": self.video.width,
            "height": self.video.height,
            "fps": float(self.video.fps),
            "frames": self.frames,
            "shots": self.shots,
            "people": [asdict(person) for person in self.people],
            "track_cached": self.cached,
            "warnings": list(self.warnings),
        }


def list_people(
    video: VideoInfo,
    tracker: FaceTracker,
    *,
    no_cache: bool = False,
    on_frame: Callable[[int], object] = lambda _: None,
) -> Found:
    """Find the people in all frames of a video.

    Raises:
        InputError: ``no-face``: no face was found.
        HeygemError: The video cannot be read, or its track not be written.
    """
    warnings = [f"{printable(video.path)}: {note}" for note in video.notes]
    track, cached = track_faces(
        video, tracker, ALL_FRAMES, no_cache=no_cache, on_frame=on_frame, on_damage=warnings.append
    )
    with closing(track):
        people = tuple(_listed(person, video, len(track)) for person in find_people(track))
        if not people:
            searched = f" in {len(track)} frames" if len(track) > 1 else ""
            hint = "Use a file with a real face, upright, seen from the front and larger than 5 % of the picture"
            raise InputError("no-face", f"no face found{searched}", hint=hint, path=video.path)
        return Found(video, len(track), len(track.cuts), people, cached, tuple(warnings))


def _listed(person: SeenPerson, video: VideoInfo, frames: int) -> ListedPerson:
    box = person.box
    left, top = (max(0, round(middle - box.size / 2)) for middle in (box.x, box.y))
    right, bottom = (
        min(end, round(middle + box.size / 2)) for middle, end in ((box.x, video.width), (box.y, video.height))
    )
    return ListedPerson(
        number=person.number,
        where=box.third(video.width),
        left=left,
        top=top,
        width=right - left,
        height=bottom - top,
        best_frame=person.best,
        frames=person.frames,
        share=round(person.frames / frames, 4),
        first=round(float((video.skipped + person.first) / video.fps), 6),
        last=round(float((video.skipped + person.last + 1) / video.fps), 6),
    )
