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
MAX_AUDIO_JITTER = 0.03
"""Seconds by which timestamps of audio may differ from the length of what was before: more is a gap or an overlap."""
MAX_REORDERING = 4.0
"""Seconds by which timestamps go back where frames are stored in another order than they are shown in."""
MAX_REORDERED = 40
"""Frames by which the two orders differ at the most: decoders keep 16 frames, or 32 fields."""
MIN_JUMP = 0.1
"""Seconds by which a key frame is earlier than the frames before where another recording begins; less is jitter."""
MAX_CAMERA_FPS = 2000.0
"""Frames a second up to which timestamps may be those of a high-speed camera."""

_NTSC_RATES = [Fraction(1000 * rate, 1001) for rate in (24, 30, 48, 60, 120, 240)]
USUAL_RATES = [*map(Fraction, range(5, 241)), *_NTSC_RATES]
"""Rates of cameras and programs; what lies very close to one of them is a rounded value of it."""
COMMON_RATES = [
    *map(Fraction, (5, 6, 8, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 75, 90, 100, 120, 144, 240)),
    *_NTSC_RATES,
]
"""Rates that are meant where frames come irregularly."""
MAX_ROUNDING = 0.001
"""Mean error in seconds of timestamps that are regular but for rounding: beyond it, an average rate means nothing."""
BURST = 24
"""Frames over which the rate of irregular frames is averaged: shorter parts may lose some."""


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
    times: npt.NDArray[np.float64],
    packets: int,
    rates: Sequence[Fraction | None],
    seconds: Fraction | None,
    joins: Sequence[int] = (),
) -> Timing:
    """Measure the timing of a video.

    Args:
        times: Timestamps in seconds, in the order of the file; empty for streams without timestamps.
        packets: Number of packets that were read.
        rates: Rates that the file declares, the most trustworthy first.
        seconds: The length that the file declares if it was read only in part; None if it was read to the end.
        joins: Places in ``times`` where another recording begins, which was appended and has times of its own.
    """
    declared = [_exact(rate) for rate in rates if rate and _is_plausible(rate)]
    if joins:
        shown = np.concatenate([np.sort(recording) for recording in np.split(times, joins)])
        return Timing(_typical_rate(shown, declared), packets, reliable=False)
    shown = np.sort(times)
    if not are_reliable(times, MAX_VIDEO_GAP) or not _can_be_shown(shown):
        return Timing(_typical_rate(shown, declared), packets, reliable=False)
    fps = _rate(shown, declared)
    if seconds is not None:
        return Timing(fps, max(packets, round(seconds * fps)))
    if shown.size < 2:
        return Timing(fps, packets)
    return Timing(fps, 1 + round(float(shown[-1] - shown[0]) * fps))


def are_reliable(times: npt.NDArray[np.float64], max_gap: float) -> bool:
    """Return whether timestamps in the order of the file never jump: not even back to the start of a second file."""
    if times.size < 2:
        return True
    latest = np.maximum.accumulate(times)
    if np.diff(latest).max() > max_gap or (latest - times).max() > MAX_REORDERING:
        return False
    return bool(np.abs(np.argsort(times, kind="stable") - np.arange(times.size)).max() <= MAX_REORDERED)


def _can_be_shown(shown: npt.NDArray[np.float64]) -> bool:
    return shown.size < 2 or (shown.size - 1) <= MAX_CAMERA_FPS * float(shown[-1] - shown[0])


def _rate(shown: npt.NDArray[np.float64], declared: Sequence[Fraction]) -> Fraction:
    if shown.size < 2:
        return declared[0] if declared else DEFAULT_FPS
    rate = _regular_rate(shown - shown[0], declared) or _irregular_rate(shown)
    return rate if _is_plausible(rate) else min(max(rate, DEFAULT_FPS), MAX_FPS)


def _regular_rate(shown: npt.NDArray[np.float64], declared: Sequence[Fraction]) -> Fraction | None:
    """Return the rate of frames of equal length, some of which may be missing; None if they differ in length."""
    steps = np.diff(shown)
    slots = np.rint(steps / _typical_step(steps))
    places = np.concatenate([[0.0], np.cumsum(slots)])
    if slots.min() < 1:
        return None
    period, start = np.polyfit(places, shown, 1)
    deviations = shown - start - period * places
    if np.abs(deviations).max() > 0.25 * period:
        return None
    # Timestamps may be rounded to milliseconds, so that the measured rate is never exactly the usual one.
    tolerance = 2 * float(deviations.std()) + 1e-5
    if (usual := _nearest_rate(shown, USUAL_RATES, 1 / period, tolerance)) is not None:
        return usual
    if deviations.std() > MAX_ROUNDING:
        return None
    exact = _nearest_rate(shown, declared, 1 / period, tolerance)
    return Fraction(1 / period).limit_denominator(1001) if exact is None else exact


def _nearest_rate(
    shown: npt.NDArray[np.float64], rates: Sequence[Fraction], measured: float, tolerance: float
) -> Fraction | None:
    """Return the rate, near the measured one, whose frames deviate least from the timestamps; None above ``tolerance``.

    The deviation is a standard deviation in seconds.
    """

    def deviation(rate: Fraction) -> float:
        places = np.concatenate([[0.0], np.cumsum(np.rint(np.diff(shown) * float(rate)))])
        return float(np.std(shown - places / float(rate)))

    near = [rate for rate in rates if 0.98 < rate / measured < 1.02]
    best = min(near, key=deviation, default=None)
    return best if best is not None and deviation(best) <= tolerance else None


def _irregular_rate(shown: npt.NDArray[np.float64]) -> Fraction:
    """Return the rate of the parts with the most frames a second, at which nearly all frames can be shown."""
    count = min(BURST, 1 + (shown.size - 2) // 4)
    spans = shown[count:] - shown[:-count]
    slow, busy = (count / max(float(np.percentile(spans, share)), count / MAX_CAMERA_FPS) for share in (50, 10))
    measured = busy if busy > 1.05 * slow else slow
    nearest = min(COMMON_RATES, key=lambda common: abs(common / measured - 1))
    return nearest if 0.97 < nearest / measured < 1.03 else Fraction(measured).limit_denominator(100)


def _typical_step(steps: npt.NDArray[np.float64]) -> float:
    """Return the mean of the steps between frames, without those over missing frames."""
    positive = steps[steps >= 1 / MAX_CAMERA_FPS]
    return float(positive[positive < 1.7 * np.median(positive)].mean())


def _typical_rate(shown: npt.NDArray[np.float64], declared: Sequence[Fraction]) -> Fraction:
    """Return the rate at which most frames follow each other, or else the one that the file declares."""
    steps = np.diff(shown)
    has_steps = bool((steps >= 1 / MAX_CAMERA_FPS).any())
    typical = Fraction(1 / _typical_step(steps)).limit_denominator(1001) if has_steps else Fraction(0)
    if not _is_plausible(typical):
        return declared[0] if declared else DEFAULT_FPS
    nearest = min(declared, key=lambda rate: abs(rate - typical), default=typical)
    return nearest if 0.9 < nearest / typical < 1.1 else typical


def _exact(rate: Fraction) -> Fraction:
    """Return the usual rate of which a container has stored a rounded value, such as 2997/25 of 120000/1001."""
    return next((usual for usual in _NTSC_RATES if abs(rate / usual - 1) < 1e-5), rate)


def _is_plausible(rate: Fraction) -> bool:
    return MIN_FPS <= rate <= MAX_FPS
