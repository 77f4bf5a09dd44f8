"""Detects a face video that HeyGem returned without a new mouth: frames without a face pass through as "success"."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import numpy.typing as npt

from heygem_cli.heygem.staging import Tick
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import Frame, VideoInfo

CELL = 8
"""Pixels: the mouth of any face that can be found covers such a cell."""


def has_same_frames(result: VideoInfo, source: VideoInfo, tick: Tick = lambda: None) -> bool:
    """Return whether a video shows the frames of its source, apart from the effects of encoding.

    Both have the same frame rate. The comparison ends with the shorter one: however HeyGem loops the source, the result
    begins with all of it.
    """
    if (result.width, result.height) != (source.width, source.height):
        return False
    with closing(read_frames(result)) as result_frames, closing(read_frames(source)) as source_frames:
        for result_frame, source_frame in zip(result_frames, source_frames, strict=False):
            tick()
            if _differs_locally(result_frame, source_frame):
                return False
    return True


def _differs_locally(one: Frame, other: Frame) -> bool:
    """Return whether two frames differ much more in one place than elsewhere.

    Encoding and colour conversions change most of the picture alike, by the amount that the lower three quartiles of
    the difference show; a new mouth exceeds it by far.
    """
    difference = _luma_cells(one) - _luma_cells(other)
    distance = np.abs(difference - np.median(difference))
    return bool(distance.max() > 16 + 8 * np.percentile(distance, 75))


def _luma_cells(frame: Frame) -> npt.NDArray[np.float32]:
    """Average the luma of each cell of a yuv420p frame."""
    import cv2

    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    size = (max(1, width // CELL), max(1, height // CELL))
    return cv2.resize(frame[:height], size, interpolation=cv2.INTER_AREA).astype(np.float32)
