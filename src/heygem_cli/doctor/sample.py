"""A second of sound and a face, for a render from end to end."""

from __future__ import annotations

import importlib.util
import math
import struct
import wave
from pathlib import Path

from heygem_cli.errors import NotCapableError

RATE = 16000


def make_sample(folder: Path) -> tuple[Path, Path]:
    """Make the two files of a short job.

    The sound is a vowel-like tone that swells four times a second; the face is a portrait in the public domain that
    matplotlib, which MediaPipe needs, carries.

    Returns:
        The sound and the picture.

    Raises:
        NotCapableError: matplotlib is not there.
    """
    audio = folder / "voice.wav"
    with wave.open(str(audio), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", round(9000 * _voice(n / RATE))) for n in range(RATE)))
    package = importlib.util.find_spec("matplotlib")
    if package is None or package.origin is None:
        raise NotCapableError("no-sample", "matplotlib, whose portrait is used, is not installed")
    return audio, Path(package.origin).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"


def _voice(second: float) -> float:
    swell = 0.5 - 0.5 * math.cos(2 * math.pi * 4 * second)
    partials = ((120, 0.5), (240, 0.3), (720, 0.6), (1200, 0.3), (2400, 0.1))
    return swell * sum(size * math.sin(2 * math.pi * pitch * second) for pitch, size in partials) / 1.8
