"""A picture of a frame that was just drawn, for somebody who watches a render."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import cv2

from heygem_cli.files import part_file
from heygem_cli.media.depth import to_8_bits
from heygem_cli.media.types import Frame, Frame10

INTERVAL = 2.0
"""Seconds between two pictures."""
MAX_SIDE = 480


class Preview:
    """Writes a frame as a JPEG now and then.

    Args:
        path: The file; None to write nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._next = 0.0

    def show(self, frame: Frame | Frame10) -> None:
        """Write a frame, unless the last one was written a moment ago; a failure does not matter to the render."""
        if self._path is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + INTERVAL
        picture = cv2.cvtColor(to_8_bits(frame), cv2.COLOR_YUV2BGR_I420)
        scale = min(1.0, MAX_SIDE / max(picture.shape[:2]))
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        _, content = cv2.imencode(".jpg", small)
        with suppress(OSError), part_file(self._path) as part:
            part.path.write_bytes(content.tobytes())
            part.path.replace(self._path)  # without a sync, which may take long
