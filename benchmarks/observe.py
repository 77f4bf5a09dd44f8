"""What a video looks like to the benchmarks: landmarks of its face and the sharpness of its mouth."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.metrics import Curve
from heygem_cli.face.geometry import LANDMARKS, LIPS, Array
from heygem_cli.face.select import FaceChoice
from heygem_cli.face.smooth import bridge_gaps
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.media.probe import probe_audio, probe_video
from heygem_cli.media.read import read_audio, read_frames
from heygem_cli.media.types import Frame, VideoInfo


def track_clip(tracker: FaceTracker, video: VideoInfo) -> Array:
    """Landmarks (frames, 478, 3) as the tracker gives them, gaps bridged and nothing smoothed; NaN without a face."""
    missing = np.full((LANDMARKS, 3), np.nan, np.float32)
    with closing(read_frames(video)) as frames:
        rows = bridge_gaps(tracker.track(frames, FaceChoice()))
        return np.stack([missing if row is None else row for row in rows])


def sharpness(video: VideoInfo, where: Array) -> Curve:
    """Variance of the Laplacian of the luma around the mouth (frames,), NaN where there is no face.

    Args:
        video: whose pixels; it has as many frames or more.
        where: landmarks (frames, 478, 3) that say where the mouth is.
    """
    with closing(read_frames(video, count=len(where))) as frames:
        lips = where[:, list(LIPS), :2]
        return np.array([_mouth_sharpness(frame, points) for frame, points in zip(frames, lips, strict=True)])


def _mouth_sharpness(frame: Frame, lips: Array) -> float:
    if np.isnan(lips[0, 0]):
        return float("nan")
    low, high = lips.min(0), lips.max(0)
    margin = 0.3 * (high[0] - low[0])
    left, top = (max(0, int(value)) for value in low - margin)
    right, bottom = (int(value) for value in high + margin)
    luma = frame[: frame.shape[0] * 2 // 3]
    return float(cv2.Laplacian(luma[top:bottom, left:right], cv2.CV_64F).var())


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


def observe(tracker: FaceTracker, path: Path) -> Observed:
    """Probe and track a video."""
    video = probe_video(path)
    return Observed(video, track_clip(tracker, video))
