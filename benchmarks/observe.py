"""What a video shows the benchmarks: its frames, the landmarks of its face, its sound."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heygem_cli.face.geometry import LANDMARKS, Array
from heygem_cli.face.smooth import bridge_gaps
from heygem_cli.face.tracker import MediaPipeTracker
from heygem_cli.media.probe import probe_audio, probe_video
from heygem_cli.media.read import read_audio, read_frames
from heygem_cli.media.types import Frame, VideoInfo
from heygem_cli.options import Person


def track_clip(tracker: MediaPipeTracker, video: VideoInfo) -> Array:
    """Landmarks (frames, 478, 3) as the tracker gives them, gaps bridged and nothing smoothed; NaN without a face."""
    missing = np.full((LANDMARKS, 3), np.nan, np.float32)
    with closing(read_frames(video)) as frames:
        rows = bridge_gaps(tracker.track(frames, Person()))
        return np.stack([missing if row is None else row for row in rows])


def pick_frames(video: VideoInfo, indices: Sequence[int]) -> list[Frame]:
    """The frames of some indices, in ascending order."""
    wanted = set(indices)
    with closing(read_frames(video, count=max(wanted) + 1)) as frames:
        return [frame for index, frame in enumerate(frames) if index in wanted]


def listen(path: Path) -> Array:
    """All samples of a short clip, mono at 16 kHz."""
    with closing(read_audio(probe_audio(path))) as chunks:
        return np.concatenate(list(chunks))


@dataclass(frozen=True)
class Observed:
    """A video, and landmarks (frames, 478, 3) of its face."""

    video: VideoInfo
    landmarks: Array


def observe(tracker: MediaPipeTracker, path: Path) -> Observed:
    """Probe and track a video."""
    video = probe_video(path)
    return Observed(video, track_clip(tracker, video))
