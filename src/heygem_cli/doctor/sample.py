"""One second of audio and a face image, for a render from end to end."""

from __future__ import annotations

import importlib.util
import math
import struct
import wave
from pathlib import Path

from heygem_cli.errors import NotCapableError

SAMPLE_RATE = 16000


def make_sample(folder: Path) -> tuple[Path, Path]:
    """Create the inputs of a short job.

    The audio is a vowel-like tone, amplitude-modulated at 4 Hz. The face is a portrait in the public domain from the
    sample data of matplotlib, which MediaPipe depends on.

    Returns:
        The audio file and the face image.

    Raises:
        NotCapableError: matplotlib or its sample data are not installed.
    """
    audio = folder / "voice.wav"
    with wave.open(str(audio), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        samples = (round(9000 * _amplitude(number / SAMPLE_RATE)) for number in range(SAMPLE_RATE))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    package = importlib.util.find_spec("matplotlib")
    if package is None or package.origin is None:
        raise NotCapableError("no-sample", "matplotlib, which contains the sample portrait, is not installed")
    face = Path(package.origin).parent / "mpl-data/sample_data/grace_hopper.jpg"
    if not face.is_file():
        raise NotCapableError("no-sample", "matplotlib's sample portrait is missing", path=face)
    return audio, face


def _amplitude(second: float) -> float:
    envelope = 0.5 - 0.5 * math.cos(2 * math.pi * 4 * second)
    partials = ((120, 0.5), (240, 0.3), (720, 0.6), (1200, 0.3), (2400, 0.1))
    return envelope * sum(level * math.sin(2 * math.pi * pitch * second) for pitch, level in partials) / 1.8
