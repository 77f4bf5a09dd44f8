"""Landmarks in time: short gaps are bridged, trembling is taken out, and nothing lags behind the picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from heygem_cli.face.geometry import Array, interocular

LONGEST_GAP = 5
"""Frames. A blink of the tracker; a face that is gone for longer is gone."""
RADIUS = 3
"""Frames on each side that a landmark is averaged with."""
TREMBLE = 0.006
"""Inter-ocular distances. Differences of this order are the tracker's noise, larger ones are motion and stay."""


def bridge_gaps(landmarks: Iterable[Array | None], longest: int = LONGEST_GAP) -> Iterator[Array | None]:
    """Fill gaps of up to ``longest`` frames between two found faces by straight lines.

    A gap across which the face jumps by more than its own size (a cut) stays open.
    """
    last: Array | None = None
    gap = 0
    for current in landmarks:
        if current is None:
            gap += 1
            if last is None or gap > longest:
                yield from [None] * gap
                gap, last = 0, None
            continue
        if gap:
            yield from _between(last, current, gap)
        gap, last = 0, current
        yield current
    yield from [None] * gap


def _between(before: Array | None, after: Array, gap: int) -> Iterator[Array | None]:
    if before is None or np.abs(after - before)[:, :2].max() > 2 * interocular(before):
        yield from [None] * gap
        return
    for step in range(1, gap + 1):
        share = np.float32(step / (gap + 1))
        yield (1 - share) * before + share * after


def smooth(landmarks: Iterable[Array | None], radius: int = RADIUS) -> Iterator[Array | None]:
    """Smooth landmarks (478, 3) over ±``radius`` frames without lag.

    A bilateral filter in time (C. Tomasi and R. Manduchi, "Bilateral filtering for gray and color images", ICCV 1998):
    each landmark is averaged with its own neighbours in time, less the farther they are in frames and in place. What
    trembles within the tracker's noise becomes still, what moves stays where it is.
    """
    window: deque[Array | None] = deque([None] * (2 * radius + 1), maxlen=2 * radius + 1)
    seen = 0
    for current in landmarks:
        window.append(current)
        seen += 1
        if seen > radius:
            yield _middle(window, radius)
    for after in range(radius):
        window.append(None)
        if seen + after >= radius:
            yield _middle(window, radius)


def _middle(window: deque[Array | None], radius: int) -> Array | None:
    middle = window[radius]
    if middle is None:
        return None
    total = np.zeros_like(middle)
    weights = np.zeros((len(middle), 1), np.float32)
    reach = TREMBLE * float(interocular(middle))
    for direction in (-1, 1):
        for distance in range(0 if direction == 1 else 1, radius + 1):
            neighbour = window[radius + direction * distance]
            if neighbour is None:
                break
            apart = ((neighbour - middle)[:, :2] ** 2).sum(1, keepdims=True)
            weight = np.exp(-apart / (2 * reach**2) - distance**2 / (radius**2 / 2))
            total += weight * neighbour
            weights += weight
    return np.asarray(total / weights, np.float32)
