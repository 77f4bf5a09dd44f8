"""The frame rate and the number of frames of a video, from timestamps that may be wrong.

Filling a gap takes a frame or a sample for every moment of it, so a gap of any length would take any amount of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

DEFAULT_FPS = Fraction(25)
"""The rate of still images, and of videos without a plausible one."""
MIN_FPS, MAX_FPS = Fraction(5), Fraction(240)

MAX_VIDEO_GAP = 10.0
MAX_AUDIO_GAP = 300.0
"""Seconds between two frames or packets up to which a gap is filled: a longer one is an error in the file."""
MAX_REORDERING = 4.0
"""Seconds by which timestamps go back where frames are stored in another order than they are shown in."""
MAX_CAMERA_FPS = 2000.0
"""Frames a second up to which timestamps may be those of a high-speed camera."""


@dataclass(frozen=True)
class Timing:
    """The timing of a video.

    Attributes:
        fps: The frame rate.
        frames: The number of frames at this rate, an estimate.
        reliable: Whether the timestamps can be used; otherwise the frames follow each other at ``fps``.
    """

    fps: Fraction
    frames: int
    reliable: bool = True


def measure(
    times: npt.NDArray[np.float64], packets: int, rates: Sequence[Fraction | None], seconds: Fraction | None
) -> Timing:
    """Measure the timing of a video.

    Args:
        times: Timestamps in seconds, in the order of the file; empty for streams without timestamps.
        packets: Number of packets that were read.
        rates: Rates that the file declares, the most trustworthy first.
        seconds: The length that the file declares if it was read only in part; None if it was read to the end.
    """
    declared = [rate for rate in rates if rate and _is_plausible(rate)]
    shown = np.sort(times)
    if not are_reliable(times, MAX_VIDEO_GAP) or not _can_be_shown(shown):
        return Timing(_typical_rate(shown, declared), packets, reliable=False)
    fps = _rate(shown, declared)
    if seconds is not None:
        return Timing(fps, max(packets, round(seconds * fps)))
    if shown.size < 2:
        return Timing(fps, packets)
    duration = float(shown[-1] - shown[0]) * shown.size / (shown.size - 1)
    return Timing(fps, max(1, round(duration * float(fps))))


def are_reliable(times: npt.NDArray[np.float64], max_gap: float) -> bool:
    """Return whether timestamps in the order of the file never jump."""
    if times.size < 2:
        return True
    latest = np.maximum.accumulate(times)
    return bool(np.diff(latest).max() <= max_gap and (latest - times).max() <= MAX_REORDERING)


def _can_be_shown(shown: npt.NDArray[np.float64]) -> bool:
    return shown.size < 2 or (shown.size - 1) <= MAX_CAMERA_FPS * float(shown[-1] - shown[0])


def _rate(shown: npt.NDArray[np.float64], declared: Sequence[Fraction]) -> Fraction:
    """Return the rate that the file declares if the timestamps agree with it, else their average rate."""
    if shown.size < 2:
        return declared[0] if declared else DEFAULT_FPS
    for rate in declared:
        slots = (shown - shown[0]) * float(rate)
        if np.abs(slots - np.rint(slots)).max() < 0.25 and 0.9 < (shown.size - 1) / slots[-1] < 1.1:
            return rate
    average = Fraction((shown.size - 1) / float(shown[-1] - shown[0])).limit_denominator(1001)
    return average if _is_plausible(average) else min(max(average, DEFAULT_FPS), MAX_FPS)


def _typical_rate(shown: npt.NDArray[np.float64], declared: Sequence[Fraction]) -> Fraction:
    """Return the rate at which most frames follow each other, or else the one that the file declares."""
    steps = np.diff(shown)
    steps = steps[steps > 1 / MAX_CAMERA_FPS]
    typical = Fraction(1 / float(np.median(steps))).limit_denominator(1001) if steps.size else Fraction(0)
    if not _is_plausible(typical):
        return declared[0] if declared else DEFAULT_FPS
    nearest = min(declared, key=lambda rate: abs(rate - typical), default=typical)
    return nearest if 0.9 < nearest / typical < 1.1 else typical


def _is_plausible(rate: Fraction) -> bool:
    return MIN_FPS <= rate <= MAX_FPS
