"""Split audio into overlapping windows, and join what was computed in each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Samples

SAMPLE_RATE = 16_000
SAMPLES_PER_FRAME = 640
"""Samples in a motion frame (1/25 s)."""
WINDOW = 12 * SAMPLE_RATE
"""Samples. Less than Whisper's 30 s: the cost of attention is quadratic, and the mouth needs no more context."""
OVERLAP = 3 * SAMPLE_RATE
"""Samples that windows share, so that every frame has a second or more of context on both sides."""


def split_windows(
    chunks: Iterable[Samples], size: int = WINDOW, overlap: int = OVERLAP
) -> Iterator[tuple[int, Samples]]:
    """Yield overlapping windows: the index of the first sample, and ``size`` samples, or fewer in the last window."""
    buffered: list[Samples] = []
    count = start = 0
    for chunk in chunks:
        buffered.append(chunk)
        count += len(chunk)
        while count > size:
            samples = np.concatenate(buffered)
            yield start, samples[:size]
            buffered = [samples[size - overlap :]]
            count -= size - overlap
            start += size - overlap
    if count:
        yield start, np.concatenate(buffered)


def join_windows(windows: Iterable[tuple[int, Array]], overlap: int) -> Array:
    """Join overlapping windows, with a linear crossfade over the middle third of each overlap.

    Args:
        windows: The index of the first row, and the rows (rows, columns), of each window in order.
        overlap: Rows that a window shares with the one before.
    """
    weight = np.clip(np.linspace(-1, 2, overlap), 0, 1)[:, None].astype(np.float32)
    pieces: list[Array] = []
    for start, rows in windows:
        if start:
            pieces[-1][-overlap:] += weight * (rows[:overlap] - pieces[-1][-overlap:])
        pieces.append(rows[overlap:] if start else rows)
    return np.concatenate(pieces) if pieces else np.zeros((0, 0), np.float32)
