"""Synthesise speech-like audio from harmonics and formants."""

from __future__ import annotations

import numpy as np

from heygem_cli.media.types import Samples

RATE = 16_000


def vowel(seconds: float, pitch: float = 120, formants: tuple[float, ...] = (730, 1090, 2440)) -> Samples:
    """Return a steady vowel: the harmonics of ``pitch``, shaped by formants (by default those of an open ah)."""
    time = np.arange(round(seconds * RATE)) / RATE
    harmonics = np.arange(pitch, 5000, pitch)
    gains = sum(1 / (1 + ((harmonics - formant) / 90) ** 2) for formant in formants) / np.sqrt(harmonics / pitch)
    samples = (gains[:, None] * np.sin(2 * np.pi * harmonics[:, None] * time)).sum(0)
    fade = np.minimum(1, np.minimum(time, time[::-1]) / 0.02)
    return np.asarray(0.3 * fade * samples / np.abs(samples).max(), np.float32)


def babble(seconds: float, seed: int = 0) -> Samples:
    """Return syllables of random vowels, pitches and lengths, separated by short pauses."""
    random = np.random.default_rng(seed)
    vowels = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))
    parts: list[Samples] = []
    while sum(map(len, parts)) < seconds * RATE:
        formants = vowels[random.integers(len(vowels))]
        parts.append(vowel(random.uniform(0.1, 0.3), random.uniform(90, 220), formants))
        parts.append(np.zeros(int(random.uniform(0.03, 0.1) * RATE), np.float32))
    return np.concatenate(parts)[: round(seconds * RATE)]
