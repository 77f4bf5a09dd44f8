"""A job, its progress and its result: the plain data that every engine takes and returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from heygem_cli.files import OwnOutputs
from heygem_cli.media.types import AudioInfo, VideoInfo
from heygem_cli.options import RenderOptions
from heygem_cli.person import Person
from heygem_cli.remote import Remote

Stage = Literal["speech", "track", "prepare", "start", "render"]
"""``start``: waiting until an engine of another process is ready."""
FrameState = Literal["rendered", "no face", "other person", "covered", "turned away", "outside"]
"""What became of the person who speaks in a frame: ``rendered``, or why the frame was left unchanged.

``other person``: faces are there, but not surely the person's; ``covered``: the whole mouth is; ``outside``: the lips
are outside the picture.
"""
NOTHING_MADE = OwnOutputs()
NOTHING_REMOTE = Remote()
"""What most jobs of a batch share."""


@dataclass(frozen=True, slots=True)
class RenderJob:
    """One video to make.

    Attributes:
        audio: What is spoken; with ``speak`` what its first person says.
        own: Which files it may replace without ``overwrite``.
        half_size: Whether the video has half the width and height of the face video, for a preview.
        remote: Which of its files are in object storage; the paths are then those on this machine.
        preview: A JPEG that shows, while it renders, a frame that was just drawn; only some engines write it.
    """

    audio: Path
    face: Path
    output: Path
    options: RenderOptions = field(default_factory=RenderOptions)
    own: OwnOutputs = NOTHING_MADE
    half_size: bool = False
    preview: Path | None = None
    remote: Remote = NOTHING_REMOTE

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files that are read: the audio, the face video, and those that options name."""
        return (self.audio, self.face, *self.options.files)

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The files that are written: the video, and the timeline if it is wanted."""
        timeline = self.options.timeline
        return (self.output,) if timeline is None else (self.output, timeline)


@dataclass(frozen=True)
class Speaker:
    """A person who speaks, with what the person says; ``picture`` is the one that says who that is."""

    person: Person
    audio: AudioInfo
    picture: VideoInfo | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """The probed inputs of a job.

    Attributes:
        audio: The sound of the output; with several speakers and no ``sound`` the longest of their audios until they
            are mixed.
        video: The face video.
        picture: The picture that says who speaks.
        drive: What the mouth follows instead of ``audio``.
        speakers: The people of ``speak``; empty if one person says ``audio``.
    """

    audio: AudioInfo
    video: VideoInfo
    picture: VideoInfo | None = None
    drive: AudioInfo | None = None
    speakers: tuple[Speaker, ...] = ()


@dataclass(frozen=True)
class Progress:
    """The progress of a stage, in frames (``speech`` and ``start``: in seconds).

    Attributes:
        stage: The stage.
        done: What is done.
        total: What there is to do; None while that is unknown.
        detail: What HeyGem does at the moment, in a few words.
    """

    stage: Stage
    done: float
    total: float | None
    detail: str = ""


ProgressCallback = Callable[[Progress], None]
"""Called often, at least once a second, with the progress of a job; an exception that it raises ends the job."""


@dataclass(frozen=True)
class Span:
    """Successive frames of the output in which the same happened.

    Attributes:
        first: The first frame, from 0.
        last: The last frame.
        shot: The shot of the face video that they show, from 1.
        person: The number of the person who speaks, as ``heygem faces`` counts.
        state: How the person was rendered in them, or why not.
    """

    first: int
    last: int
    shot: int
    person: int
    state: FrameState


@dataclass(frozen=True)
class RenderResult:
    """The result of a job.

    Attributes:
        output: The video.
        width: Of the picture, in pixels.
        height: Likewise.
        fps: Frame rate.
        frames: Number of frames.
        duration: Length of the sound in seconds.
        bytes: Size of the file.
        frames_with_face: Frames in which the person was found; None where the engine does not know.
        frames_without_face: The others.
        frames_turned_away: Of the frames with the person, those left unchanged since the head is turned too far.
        frames_covered: Likewise, since the whole mouth is covered.
        frames_outside: Likewise, since the lips are outside the picture.
        frames_other_person: Of the frames without the person, those that show somebody else.
        shots: Number of shots of the face video, as far as it is used; None where the engine does not know.
        people: Number of people in it; None where the engine does not know.
        blinks: How often the people of a photograph blink; None if none of them has idle motion.
        seconds: Wall-clock time of each stage.
        track_cached: Whether the track came from the cache.
        engine: Name of the engine.
        provider: The execution provider that ONNX Runtime really used; None where that is unknown.
        warnings: What the user should know about the inputs, such as that they are damaged.
        spans: The timeline: the state of each person who speaks, from the first frame to the last; empty where the
            engine does not know.
    """

    output: Path
    width: int
    height: int
    fps: Fraction
    frames: int
    duration: float
    bytes: int
    frames_with_face: int | None
    frames_without_face: int | None
    frames_turned_away: int | None
    seconds: dict[str, float]
    track_cached: bool
    engine: str
    provider: str | None
    warnings: tuple[str, ...] = ()
    frames_covered: int | None = None
    frames_outside: int | None = None
    frames_other_person: int | None = None
    shots: int | None = None
    people: int | None = None
    blinks: int | None = None
    spans: tuple[Span, ...] = ()

    @property
    def real_time_factor(self) -> float:
        """Seconds of work per second of video."""
        return sum(self.seconds.values()) / self.duration

    @property
    def frames_drawn(self) -> int | None:
        """Number of frames in which the mouth moves; None where the engine does not know."""
        if self.frames_with_face is None:
            return None
        left = self.frames_turned_away, self.frames_covered, self.frames_outside
        return self.frames_with_face - sum(count or 0 for count in left)

    def to_dict(self) -> dict[str, object]:
        """Return what ``--json`` prints, the journal keeps and the report is made from."""
        return {
            "output": str(self.output),
            "width": self.width,
            "height": self.height,
            "fps": float(self.fps),
            "frame_rate": str(self.fps),
            "frames": self.frames,
            "duration": round(self.duration, 6),
            "bytes": self.bytes,
            "frames_with_face": self.frames_with_face,
            "frames_without_face": self.frames_without_face,
            "frames_turned_away": self.frames_turned_away,
            "frames_covered": self.frames_covered,
            "frames_outside": self.frames_outside,
            "frames_other_person": self.frames_other_person,
            "shots": self.shots,
            "people": self.people,
            "blinks": self.blinks,
            "seconds": {stage: round(seconds, 3) for stage, seconds in self.seconds.items()},
            "real_time_factor": round(self.real_time_factor, 3),
            "track_cached": self.track_cached,
            "engine": self.engine,
            "provider": self.provider,
            "warnings": list(self.warnings),
        }


@dataclass
class Clock:
    """Measures the wall-clock time of each stage of one job."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Measure the time that the block takes."""
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
