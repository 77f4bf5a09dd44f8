"""Has a face been given a new mouth at all? HeyGem passes frames without a face on as they are, and says success."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import numpy as np
import numpy.typing as npt

from heygem_cli.media.read import read_frames
from heygem_cli.media.types import Frame, VideoInfo

CELL = 8
"""Pixels: the mouth of a face that can be found at all covers such a cell."""


def is_unchanged(result: VideoInfo, source: VideoInfo, tick: Callable[[], None] = lambda: None) -> bool:
    """Tell whether the frames of a result are those of its source, but for what encoding them again has done.

    Frames are compared up to the end of the shorter video; however the longer one is looped, it begins with them.
    A result of another size is a changed one.

    Args:
        result: made from the source.
        source: at the same frame rate.
        tick: called for every frame; what it raises ends the work.
    """
    if (result.width, result.height) != (source.width, source.height):
        return False
    with closing(read_frames(result)) as made, closing(read_frames(source)) as given:
        for one, other in zip(made, given, strict=False):
            tick()
            if differs(one, other):
                return False
    return True


def differs(one: Frame, other: Frame) -> bool:
    """Tell whether two frames of the same size differ in one place much more than everywhere.

    What encoding and conversions of colour do is alike in most places, and the quieter three quarters of the picture
    show how much it is; a new mouth is far from that in its own place.
    """
    difference = _coarse(one) - _coarse(other)
    distance = np.abs(difference - np.median(difference))
    return bool(distance.max() > 16 + 8 * np.percentile(distance, 75))


def _coarse(frame: Frame) -> npt.NDArray[np.float32]:
    import cv2

    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    size = (max(1, width // CELL), max(1, height // CELL))
    return cv2.resize(frame[:height], size, interpolation=cv2.INTER_AREA).astype(np.float32)
