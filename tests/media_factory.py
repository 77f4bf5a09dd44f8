"""Short synthetic media, made with the ffmpeg that heygem uses."""

import hashlib
import subprocess
from pathlib import Path

import numpy as np

from heygem_cli.media.ffmpeg import find_ffmpeg
from heygem_cli.options import EncodeOptions

FAST = EncodeOptions(encoder="libx264", crf=30, preset="ultrafast")
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "18")


def noise(seconds: float, rate: int = 44100) -> str:
    """Return a source filter of noise, in which a shift of one sample is detectable."""
    return f"anoisesrc=seed=7:amplitude=0.5:sample_rate={rate}:duration={seconds},lowpass=3000"


def ffmpeg(*args: object) -> None:
    """Run ffmpeg, and raise if it fails."""
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
    audio: bool = False,
    extra: tuple[str, ...] = (),
) -> Path:
    """Write a video in which no two frames are equal; ``filters`` may drop frames or set their timestamps."""
    width, height = size
    source = ("-f", "lavfi", "-i", noise(seconds)) if audio else ()
    ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate={rate}:duration={seconds}", *source,
        "-filter:v", f"{filters},scale={width}:{height}",  # testsrc2 itself has only even sizes
        "-fps_mode", "passthrough", *codec, *extra, f"file:{path}",
    )  # fmt: skip
    return path


def make_audio(
    path: Path, *, seconds: float = 1.0, rate: int = 44100, channels: int = 1, extra: tuple[str, ...] = ()
) -> Path:
    """Write an audio file of noise."""
    ffmpeg("-f", "lavfi", "-i", noise(seconds, rate), "-ac", channels, *extra, f"file:{path}")
    return path


def make_damaged_audio(path: Path, source: Path) -> Path:
    """Write an audio file as AAC, of which 300 bytes are others."""
    ffmpeg("-i", source, "-c:a", "aac", "-f", "adts", path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 300] = np.random.default_rng(1).bytes(300)
    path.write_bytes(data)
    return path


def make_image(
    path: Path, *, size: tuple[int, int] = (160, 120), color: str | None = None, extra: tuple[str, ...] = ()
) -> Path:
    """Write an image of the test card, or of one colour such as ``red`` or ``red@0.0``."""
    source = f"color={color},format=rgba" if color else "testsrc2"
    scaled = f"{source},scale={size[0]}:{size[1]}"
    ffmpeg("-f", "lavfi", "-i", scaled, "-frames:v", 1, "-update", 1, *extra, f"file:{path}")
    return path


def lag(samples: np.ndarray, original: np.ndarray) -> int:
    """Return the delay of a recording in samples, by cross-correlation with the original."""
    size = len(samples) + len(original)
    spectrum = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(original, size))
    peak = int(np.argmax(np.fft.irfft(spectrum, size)))
    return peak if peak < len(samples) else peak - size


def digest(data: object) -> str:
    """Return a short hash of an array or of bytes, for readable comparisons."""
    return hashlib.sha256(memoryview(data).cast("B")).hexdigest()[:16]  # type: ignore[arg-type]
