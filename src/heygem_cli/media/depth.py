"""Frames of 10 bits: the renderer draws with 8 bits, and its changes are added to all 10."""

from __future__ import annotations

import numpy as np

from heygem_cli.media.types import Frame, Frame10


def to_8_bits(frame: Frame | Frame10) -> Frame:
    """Round a frame to 8 bits; one of 8 bits is returned itself."""
    if frame.dtype == np.uint8:
        return np.asarray(frame, np.uint8)
    return np.minimum((frame + np.uint16(2)) >> np.uint16(2), 255).astype(np.uint8)


def with_changes(frame: Frame | Frame10, source: Frame, rendered: Frame) -> Frame | Frame10:
    """Return a frame with the changes that rendering made to its 8 bits; where there are none it is bit-identical.

    Args:
        frame: The decoded frame.
        source: What :func:`to_8_bits` returned for it.
        rendered: The rendered frame.
    """
    if frame.dtype == np.uint8:
        return rendered
    changed = frame.astype(np.int16) + 4 * (rendered.astype(np.int16) - source)
    return np.clip(changed, 0, 1023).astype(np.uint16)
