"""Compute Whisper's log-mel spectrogram with NumPy."""

from __future__ import annotations

from functools import cache

import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Samples

SAMPLE_RATE = 16_000
HOP = 160
FFT = 400
MELS = 80


def log_mel(samples: Samples) -> Array:
    """Compute the log-mel spectrogram (80, samples // 160) that Whisper was trained with.

    A. Radford et al., "Robust speech recognition via large-scale weak supervision", 2022.

    Args:
        samples: At least 201 samples at 16 kHz.
    """
    padded = np.pad(samples, FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP][: len(samples) // HOP]
    window = np.hanning(FFT + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window, axis=-1)) ** 2
    log = np.log10(np.maximum(mel_filters() @ power.T, 1e-10))
    return np.asarray((np.maximum(log, log.max() - 8) + 4) / 4, np.float32)


@cache
def mel_filters() -> Array:
    """Return triangular filters (80, 201) of unit area on Slaney's mel scale (M. Slaney, "Auditory toolbox", 1998)."""
    edges = _mel_to_hertz(np.linspace(0, _hertz_to_mel(SAMPLE_RATE / 2), MELS + 2))
    widths = np.diff(edges)
    ramps = edges[:, None] - np.fft.rfftfreq(FFT, 1 / SAMPLE_RATE)
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles * (2 / (edges[2:] - edges[:-2]))[:, None], np.float32)


# Slaney's scale is linear below 1 kHz (15 mels) and logarithmic above.
_LINEAR = 200 / 3
_LOG_STEP = np.log(6.4) / 27


def _hertz_to_mel(hertz: float) -> float:
    return hertz / _LINEAR if hertz < 1000 else 15 + float(np.log(hertz / 1000)) / _LOG_STEP


def _mel_to_hertz(mels: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.where(mels < 15, mels * _LINEAR, 1000 * np.exp(_LOG_STEP * (mels - 15)))
