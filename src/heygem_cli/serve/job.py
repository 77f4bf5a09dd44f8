"""A job of ``heygem serve``, as the page and the API show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from heygem_cli.errors import HeygemError, InputError
from heygem_cli.job import Progress
from heygem_cli.time_left import part_done

JobPhase = Literal["queued", "running", "done", "failed", "canceled"]
ENDED: frozenset[JobPhase] = frozenset({"done", "failed", "canceled"})


@dataclass(frozen=True)
class ServedJob:
    """A snapshot of a job, which any thread may keep.

    Attributes:
        id: 128 random bits in hexadecimal digits.
        phase: Its state.
        position: Its place among those that wait, from 1; 0 if it does not wait.
        audio_name: The audio's name where it came from.
        face_name: Likewise of the face video.
        options: The options that were given, as they were.
        created: When it was submitted, in seconds since the epoch.
        started: When it began; None before.
        finished: When it ended; None before.
        progress: How far its stage is, while it runs.
        frames_per_second: How fast it draws, or drew; None while that is unknown.
        seconds_left: How long it still takes; None while that is unknown.
        result: What ``heygem render --json`` prints, with the file's name instead of its path.
        error: Code, message and hint, if it failed, or if it waits because the disk was full.
        preview: A JPEG of a frame that was just drawn.
        output: The finished video.
    """

    id: str
    phase: JobPhase
    position: int
    audio_name: str
    face_name: str
    options: Mapping[str, object]
    created: float
    started: float | None = None
    finished: float | None = None
    progress: Progress | None = None
    frames_per_second: float | None = None
    seconds_left: float | None = None
    result: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None
    preview: Path | None = None
    output: Path | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it will not change any more."""
        return self.phase in ENDED

    @property
    def download_name(self) -> str:
        """The name under which the video is downloaded."""
        return f"{_short_stem(self.face_name)}_{_short_stem(self.audio_name)}.mp4"

    @property
    def percent(self) -> int:
        """How much of it is done; a rough guess."""
        if self.phase == "done":
            return 100
        return 0 if self.progress is None else min(99, int(100 * part_done(self.progress)))


def _short_stem(name: str) -> str:
    """Return a file name without its extension, cut so that two make one of at most 255 bytes."""
    return Path(name).stem.encode()[:120].decode("utf-8", "ignore")


class QueueFullError(HeygemError):
    """No more jobs are taken at the moment."""

    def __init__(self, size: int) -> None:
        hint = "Submit it again when one has ended"
        super().__init__("queue-full", f"the queue is full: {size} jobs wait or run", hint=hint)


class NotDoneError(HeygemError):
    """A job has no result, or has not ended yet."""

    def __init__(self, phase: JobPhase) -> None:
        hint = "Wait until it has ended, or cancel it"
        super().__init__("not-done", f"this needs a job that is done: it is {phase}", hint=hint)


class UnknownJobError(InputError):
    """There is no job with this id."""

    def __init__(self) -> None:
        hint = "It was removed some days after its end, or the address is wrong"
        super().__init__("unknown-job", "there is no such job", hint=hint)
