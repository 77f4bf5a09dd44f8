"""One video to make: what is wanted, how far it is, and what was made; plain data that every engine takes and gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from heygem_cli.face.select import Person
from heygem_cli.media.types import AudioInfo, VideoInfo
from heygem_cli.media.write import EncodeOptions
from heygem_cli.options import LoopMode, MissingFace

Stage = Literal["speech", "track", "prepare", "start", "render"]
"""``start``: an engine of another process becomes ready."""


@dataclass(frozen=True)
class RenderOptions:
    """How a job is rendered; the same words as the command line's."""

    engine: str = "mesh"
    face: Person = field(default_factory=Person)
    loop: LoopMode = "pingpong"
    on_missing_face: MissingFace = "pass"
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    cache: bool = True


@dataclass(frozen=True)
class RenderJob:
    """One video to make."""

    audio: Path
    face: Path
    output: Path
    overwrite: bool = False
    options: RenderOptions = field(default_factory=RenderOptions)


@dataclass(frozen=True)
class Inputs:
    """The probed inputs of a job."""

    audio: AudioInfo
    video: VideoInfo


@dataclass(frozen=True)
class Progress:
    """How far a stage is; ``total`` is None while it is not known.

    The unit is frames, of speech and of a start it is seconds.
    """

    stage: Stage
    done: float
    total: float | None


ProgressCallback = Callable[[Progress], None]
"""Is told how far a job is, often; what it raises ends the job."""


@dataclass(frozen=True)
class RenderResult:
    """What a job made.

    Attributes:
        frames_with_face: of the output; None where the engine does not tell.
        frames_without_face: likewise.
        frames_turned_away: of those with the face; the head is turned too far to the side there, and they passed.
        seconds: wall-clock time of each stage.
        track_cached: whether a track came from the cache.
        provider: what ONNX Runtime really ran the engine's networks on; None where that cannot be known.
    """

    output: Path
    width: int
    height: int
    fps: Fraction
    frames: int
    duration: float
    frames_with_face: int | None
    frames_without_face: int | None
    frames_turned_away: int | None
    seconds: dict[str, float]
    track_cached: bool
    engine: str
    provider: str | None

    @property
    def real_time_factor(self) -> float:
        """Seconds of work a second of video."""
        return sum(self.seconds.values()) / self.duration


@dataclass
class Clock:
    """Takes the seconds of each stage of one job."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Time a stage while the block lasts."""
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
