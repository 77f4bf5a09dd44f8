"""Bridge short gaps in a track and remove jitter, without lag."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from heygem_cli.face.geometry import Array, interocular

MAX_GAP = 5
"""Frames. A gap that is not longer is a failure of the tracker; else the face has left."""
RADIUS = 3
"""Frames on each side that a landmark is averaged with."""
JITTER = 0.006
"""Inter-ocular distances. Differences of this size are noise of the tracker; larger ones are motion."""


def bridge_gaps(landmarks: Iterable[Array | None], max_gap: int = MAX_GAP) -> Iterator[Array | None]:
    """Fill gaps of up to ``max_gap`` frames by linear interpolation.

    A gap across which the face jumps by more than its own size (a cut) is not filled.
    """
    last: Array | None = None
    gap = 0
    for current in landmarks:
        if current is None:
            gap += 1
            if last is None or gap > max_gap:
                yield from [None] * gap
                gap, last = 0, None
            continue
        if gap:
            yield from _interpolate(last, current, gap)
        gap, last = 0, current
        yield current
    yield from [None] * gap


def _interpolate(before: Array | None, after: Array, gap: int) -> Iterator[Array | None]:
    if before is None or np.abs(after - before)[:, :2].max() > 2 * interocular(before):
        yield from [None] * gap
        return
    for step in range(1, gap + 1):
        share = np.float32(step / (gap + 1))
        yield (1 - share) * before + share * after


def smooth(landmarks: Iterable[Array | None], radius: int = RADIUS) -> Iterator[Array | None]:
    """Smooth landmarks (478, 3) over ±``radius`` frames without lag.

    A bilateral filter in time (C. Tomasi and R. Manduchi, "Bilateral filtering for gray and color images", ICCV 1998):
    each landmark is averaged with itself in the neighbouring frames, weighted by distance in time and in space, so that
    jitter is removed and motion is preserved.
    """
    window: deque[Array | None] = deque([None] * (2 * radius + 1), maxlen=2 * radius + 1)
    count = 0
    for current in landmarks:
        window.append(current)
        count += 1
        if count > radius:
            yield _smooth_middle(window, radius)
    for remaining in range(radius):
        window.append(None)
        if count + remaining >= radius:
            yield _smooth_middle(window, radius)


def _smooth_middle(window: deque[Array | None], radius: int) -> Array | None:
    middle = window[radius]
    if middle is None:
        return None
    total = np.zeros_like(middle)
    weights = np.zeros((len(middle), 1), np.float32)
    jitter = JITTER * float(interocular(middle))
    for direction in (-1, 1):
        for distance in range(0 if direction == 1 else 1, radius + 1):
            neighbour = window[radius + direction * distance]
            if neighbour is None:
                break
            squared = ((neighbour - middle)[:, :2] ** 2).sum(1, keepdims=True)
            weight = np.exp(-squared / (2 * jitter**2) - distance**2 / (radius**2 / 2))
            total += weight * neighbour
            weights += weight
    return np.asarray(total / weights, np.float32)
