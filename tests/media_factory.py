"""Short synthetic media, made with the ffmpeg that heygem uses."""

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from heygem_cli.media.ffmpeg import find_ffmpeg

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "18")


def noise(seconds: float, rate: int = 44100) -> str:
    """Name a source of sound that is nowhere like itself, so that a shift of one sample shows."""
    return f"anoisesrc=seed=7:amplitude=0.5:sample_rate={rate}:duration={seconds},lowpass=3000"


def ffmpeg(*args: object) -> None:
    """Run ffmpeg; every mistake is an exception with its messages."""
    subprocess.run(
        [find_ffmpeg(), "-nostdin", "-v", "error", "-y", *map(str, args)],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def make_video(
    path: Path,
    *,
    size: tuple[int, int] = (160, 120),
    rate: str = "25",
    seconds: float = 1.0,
    filters: str = "null",
    codec: tuple[str, ...] = X264,
    sound: bool = False,
    extra: tuple[str, ...] = (),
) -> Path:
    """Make a video in which no two frames are the same; ``filters`` may drop frames or set their timestamps."""
    width, height = size
    audio = ("-f", "lavfi", "-i", noise(seconds)) if sound else ()
    ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate={rate}:duration={seconds}", *audio,
        "-filter:v", f"{filters},scale={width}:{height}",  # the test card itself is never odd
        "-fps_mode", "passthrough", *codec, *extra, f"file:{path}",
    )  # fmt: skip
    return path


def make_audio(
    path: Path, *, seconds: float = 1.0, rate: int = 44100, channels: int = 1, extra: tuple[str, ...] = ()
) -> Path:
    """Make a file of noise."""
    ffmpeg("-f", "lavfi", "-i", noise(seconds, rate), "-ac", channels, *extra, f"file:{path}")
    return path


def make_picture(
    path: Path, *, size: tuple[int, int] = (160, 120), color: str | None = None, extra: tuple[str, ...] = ()
) -> Path:
    """Make a picture of the test card, or of one colour such as ``red`` or ``red@0.0``."""
    source = f"color={color},format=rgba" if color else "testsrc2"
    scaled = f"{source},scale={size[0]}:{size[1]}"
    ffmpeg("-f", "lavfi", "-i", scaled, "-frames:v", 1, "-update", 1, *extra, f"file:{path}")
    return path


def lag(samples: np.ndarray, original: np.ndarray) -> int:
    """Give by how many samples a recording comes later than the original, by their cross-correlation."""
    size = len(samples) + len(original)
    spectrum = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(original, size))
    peak = int(np.argmax(np.fft.irfft(spectrum, size)))
    return peak if peak < len(samples) else peak - size


def digest(data: object) -> str:
    """Give a short fingerprint of an array or of bytes, for comparisons that print well."""
    return hashlib.sha256(memoryview(data).cast("B")).hexdigest()[:16]  # type: ignore[arg-type]


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Be nobody for a while: permissions mean nothing to root. Paths must be relative to the current folder."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
