"""One second of audio and a face image, for a render from end to end."""

from __future__ import annotations

import math
import struct
import wave
from pathlib import Path

SAMPLE_RATE = 16000
PORTRAIT = Path(__file__).with_name("portrait.jpg")
"""Commodore Grace M. Hopper, U.S. Navy, 1984: a work of the U.S. federal government, in the public domain there."""


def make_sample(folder: Path) -> tuple[Path, Path]:
    """Create the inputs of a short job.

    The audio is a vowel-like tone, amplitude-modulated at 4 Hz.

    Returns:
        The audio file and the face image.
    """
    audio = folder / "voice.wav"
    with wave.open(str(audio), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        samples = (round(9000 * _amplitude(number / SAMPLE_RATE)) for number in range(SAMPLE_RATE))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return audio, PORTRAIT


def _amplitude(second: float) -> float:
    envelope = 0.5 - 0.5 * math.cos(2 * math.pi * 4 * second)
    partials = ((120, 0.5), (240, 0.3), (720, 0.6), (1200, 0.3), (2400, 0.1))
    return envelope * sum(level * math.sin(2 * math.pi * pitch * second) for pitch, level in partials) / 1.8
