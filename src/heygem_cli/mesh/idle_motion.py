"""How a person in a photograph moves while speaking: the head with the prosody, blinks, breath.

The head's motion is a linear filter of the loudness and slow random motion; the filter, the size and the pace of the
motion, and the course of a blink are measured on heads of the GRID corpus (``training/head_motion.py``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame
from heygem_cli.mesh.field import smoothstep
from heygem_cli.onnx import model_path

MODEL = "head_motion.npz"
LAGS = np.arange(-4, 5) * 0.12
"""Seconds from a frame to the loudness that moves the head in it."""
PROSODY_SMOOTHING = 0.12
"""Standard deviation in seconds of the window that loudness is averaged over: about a syllable."""
LOUDNESS_RANGE = 40.0
"""Decibels below loud speech (the 95th percentile) that count as silence."""
BLINKS_PER_MINUTE = 20.0
"""In conversation 10.5 to 32.5, half that in silence (M. J. Doughty, "Consideration of three types of spontaneous
eyeblink activity in normal humans", Optometry and Vision Science 78, 2001)."""
MIN_PAUSE, PAUSE_SHAPE = 0.9, 2.0
"""Shortest time in seconds between blinks; shape of the gamma distribution of what is beyond it."""
BLINK_RATE = 25
"""Samples per second of the measured course of a blink."""
HOLD = 1.3 / BLINK_RATE
"""Seconds for which the eye stays closed: at 24 frames a second there is one in which it is."""
BREATH_SECONDS = 3.4, 5.2
"""Length of a breath: adults at rest take 12 to 20 a minute."""
INHALING = 0.4
"""Share of a breath."""
RAMP = 0.8
"""Seconds within which motion begins and ends: the first and the last frame are the photograph, so that it loops."""
BLINK_MARGIN = 0.5
"""Seconds at the beginning and at the end without a blink."""


@dataclass(frozen=True)
class HeadStatistics:
    """What ``models/head_motion.npz`` contains; angles are pitch, yaw and roll in degrees.

    Attributes:
        prosody: (lags, 3) angles for each unit of loudness at :data:`LAGS`.
        deviation: (3,) standard deviation of the motion that loudness does not explain.
        pace: (3,) standard deviation in seconds of the window that turns white noise into motion of the same pace.
        blink: (samples,) how far the eye is closed in the course of a blink, at :data:`BLINK_RATE`.
    """

    prosody: Array
    deviation: Array
    pace: Array
    blink: Array


@dataclass(frozen=True)
class IdleMotion:
    """The motion in every frame of the output.

    Attributes:
        angles: (frames, 3) pitch, yaw and roll relative to the photograph, in degrees.
        breath: (frames,) 0 … 1, how far the shoulders are raised.
        closure: (frames,) 0 … 1, how far the eyes are closed.
        blinks: Number of blinks.
    """

    angles: Array
    breath: Array
    closure: Array
    blinks: int


@cache
def head_statistics() -> HeadStatistics:
    """Read the statistics.

    Raises:
        NotCapableError: The model is missing.
    """
    with np.load(model_path(MODEL)) as values:
        return HeadStatistics(
            *(np.asarray(values[name], np.float32) for name in ("prosody", "deviation", "pace", "blink"))
        )


def content_seed(frame: Frame, levels: Array) -> int:
    """Return a number that follows from a photograph and what is said: the same input moves in the same way."""
    digest = hashlib.blake2b(np.ascontiguousarray(frame).data, digest_size=8)
    digest.update(np.round(levels).astype("<i2").tobytes())
    return int.from_bytes(digest.digest(), "big")


def loudness(levels: Array, rate: float) -> Array:
    """Return the loudness (frames,) around its mean, in units of :data:`LOUDNESS_RANGE`, a syllable long.

    Args:
        levels: (frames,) in decibels.
        rate: Frames per second.
    """
    loud = float(np.percentile(levels, 95))
    clipped = np.clip((levels - loud) / LOUDNESS_RANGE + 1, 0, 1.1)
    return smooth_columns((clipped - clipped.mean())[:, None], PROSODY_SMOOTHING * rate)[:, 0]


def lagged(values: Array, rate: float) -> Array:
    """Return values (frames,) at :data:`LAGS` from each frame, 0 beyond the ends: (frames, lags)."""
    seconds = np.arange(len(values)) / rate
    return np.stack([np.interp(seconds + lag, seconds, values, 0, 0) for lag in LAGS], 1).astype(np.float32)


def smooth_columns(rows: Array, deviation: float) -> Array:
    """Average rows (frames, columns) over a Gaussian window of ``deviation`` frames."""
    blurred = cv2.GaussianBlur(np.asarray(rows, np.float32), (1, 2 * round(3 * deviation) + 1), 1, sigmaY=deviation)
    return np.asarray(blurred, np.float32).reshape(rows.shape)


def make_idle_motion(levels: Array, rate: float, amount: float, seed: int) -> IdleMotion:
    """Return the motion of one person.

    Args:
        levels: (frames,) level of the speech in decibels, see :func:`heygem_cli.speech.silence.speech_levels`.
        rate: Frames per second.
        amount: 0 … 1; 0.5 is what people do who read aloud.
        seed: See :func:`content_seed`.
    """
    random = np.random.default_rng(seed)
    statistics = head_statistics()
    seconds = np.arange(len(levels)) / rate
    ramp = smoothstep(np.minimum(seconds, seconds[-1] - seconds) / RAMP)
    drift = np.column_stack([_drift(random, len(levels), pace * rate) for pace in statistics.pace.tolist()])
    angles = lagged(loudness(levels, rate), rate) @ statistics.prosody + drift * statistics.deviation
    starts = _blink_starts(random, float(seconds[-1]), BLINKS_PER_MINUTE * min(1.0, 2 * amount))
    return IdleMotion(
        angles=np.asarray(2 * amount * ramp[:, None] * angles, np.float32),
        breath=np.asarray(min(1.0, 2 * amount) * ramp * _breath(random, seconds), np.float32),
        closure=_closure(seconds, starts, statistics.blink),
        blinks=len(starts),
    )


def _drift(random: np.random.Generator, count: int, deviation: float) -> Array:
    """Return smooth random motion (count,) with a standard deviation of 1."""
    margin = round(3 * deviation) + 1
    noise = random.standard_normal((count + 2 * margin, 1)).astype(np.float32)
    # The variance of white noise after a Gaussian window is 1 / (2 √π σ).
    return smooth_columns(noise, deviation)[margin : margin + count, 0] * np.float32(
        (2 * np.sqrt(np.pi) * deviation) ** 0.5
    )


def _blink_starts(random: np.random.Generator, length: float, per_minute: float) -> list[float]:
    """Return the times in seconds at which blinks begin."""
    if per_minute <= 0:
        return []
    mean = 60 / per_minute
    starts, time = [], BLINK_MARGIN + random.random() * mean / 2
    while time < length - BLINK_MARGIN - HOLD:
        starts.append(time)
        time += MIN_PAUSE + random.gamma(PAUSE_SHAPE, (mean - MIN_PAUSE) / PAUSE_SHAPE)
    return starts


def _closure(seconds: Array, starts: list[float], course: Array) -> Array:
    """Return how far the eyes are closed (frames,)."""
    closed = int(course.argmax())
    times = np.arange(len(course)) / BLINK_RATE
    times[closed + 1 :] += HOLD
    times = np.insert(times, closed + 1, times[closed] + HOLD)
    values = np.insert(course, closed + 1, course[closed])
    closure = np.zeros(len(seconds), np.float32)
    for start in starts:
        first, last = np.searchsorted(seconds, (start, start + times[-1]))
        part = np.interp(seconds[first:last] - start, times, values)
        closure[first:last] = np.maximum(closure[first:last], part)
    return closure


def _breath(random: np.random.Generator, seconds: Array) -> Array:
    """Return how far breath raises the shoulders (frames,)."""
    count = int(seconds[-1] / BREATH_SECONDS[0]) + 2
    starts = np.concatenate([[0.0], np.cumsum(random.uniform(*BREATH_SECONDS, count))])
    number = np.searchsorted(starts, seconds, side="right") - 1
    phase = (seconds - starts[number]) / (starts[number + 1] - starts[number])
    rise, fall = phase / INHALING, (1 - phase) / (1 - INHALING)
    return np.asarray((1 - np.cos(np.pi * np.clip(np.minimum(rise, fall), 0, 1))) / 2, np.float32)
