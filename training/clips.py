"""Tracked clips of people speaking, with their sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from heygem_cli.face.geometry import CHIN, LANDMARKS, LIPS, Array, head_pose, mouth_opening
from heygem_cli.face.neutral import closed_mouth
from heygem_cli.face.smooth import bridge_gaps, smooth
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_audio, read_frames
from heygem_cli.media.types import Frame, Samples, VideoInfo


class Tracker(Protocol):
    """What finds the landmarks (478, 3) of one face in pixels for each frame, None where it is not found."""

    def track(self, frames: Iterable[Frame]) -> Iterator[Array | None]:
        """Yield the landmarks for each frame."""
        ...


MAX_MISSING = 0.3
"""Largest share of frames without a face in a usable clip."""


@dataclass(frozen=True)
class Clip:
    """A tracked clip.

    Attributes:
        name: File name.
        fps: Frame rate.
        samples: Mono at 16 kHz.
        landmarks: (frames, 478, 3) in pixels, not smoothed.
    """

    name: str
    fps: float
    samples: Samples
    landmarks: Array

    @property
    def speaker(self) -> str:
        """The speaker's name."""
        return speaker_of(self.name)

    @property
    def openings(self) -> Array:
        """Inner lip opening (frames,) in inter-ocular distances."""
        return mouth_opening(self.landmarks)


def speaker_of(clip: str) -> str:
    """Return the speaker of a GRID clip, the part of its name before the first underscore."""
    return clip.split("_", maxsplit=1)[0]


def load_clips(folder: Path, tracker: Tracker, cache: Path) -> list[Clip]:
    """Load all usable clips of a folder, sorted by name; their tracks are cached in ``cache``."""
    cache.mkdir(parents=True, exist_ok=True)
    clips = (load_clip(path, tracker, cache / f"{path.name}.npy") for path in sorted(folder.iterdir()))
    return [clip for clip in clips if clip is not None]


def load_clip(path: Path, tracker: Tracker, cached: Path) -> Clip | None:
    """Load one clip; None if too many frames have no face."""
    video = probe_video(path)
    if cached.is_file():
        landmarks = np.load(cached)
    else:
        landmarks = track_video(video, tracker)
        np.save(cached, landmarks)
    present = ~np.isnan(landmarks[:, 0, 0])
    if 1 - present.mean() > MAX_MISSING:
        return None
    return Clip(path.name, float(video.fps), read_samples(path), interpolate_missing(landmarks, present))


def track_video(video: VideoInfo, tracker: Tracker) -> Array:
    """Return landmarks (frames, 478, 3) in pixels with gaps bridged, not smoothed; NaN without a face."""
    missing = np.full((LANDMARKS, 3), np.nan, np.float32)
    with closing(read_frames(video)) as frames:
        rows = [missing if row is None else row for row in tracker.track(frames)]
    return bridge_gaps(np.stack(rows))


def read_samples(path: Path) -> Samples:
    """Read all samples of a short clip, mono at 16 kHz."""
    with closing(read_audio(probe_audio(path))) as chunks:
        return np.concatenate(list(chunks))


def interpolate_missing(landmarks: Array, present: Array) -> Array:
    """Interpolate the landmarks of frames without a face."""
    frames = np.arange(len(landmarks))
    flat = landmarks.reshape(len(landmarks), -1)
    columns = (np.interp(frames, frames[present], column[present]) for column in flat.T)
    return np.stack(list(columns), axis=1).reshape(landmarks.shape).astype(np.float32)


def lip_offsets(landmarks: Array, canonical: Array) -> Array:
    """Return the training targets, offsets (frames, 41, 2) of the lip points and the chin from the closed mouth.

    Args:
        landmarks: (frames, 478, 3) of one person in one clip.
        canonical: The canonical face (478, 3).
    """
    smoothed = smooth(landmarks)
    points = head_pose(smoothed, canonical).to_canonical(smoothed[:, [*LIPS, CHIN]])
    return (points - closed_mouth(points, mouth_opening(smoothed)))[..., :2]


def by_speaker(clips: Sequence[Clip]) -> Iterator[tuple[str, list[Clip]]]:
    """Yield the speakers in alphabetical order, each with their clips."""
    for speaker in sorted({clip.speaker for clip in clips}):
        yield speaker, [clip for clip in clips if clip.speaker == speaker]
