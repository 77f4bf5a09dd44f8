"""Clips with their sound, and what the mouth does in each frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heygem_cli.face.geometry import CHIN, LIPS, Array, head_pose, mouth_opening
from heygem_cli.face.neutral import closed_mouth
from heygem_cli.face.select import Person
from heygem_cli.face.smooth import bridge_gaps, smooth
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.media.probe import probe_audio, probe_video
from heygem_cli.media.read import read_audio, read_frames
from heygem_cli.media.types import Samples

MOST_MISSING = 0.3
"""Share of frames without a face from which a clip is left out."""


@dataclass(frozen=True)
class Clip:
    """A tracked clip.

    Attributes:
        name: of the file.
        fps: of the picture.
        samples: mono at 16 kHz.
        landmarks: (frames, 478, 3) in pixels, as tracked.
    """

    name: str
    fps: float
    samples: Samples
    landmarks: Array

    @property
    def speaker(self) -> str:
        """Who speaks: in GRID's names here, what stands before the first underscore."""
        return self.name.split("_")[0]

    @property
    def openings(self) -> Array:
        """Inner lip opening (frames,) in inter-ocular distances, as tracked."""
        return mouth_opening(self.landmarks)


def load_clips(folder: Path, tracker: FaceTracker, cache: Path) -> list[Clip]:
    """Read all clips of a folder, in the order of their names; tracks are kept in ``cache`` for the next time."""
    cache.mkdir(parents=True, exist_ok=True)
    clips = (load_clip(path, tracker, cache / f"{path.name}.npy") for path in sorted(folder.iterdir()))
    return [clip for clip in clips if clip is not None]


def load_clip(path: Path, tracker: FaceTracker, cached: Path) -> Clip | None:
    """Read one clip; None where the face is missing from too many frames to learn from it."""
    video = probe_video(path)
    if cached.is_file():
        landmarks = np.load(cached)
    else:
        with closing(read_frames(video)) as frames:
            found = bridge_gaps(tracker.track(frames, Person()))
            landmarks = np.array([np.full((478, 3), np.nan, np.float32) if row is None else row for row in found])
        np.save(cached, landmarks)
    present = ~np.isnan(landmarks[:, 0, 0])
    if 1 - present.mean() > MOST_MISSING:
        return None
    with closing(read_audio(probe_audio(path))) as chunks:
        samples = np.concatenate(list(chunks))
    return Clip(path.name, float(video.fps), samples, fill(landmarks, present))


def fill(landmarks: Array, present: Array) -> Array:
    """Fill the frames without a face by straight lines between those with one."""
    frames = np.arange(len(landmarks))
    flat = landmarks.reshape(len(landmarks), -1)
    columns = (np.interp(frames, frames[present], column[present]) for column in flat.T)
    return np.stack(list(columns), axis=1).reshape(landmarks.shape).astype(np.float32)


def lip_offsets(landmarks: Array, canonical: Array) -> Array:
    """What the network learns: offsets (frames, 41, 2) of the lip points and the chin from the closed mouth.

    Args:
        landmarks: (frames, 478, 3) of one person in one clip.
        canonical: the canonical face (478, 3).
    """
    steady = np.array(list(smooth(list(landmarks))))
    points = head_pose(steady, canonical).to_canonical(steady[:, [*LIPS, CHIN]])
    return (points - closed_mouth(points, mouth_opening(steady)))[..., :2]


def by_speaker(clips: Sequence[Clip]) -> Iterator[tuple[str, list[Clip]]]:
    """Clips of each speaker, in the order of their names."""
    for speaker in sorted({clip.speaker for clip in clips}):
        yield speaker, [clip for clip in clips if clip.speaker == speaker]
