"""Augmented training examples for the mouth motion: joined utterances, pauses, noise, rooms, microphones and voices.

A few speakers in one studio would teach the network that studio and those voices. Everything that must not affect the
mouth is varied: pitch and pace, level, timbre, reverberation, noise, and the position in a window. Noise without speech
has a closed mouth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Samples
from heygem_cli.speech.windows import SAMPLE_RATE, SAMPLES_PER_FRAME, WINDOW

Random = np.random.Generator
Signal = npt.NDArray[np.floating[Any]]

SILENCE_WEIGHT = 0.5
"""Weight of a frame without speech."""


@dataclass(frozen=True)
class Utterance:
    """Speech and its mouth motion.

    Attributes:
        samples: Mono at 16 kHz.
        offsets: (frames, 82) at 25 Hz.
        closures: (frames,) 1 where the lips are closed for p, b or m, otherwise 0; NaN where it is not known.
        weight: Weight of each frame in training.
    """

    samples: Samples
    offsets: Array
    closures: Array
    weight: float


@dataclass(frozen=True)
class Example:
    """An encoded training example.

    Attributes:
        features: (2 * frames, 384) at 50 Hz, float16 to save memory.
        offsets: (frames, 82) at 25 Hz.
        closures: (frames,) see :class:`Utterance`.
        weight: Weight of the whole example.
    """

    features: npt.NDArray[np.float16]
    offsets: Array
    closures: Array
    weight: float


def make_examples(
    utterances: Sequence[Utterance], encode: Callable[[Samples], Array], passes: int, random: Random
) -> Iterator[Example]:
    """Join all utterances into windows and encode them, in each pass with another order and other variations."""
    closed = np.zeros((1, utterances[0].offsets.shape[1]), np.float32)
    for _ in range(passes):
        remaining = [utterances[index] for index in random.permutation(len(utterances))]
        while remaining:
            yield _encode(_fill_window(remaining, closed, random), encode, random)
        for _ in range(max(1, len(utterances) // 15)):
            frames = int(random.integers(50, WINDOW // SAMPLES_PER_FRAME + 1))
            samples = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
            yield _encode([_silence(samples, closed)], encode, random)


def _fill_window(remaining: list[Utterance], closed: Array, random: Random) -> list[Utterance]:
    """Take varied utterances from the list, with pauses between some of them, until a window is full."""
    space = int(random.integers(4 * SAMPLE_RATE, WINDOW + 1))
    parts: list[Utterance] = []
    while remaining:
        part = vary(remaining[-1], random)
        pause = int(random.integers(5, 40)) if random.random() < 0.35 else 0
        needed = len(part.samples) + pause * SAMPLES_PER_FRAME
        if parts and needed > space:
            break
        remaining.pop()
        space -= needed
        if pause:
            hiss = noise(pause * SAMPLES_PER_FRAME, random) * decibels(-random.uniform(40, 90))
            parts.append(_silence(hiss.astype(np.float32), closed))
        parts.append(part)
    return parts


def _silence(samples: Samples, closed: Array) -> Utterance:
    frames = len(samples) // SAMPLES_PER_FRAME
    return Utterance(samples, closed.repeat(frames, 0), np.zeros(frames, np.float32), SILENCE_WEIGHT)


def _encode(parts: Sequence[Utterance], encode: Callable[[Samples], Array], random: Random) -> Example:
    samples = record(np.concatenate([part.samples for part in parts]), random)[:WINDOW]
    frames = len(samples) // SAMPLES_PER_FRAME
    offsets = np.concatenate([part.offsets for part in parts])[:frames]
    closures = np.concatenate([part.closures for part in parts])[:frames]
    weight = sum(part.weight * len(part.offsets) for part in parts)
    features = encode(samples)[: 2 * frames]
    return Example(features.astype(np.float16), offsets, closures, weight)


def vary(utterance: Utterance, random: Random) -> Utterance:
    """Vary pitch and pace together (half of the time), level, timbre and room."""
    rate = random.uniform(0.82, 1.22) if random.random() < 0.5 else 1.0
    frames = int(len(utterance.samples) / rate) // SAMPLES_PER_FRAME
    positions = np.arange(frames * SAMPLES_PER_FRAME) * rate
    samples = np.interp(positions, np.arange(len(utterance.samples)), utterance.samples)
    colored = timbre(samples, random) if random.random() < 0.5 else samples
    reverberant = reverberate(colored, random) if random.random() < 0.3 else colored
    rows = np.clip((np.arange(frames) + 0.5) * rate - 0.5, 0, len(utterance.offsets) - 1)
    known_rows = np.arange(len(utterance.offsets))
    offsets = np.stack([np.interp(rows, known_rows, column) for column in utterance.offsets.T], axis=1)
    closures = np.interp(rows, known_rows, utterance.closures)
    gain = decibels(random.uniform(-6, 6))
    return Utterance(
        (reverberant * gain).astype(np.float32),
        offsets.astype(np.float32),
        closures.astype(np.float32),
        utterance.weight,
    )


def record(samples: Samples, random: Random) -> Samples:
    """Set a random level and add noise: half of the time to speech, always to silence."""
    peak = float(np.abs(samples).max())
    if peak == 0:
        background = noise(len(samples), random) * decibels(-random.uniform(10, 100))
        if random.random() < 0.5:
            background[int(random.integers(len(background) // 8, len(background))) :] = 0  # as at the end of a file
        return np.asarray(background, np.float32)
    scaled = samples * (decibels(random.uniform(-20, 6)) / peak)
    if random.random() < 0.5:
        scaled = scaled + noise(len(scaled), random) * scaled.std() * decibels(-random.uniform(8, 35))
    return np.asarray(np.clip(scaled, -1, 1), np.float32)


def timbre(samples: Signal, random: Random) -> Signal:
    """Tilt the spectrum by up to 12 dB and boost or cut a part of it by up to 8 dB."""
    spectrum = np.fft.rfft(samples)
    frequency = np.linspace(0, 1, len(spectrum))
    bump = random.uniform(-8, 8) * np.exp(-(((frequency - random.uniform(0, 0.6)) / 0.15) ** 2))
    gain = decibels(random.uniform(-12, 12) * frequency + bump)
    return np.asarray(np.fft.irfft(spectrum * gain, len(samples)))


def reverberate(samples: Signal, random: Random) -> Signal:
    """Add reverberation that decays within 0.05 to 0.4 s."""
    length = int(random.uniform(0.05, 0.4) * SAMPLE_RATE)
    response = random.standard_normal(length) * np.exp(-6 * np.arange(length) / length) * random.uniform(0.02, 0.1)
    response[0] = 1
    size = len(samples) + length
    convolved = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    return np.asarray(convolved[: len(samples)])


def noise(length: int, random: Random) -> Signal:
    """Return white, pink or brown noise with a standard deviation of 1, brown noise with mains hum."""
    color = int(random.integers(3))
    spectrum = np.fft.rfft(random.standard_normal(length))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** (color / 2)
    signal = np.fft.irfft(spectrum, length)
    signal /= signal.std() + 1e-12
    if color == 2:
        mains = random.choice([50, 60, 100, 120])
        signal += random.uniform(0, 3) * np.sin(2 * np.pi * mains * np.arange(length) / SAMPLE_RATE)
    return np.asarray(signal / signal.std())


def decibels(level: float | Signal) -> Signal:
    """Convert a level in decibels to an amplitude."""
    return np.asarray(10 ** (np.asarray(level) / 20))
