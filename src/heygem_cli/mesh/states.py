"""Decide for each frame of a face video whether the person speaks in it, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import LIPS, Array, canonical_face, head_pose
from heygem_cli.face.track import FaceTrack
from heygem_cli.job import FrameState
from heygem_cli.media.types import RegionOfInterest, VideoInfo
from heygem_cli.mesh.targets import FADE_END

FADE_FRAMES = 3
"""Frames over which the drawn mouth fades into the person's own."""
MIN_INSIDE = 0.5
"""Share of the lip points in the picture below which the mouth is outside."""
MOUTH_MARGIN = 0.35
"""Mouth widths around the lips that belong to the region of the mouth."""
CHUNK = 1000
"""Frames of a track read at a time."""


@dataclass(frozen=True)
class FrameStates:
    """What is drawn in each frame of a face video.

    Attributes:
        states: (frames,) ``rendered``, or why the frame passes unchanged.
        strengths: (frames,) 0 … 1, how strongly the mouth is drawn: the frames before and after one that passes, in the
            same shot, fade.
        shots: (frames,) the shot of each, from 1.
    """

    states: tuple[FrameState, ...]
    strengths: Array
    shots: npt.NDArray[np.int64]

    def at(self, index: int) -> tuple[FrameState, float, int]:
        """Return the state, the strength and the shot of a frame; one beyond those that were tracked has no face."""
        if index < len(self.states):
            return self.states[index], float(self.strengths[index]), int(self.shots[index])
        return "no face", 0.0, int(self.shots[-1])


def frame_states(track: FaceTrack, video: VideoInfo) -> FrameStates:
    """Decide what is drawn in each frame of a tracked person."""
    states: list[FrameState] = []
    for start in range(0, len(track), CHUNK):
        rows = track.rows(start, CHUNK)
        known = np.nan_to_num(rows)
        turned = np.abs(head_pose(known, canonical_face()).yaw) >= FADE_END
        outside = _lips_inside(known, video) < MIN_INSIDE
        for index in range(len(rows)):
            absence = track.absence(start + index)
            states.append(absence or ("outside" if outside[index] else "turned away" if turned[index] else "rendered"))
    shots = np.searchsorted(track.video.cuts, np.arange(len(track)), side="right")
    return FrameStates(tuple(states), fade(np.array([state == "rendered" for state in states]), shots), shots)


def mouth_region(track: FaceTrack, states: FrameStates, video: VideoInfo) -> RegionOfInterest | None:
    """Return the region that contains the mouth, and the skin around it, in all frames in which it is drawn."""
    low, high, widths = [], [], []
    for start in range(0, len(track), CHUNK):
        rows = track.rows(start, CHUNK)
        drawn = [state == "rendered" for state in states.states[start : start + CHUNK]]
        lips = rows[drawn][:, LIPS, :2]
        if len(lips):
            low.append(lips.min((0, 1)))
            high.append(lips.max((0, 1)))
            widths.append(np.median(np.ptp(lips[..., 0], axis=1)))
    if not widths:
        return None
    margin, size = MOUTH_MARGIN * float(np.median(widths)), (video.width, video.height)
    left, top = np.clip(np.min(low, 0) - margin, 0, size).astype(int).tolist()
    right, bottom = np.clip(np.max(high, 0) + margin, 0, size).astype(int).tolist()
    return RegionOfInterest(left, top, right - left, bottom - top)


def _lips_inside(landmarks: Array, video: VideoInfo) -> Array:
    """Return which share of the lip points (…, 478, 3) is in the picture."""
    lips = landmarks[..., LIPS, :2]
    return np.asarray(((lips >= 0) & (lips < (video.width, video.height))).all(-1).mean(-1), np.float32)


def fade(drawn: npt.NDArray[np.bool_], shots: npt.NDArray[np.int64]) -> Array:
    """Return the strength (frames,) with which frames are drawn: it rises over :data:`FADE_FRAMES` within a shot."""
    distance = np.full(len(drawn), FADE_FRAMES + 1)
    for shift in range(FADE_FRAMES + 1):
        before, after = slice(None, len(drawn) - shift), slice(shift, None)
        same_shot = shots[before] == shots[after]
        for passed, near in ((before, after), (after, before)):
            within = ~drawn[passed] & same_shot
            distance[near][within] = np.minimum(distance[near][within], shift)
    return np.asarray(distance / (FADE_FRAMES + 1), np.float32)
