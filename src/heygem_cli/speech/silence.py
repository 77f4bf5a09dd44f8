"""Close the mouth in silence: a gate with hysteresis on the level of the speech band."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Samples
from heygem_cli.speech.windows import SAMPLE_RATE, SAMPLES_PER_FRAME

BAND = (150, 7000)
"""Hertz: above mains hum; speech is intelligible without higher frequencies."""
FLOOR = -65.0
"""Decibels of full scale, below which there is no speech in any recording."""
QUIET_DROP = 44.0
"""Decibels by which a pause is below the speech of the same audio in a quiet room."""
NOISY_DROP = 36.0
"""Decibels by which it is at least below speech in a noisy room: speech itself spans 30 (ANSI S3.5-1997, speech
intelligibility index)."""
NOISE_RANGE = 6.0
"""Decibels by which room noise varies above the quietest frames (the 5th percentile)."""
HYSTERESIS = 6.0
"""Decibels between the level at which speech ends and the higher one at which it begins."""
STEADY_RANGE = 3.0
"""Decibels within which the level of a fan or a hum stays; that of speech varies more."""
MIN_PAUSE = 8
"""Motion frames (0.32 s). Shorter pauses are left to the network: the closures of plosives are pauses too."""
MIN_LEADING_PAUSE = 12
"""Motion frames (0.48 s). At the beginning of the audio a pause must be longer, since its real length is unknown and
the lips part before speech."""
LEAD, LAG = 4, 4
"""Motion frames by which the mouth opens before speech begins, and closes after it has ended."""
FADE = 3
"""Motion frames that opening and closing take."""


def speech_levels(samples: Samples) -> Array:
    """Return the level of the speech band in each motion frame (1/25 s), in decibels of full scale."""
    frames = -(-len(samples) // SAMPLES_PER_FRAME)
    padded = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
    padded[: len(samples)] = samples
    window = np.hanning(SAMPLES_PER_FRAME).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(padded.reshape(frames, SAMPLES_PER_FRAME) * window, axis=1)) ** 2
    low, high = (hertz * SAMPLES_PER_FRAME // SAMPLE_RATE for hertz in BAND)
    power = 2 * spectrum[:, low:high].sum(1) / (SAMPLES_PER_FRAME * float((window**2).sum()))
    return np.asarray(10 * np.log10(power + 1e-12), np.float32)


def speech_gate(levels: Array) -> Array:
    """Return the gain of the mouth motion in each frame: 0 in silence, 1 in speech, with smooth transitions.

    Args:
        levels: (frames,) see :func:`speech_levels`.
    """
    soft, loud = np.percentile(levels, (5, 95)).tolist()
    if loud - soft < STEADY_RANGE:
        return np.zeros(len(levels), np.float32)
    threshold = max(FLOOR, loud - QUIET_DROP, min(soft + NOISE_RANGE, loud - NOISY_DROP))
    gate = np.ones(len(levels), np.float32)
    for start, stop in _pauses(levels, threshold):
        closed_from = start + LAG if start else 0
        closed_to = stop - LEAD if stop < len(levels) else stop
        gate[closed_from : max(closed_from, closed_to)] = 0
    kernel = np.hanning(2 * FADE + 1)[1:-1]
    padded = np.pad(gate, FADE - 1, mode="edge")
    return np.asarray(np.convolve(padded, kernel / kernel.sum(), mode="valid"), np.float32)


def _pauses(levels: Array, threshold: float) -> list[tuple[int, int]]:
    """Return the runs of silence that are long enough, as (first frame, frame after the last)."""
    silent = _is_silent(levels, threshold)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]]).astype(np.int8)))
    runs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [
        (start, stop)
        for start, stop in runs
        if stop - start >= (MIN_PAUSE if start else MIN_LEADING_PAUSE) or stop - start == len(levels)
    ]


def _is_silent(levels: Array, threshold: float) -> npt.NDArray[np.bool_]:
    result = np.zeros(len(levels), bool)
    silent = True
    for frame, level in enumerate(levels.tolist()):
        silent = level < (threshold + HYSTERESIS if silent else threshold)
        result[frame] = silent
    return result
