"""What is known about a media file."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]
"""One picture: I420 (yuv420p) planes as OpenCV lays them out, shape (height * 3 // 2, width), limited range."""

Samples = npt.NDArray[np.float32]
"""Mono audio in -1 … 1, shape (samples,)."""


@dataclass(frozen=True)
class ColorTags:
    """The colour description of a stream in ffmpeg's names (``bt709``, …); None where the file says nothing."""

    primaries: str | None = None
    transfer: str | None = None
    matrix: str | None = None


@dataclass(frozen=True)
class VideoInfo:
    """A face video or a still image, as :func:`heygem_cli.media.read.read_frames` will deliver it.

    ``width`` and ``height`` are those of the delivered frames: after rotation, and even (an odd last row or column is
    cut, since yuv420p has none). ``fps`` is the constant rate of the delivered frames (the average rate of a variable
    one; 25 for a still image). ``frames`` is exact for a still image (1) and an estimate otherwise: the stream decides.
    ``color`` describes the delivered frames: those from RGB have the BT.709 matrix.

    The rest is what reading needs: ``demuxer`` is ffmpeg's name of the file format (empty: let ffmpeg guess),
    ``orientation`` the turn to apply in EXIF's numbering (1 to 8), ``start`` the first frame's timestamp in seconds.
    """

    path: Path
    width: int
    height: int
    fps: Fraction
    frames: int
    is_still: bool
    codec: str
    pixel_format: str
    color: ColorTags
    sample_aspect_ratio: Fraction = Fraction(1)
    demuxer: str = ""
    orientation: int = 1
    start: Fraction = Fraction(0)
    is_rgb: bool = False
    has_alpha: bool = False


@dataclass(frozen=True)
class AudioInfo:
    """The first audio stream of a file. ``duration`` is in seconds and an estimate: decoding decides.

    ``demuxer`` is ffmpeg's name of the file format (empty: let ffmpeg guess). ``start`` is the timestamp of
    the first sample that is heard, in seconds.
    """

    path: Path
    duration: float
    codec: str
    sample_rate: int
    channels: int
    demuxer: str = ""
    start: Fraction = Fraction(0)


def planes(frame: Frame) -> tuple[Frame, Frame, Frame]:
    """The Y, U and V planes of a frame as views that share its memory; U and V are half as wide and high."""
    height = frame.shape[0] * 2 // 3
    blue, red = frame[height:].reshape(2, height // 2, frame.shape[1] // 2)
    return frame[:height], blue, red
