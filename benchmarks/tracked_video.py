"""Videos with the landmarks of their face."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from training.clips import Tracker, track_video

from heygem_cli.face.geometry import Array
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import Frame, VideoInfo


@dataclass(frozen=True)
class TrackedVideo:
    """A video and landmarks (frames, 478, 3) of its face, not smoothed; NaN without a face."""

    video: VideoInfo
    landmarks: Array


def load_tracked(tracker: Tracker, path: Path) -> TrackedVideo:
    """Probe and track a video."""
    video = probe_video(path)
    return TrackedVideo(video, track_video(video, tracker))


def select_frames(video: VideoInfo, indices: Sequence[int]) -> list[Frame]:
    """Decode the frames with the given indices, in ascending order."""
    selected = set(indices)
    with closing(read_frames(video, count=max(selected) + 1)) as frames:
        return [frame for index, frame in enumerate(frames) if index in selected]
