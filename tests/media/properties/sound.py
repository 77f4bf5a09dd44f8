"""A click at a known moment, and where it is in other samples."""

from __future__ import annotations

import numpy as np

TONE = 1000.0
WIDTH = 0.0015
"""A click is a short burst of this tone in hertz, in a Gaussian window of this width in seconds: any codec keeps it."""


VOICE, SYLLABLES = 170.0, 4.0
"""A tone in hertz that becomes louder and softer as often a second, as a voice does: the mouth follows the channel."""


def noise(seconds: float, rate: int, seed: int) -> np.ndarray:
    """Return mono samples of faint noise."""
    return np.random.default_rng(seed).uniform(-0.004, 0.004, round(seconds * rate))


def click(seconds: float, rate: int, at: float) -> np.ndarray:
    """Return mono samples of a quiet voice with a click, whose centre lies at ``at`` seconds."""
    time = np.arange(round(seconds * rate)) / rate - at
    voice = 0.1 * np.sin(2 * np.pi * VOICE * time) * np.sin(np.pi * SYLLABLES * time) ** 2
    return 0.7 * np.cos(2 * np.pi * TONE * time) * np.exp(-((time / WIDTH) ** 2) / 2) + voice


def find_click(samples: np.ndarray, rate: int) -> float:
    """Return the time of the click in mono samples in seconds, by correlation with a click of any phase."""
    half = round(4 * WIDTH * rate)
    time = np.arange(-half, half + 1) / rate
    template = np.exp(-((time / WIDTH) ** 2) / 2 + 2j * np.pi * TONE * time)
    envelope = np.abs(np.convolve(samples, template, "same"))
    peak = int(envelope.argmax())
    start = max(0, peak - rate // 1000)
    around = envelope[start : peak + rate // 1000 + 1]
    return (start + float((around * np.arange(around.size)).sum() / around.sum())) / rate


def loudness(samples: np.ndarray) -> float:
    """Return the largest absolute sample, 0 of none."""
    return float(np.abs(samples).max(initial=0))
