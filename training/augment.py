"""Stretches of speech as the program will hear them: clips joined, pauses, noise, rooms, microphones, other voices.

A few speakers in one studio teach a network that studio and those voices. What varies here is all that must not matter:
pitch and pace, level, timbre, echo, noise, and where in a window something is said. Noise without any speech has a
closed mouth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Samples
from heygem_cli.speech.encoder import SAMPLES_PER_FEATURE, SAMPLES_PER_FRAME, WINDOW
from heygem_cli.speech.mel import SAMPLE_RATE

Random = np.random.Generator
Signal = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Utterance:
    """Speech and its mouth motion.

    Attributes:
        samples: mono at 16 kHz.
        offsets: (frames, 82) at 25 Hz.
        weight: how much a frame of it counts in training.
    """

    samples: Samples
    offsets: Array
    weight: float


@dataclass(frozen=True)
class Example:
    """What the network is trained on.

    Attributes:
        features: (2 * frames, 384) at 50 Hz, float16 to save memory.
        offsets: (frames, 82) at 25 Hz.
        weight: how much the whole of it counts.
    """

    features: npt.NDArray[np.float16]
    offsets: Array
    weight: float


def make_examples(
    utterances: Sequence[Utterance], encode: Callable[[Samples], Array], passes: int, random: Random
) -> Iterator[Example]:
    """Join all utterances, in another order and varied otherwise in each pass, into windows and encode them."""
    silence = np.zeros((1, utterances[0].offsets.shape[1]), np.float32)
    for _ in range(passes):
        waiting = [utterances[index] for index in random.permutation(len(utterances))]
        while waiting:
            yield _encoded(_window(waiting, silence, random), encode, random)
        for _ in range(max(1, len(utterances) // 15)):
            frames = int(random.integers(50, WINDOW // SAMPLES_PER_FRAME + 1))
            quiet = Utterance(np.zeros(frames * SAMPLES_PER_FRAME, np.float32), silence.repeat(frames, 0), NOTHING_SAID)
            yield _encoded([quiet], encode, random)


NOTHING_SAID = 0.5
"""Weight of a frame in which nobody speaks."""


def _window(waiting: list[Utterance], silence: Array, random: Random) -> list[Utterance]:
    """Take utterances from the list, varied, with pauses between some of them, until a window is full."""
    room = int(random.integers(4 * SAMPLE_RATE, WINDOW + 1))
    parts: list[Utterance] = []
    while waiting:
        part = vary(waiting[-1], random)
        pause = int(random.integers(5, 40)) if random.random() < 0.35 else 0
        needed = len(part.samples) + pause * SAMPLES_PER_FRAME
        if parts and needed > room:
            break
        waiting.pop()
        room -= needed
        if pause:
            hiss = noise(pause * SAMPLES_PER_FRAME, random) * decibels(-random.uniform(40, 90))
            parts.append(Utterance(hiss.astype(np.float32), silence.repeat(pause, 0), NOTHING_SAID))
        parts.append(part)
    return parts


def _encoded(parts: Sequence[Utterance], encode: Callable[[Samples], Array], random: Random) -> Example:
    samples = recorded(np.concatenate([part.samples for part in parts]), random)[:WINDOW]
    frames = len(samples) // SAMPLES_PER_FRAME
    offsets = np.concatenate([part.offsets for part in parts])[:frames]
    weight = sum(part.weight * len(part.offsets) for part in parts)
    features = encode(samples)[: frames * SAMPLES_PER_FRAME // SAMPLES_PER_FEATURE]
    return Example(features.astype(np.float16), offsets, weight)


def vary(utterance: Utterance, random: Random) -> Utterance:
    """Change pitch and pace together (half of the time), level, timbre and room."""
    rate = random.uniform(0.82, 1.22) if random.random() < 0.5 else 1.0
    frames = int(len(utterance.samples) / rate) // SAMPLES_PER_FRAME
    places = np.arange(frames * SAMPLES_PER_FRAME) * rate
    samples = np.interp(places, np.arange(len(utterance.samples)), utterance.samples)
    shaped = timbre(samples, random) if random.random() < 0.5 else samples
    heard = room(shaped, random) if random.random() < 0.3 else shaped
    seen = np.clip((np.arange(frames) + 0.5) * rate - 0.5, 0, len(utterance.offsets) - 1)
    rows = np.arange(len(utterance.offsets))
    offsets = np.stack([np.interp(seen, rows, column) for column in utterance.offsets.T], axis=1)
    level = decibels(random.uniform(-6, 6))
    return Utterance((heard * level).astype(np.float32), offsets.astype(np.float32), utterance.weight)


def recorded(samples: Samples, random: Random) -> Samples:
    """Bring a window to some level, with noise half of the time; always with noise where there is nothing else."""
    peak = float(np.abs(samples).max())
    if peak == 0:
        alone = noise(len(samples), random) * decibels(-random.uniform(10, 100))
        if random.random() < 0.5:
            alone[int(random.integers(len(alone) // 8, len(alone))) :] = 0  # it stops, as at the end of an audio
        return np.asarray(alone, np.float32)
    level = samples * (decibels(random.uniform(-20, 6)) / peak)
    if random.random() < 0.5:
        level = level + noise(len(level), random) * level.std() * decibels(-random.uniform(8, 35))
    return np.asarray(np.clip(level, -1, 1), np.float32)


def timbre(samples: Signal, random: Random) -> Signal:
    """Tilt the spectrum by up to 12 dB and raise or lower a part of it by up to 8 dB."""
    spectrum = np.fft.rfft(samples)
    place = np.linspace(0, 1, len(spectrum))
    bump = random.uniform(-8, 8) * np.exp(-(((place - random.uniform(0, 0.6)) / 0.15) ** 2))
    gain = decibels(random.uniform(-12, 12) * place + bump)
    return np.asarray(np.fft.irfft(spectrum * gain, len(samples)))


def room(samples: Signal, random: Random) -> Signal:
    """Add an echo that dies away within 0.05 to 0.4 s."""
    length = int(random.uniform(0.05, 0.4) * SAMPLE_RATE)
    echo = random.standard_normal(length) * np.exp(-6 * np.arange(length) / length) * random.uniform(0.02, 0.1)
    echo[0] = 1
    size = len(samples) + length
    heard = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echo, size), size)
    return np.asarray(heard[: len(samples)])


def noise(length: int, random: Random) -> Signal:
    """White, pink or brown noise with a deviation of 1, the last with mains hum."""
    colour = int(random.integers(3))
    spectrum = np.fft.rfft(random.standard_normal(length))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** (colour / 2)
    made = np.fft.irfft(spectrum, length)
    made /= made.std() + 1e-12
    if colour == 2:
        mains = random.choice([50, 60, 100, 120])
        made += random.uniform(0, 3) * np.sin(2 * np.pi * mains * np.arange(length) / SAMPLE_RATE)
    return np.asarray(made / made.std())


def decibels(level: float | Signal) -> Signal:
    """An amplitude from decibels."""
    return np.asarray(10 ** (np.asarray(level) / 20))
