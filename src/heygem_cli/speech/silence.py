"""Silence closes the mouth: a gate with hysteresis on the level of the speech band."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Samples
from heygem_cli.speech.encoder import BLOCK
from heygem_cli.speech.mel import SAMPLE_RATE

BAND = (150, 7000)
"""Hertz. Mains hum lies below, and speech is heard without what lies above."""
FLOOR = -65.0
"""Decibels of full scale. Nothing below this is speech in any recording."""
BELOW_SPEECH = 44.0
"""Decibels. What lies this far below the speech of the same audio is a pause in it."""
WEAKEST_SPEECH = 36.0
"""Decibels. In a room that is not quiet enough for that, a pause lies this far below speech: speech itself spans 30
(ANSI S3.5-1997, speech intelligibility index)."""
ROOM = 6.0
"""Decibels that the noise of such a room varies above the quietest frames (the 5th percentile)."""
HYSTERESIS = 6.0
"""Decibels. Speech begins only this far above the level at which it ends."""
STEADY = 3.0
"""Decibels. A sound whose level stays within this from beginning to end is a fan or a hum: speech rises and falls."""
SHORTEST = 8
"""Motion frames (0.32 s). Shorter pauses are left to the network: closures of plosives are pauses too."""
SHORTEST_START = 12
"""Motion frames (0.48 s). At the beginning of an audio a pause must be as long as this: what ended before nobody knows,
and who is about to speak has the lips parted."""
BEFORE, AFTER = 4, 4
"""Motion frames. The mouth opens this long before speech is heard, and takes this long to close after it."""
FADE = 3
"""Motion frames in which the mouth closes and opens."""


def levels(samples: Samples) -> Array:
    """The level of the speech band in each frame of mouth motion (1/25 s), in decibels of full scale."""
    frames = -(-len(samples) // BLOCK)
    padded = np.zeros(frames * BLOCK, np.float32)
    padded[: len(samples)] = samples
    window = np.hanning(BLOCK).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(padded.reshape(frames, BLOCK) * window, axis=1)) ** 2
    low, high = (hertz * BLOCK // SAMPLE_RATE for hertz in BAND)
    power = 2 * spectrum[:, low:high].sum(1) / (BLOCK * float((window**2).sum()))
    return np.asarray(10 * np.log10(power + 1e-12), np.float32)


def openness(level: Array) -> Array:
    """How far the mouth may follow the network in each frame: 0 in silence, 1 in speech, smooth in between.

    Args:
        level: (frames,) of :func:`levels`.
    """
    soft, loud = np.percentile(level, (5, 95)).tolist()
    if loud - soft < STEADY:
        return np.zeros(len(level), np.float32)
    threshold = max(FLOOR, loud - BELOW_SPEECH, min(soft + ROOM, loud - WEAKEST_SPEECH))
    allowed = np.ones(len(level), np.float32)
    for start, stop in _pauses(level, threshold):
        closed_from = start + AFTER if start else 0
        closed_to = stop - BEFORE if stop < len(level) else stop
        allowed[closed_from : max(closed_from, closed_to)] = 0
    kernel = np.hanning(2 * FADE + 1)[1:-1]
    return np.asarray(
        np.convolve(np.pad(allowed, FADE - 1, mode="edge"), kernel / kernel.sum(), mode="valid"), np.float32
    )


def _pauses(level: Array, threshold: float) -> list[tuple[int, int]]:
    """Runs of silence that are long enough, as (first frame, frame after the last)."""
    silent = _silent(level, threshold)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]]).astype(np.int8)))
    runs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [
        (start, stop)
        for start, stop in runs
        if stop - start >= (SHORTEST if start else SHORTEST_START) or stop - start == len(level)
    ]


def _silent(level: Array, threshold: float) -> npt.NDArray[np.bool_]:
    silent = np.zeros(len(level), bool)
    now = True
    for frame, value in enumerate(level.tolist()):
        now = value < (threshold + HYSTERESIS if now else threshold)
        silent[frame] = now
    return silent
