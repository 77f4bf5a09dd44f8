"""Find where a new shot begins."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame, planes

WIDTH, HEIGHT = 64, 36
"""Size of the small pictures that are compared."""
SAMPLES = 5
"""Samples of the frame, in each direction, that a pixel of the small picture is the mean of."""
HISTORY = 8
"""Frames whose changes say how much the picture moves."""
MIN_CHANGE = 6.0
"""Mean absolute difference from the last frame, in levels, below which there is no cut."""
CUT_RATIO = 2.5
"""Change at a cut, relative to that of the frames before."""


class ShotDetector:
    """Compares each frame with the ones before it.

    At a cut the picture changes much more than in the frames before, so that pans and moving people are no cuts. A
    flash counts as a cut at its beginning and at its end: a false cut only means that the faces are searched anew.
    """

    def __init__(self) -> None:
        self._last: Array | None = None
        self._changes: deque[float] = deque(maxlen=HISTORY)

    def is_cut(self, frame: Frame) -> bool:
        """Return whether a shot begins with this frame; the first frame begins one."""
        picture = small_picture(frame)
        if self._last is None:
            self._last = picture
            return True
        change = float(np.abs(picture - self._last).mean())
        usual = max(self._changes, default=0.0)
        cut = change > max(MIN_CHANGE, CUT_RATIO * usual)
        if cut:
            self._changes.clear()
        else:
            self._changes.append(change)
        self._last = picture
        return cut


def small_picture(frame: Frame) -> Array:
    """Return the luma and the chroma of a frame: (HEIGHT, WIDTH, 3), in levels."""
    channels = []
    for plane in planes(frame):
        rows, columns = plane.shape
        step = max(1, columns // (WIDTH * SAMPLES)), max(1, rows // (HEIGHT * SAMPLES))
        sampled = plane[:: step[1], :: step[0]]
        channels.append(cv2.resize(sampled, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))
    return np.asarray(np.stack(channels, -1), np.float32)
