"""Frames, samples, and the properties of media files."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]
"""One video frame: I420 (yuv420p) planes in OpenCV's layout, shape (height * 3 // 2, width), limited range."""

Samples = npt.NDArray[np.float32]
"""Mono audio in -1 … 1, shape (samples,)."""


@dataclass(frozen=True)
class ColorTags:
    """The colour description of a stream in ffmpeg's names (``bt709``, …); None where the file has no tag."""

    primaries: str | None = None
    transfer: str | None = None
    matrix: str | None = None


@dataclass(frozen=True)
class VideoInfo:
    """A face video or a still image, as :func:`heygem_cli.media.read.read_frames` decodes it.

    Attributes:
        path: The file.
        width: Width of the decoded frames, after rotation; an odd last column is cropped, since yuv420p has none.
        height: Height of the decoded frames, likewise.
        fps: Constant frame rate of the decoded frames: of a variable rate that of its busiest parts; 25 for an image.
        frames: Number of frames: exact for a still image (1), otherwise an estimate.
        is_still: Whether the file is a still image.
        is_converted: Whether it is a still image that Pillow decodes, see :mod:`heygem_cli.media.still`.
        codec: ffmpeg's name of the codec.
        pixel_format: ffmpeg's name of the pixel format in the file.
        color: Colour description of the decoded frames; RGB is converted with the BT.709 matrix.
        sample_aspect_ratio: Width of a pixel divided by its height, after rotation.
        demuxer: ffmpeg's name of the container format; empty: let ffmpeg guess.
        orientation: How to rotate and flip the frames of the file, as an EXIF orientation (1 to 8).
        start: Timestamp of the first frame in seconds.
        is_rgb: Whether the pixels in the file are RGB, or indices into a palette.
        has_alpha: Whether the pixels in the file may be transparent.
        reliable_times: Whether the timestamps are used; otherwise the frames follow each other at ``fps``.
        stream: Which of the file's video streams it is, attached pictures included, counted from 0.
        notes: What the user should know about it.
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
    is_converted: bool = False
    has_alpha: bool = False
    reliable_times: bool = True
    stream: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class AudioInfo:
    """An audio stream of a file.

    Attributes:
        path: The file.
        duration: Length in seconds with the delay, an estimate.
        codec: ffmpeg's name of the codec.
        sample_rate: In hertz.
        channels: Number of channels.
        demuxer: ffmpeg's name of the container format; empty: let ffmpeg guess.
        start: Timestamp of the first decoded sample in seconds.
        delay: Seconds of silence before the first sample: in a file with a video, until the sound begins; otherwise 0.
            Negative: seconds of sound that are skipped, since an encoder added them.
        reliable_times: Whether the timestamps are used; otherwise the samples follow each other without gaps.
        seamless: Whether packets that are copied sound the same: none is missing, and none has to be skipped.
        damaged: Whether decoding it is known to give errors.
        stream: Which of the file's audio streams it is, counted from 0.
        notes: What the user should know about it.
    """

    path: Path
    duration: float
    codec: str
    sample_rate: int
    channels: int
    demuxer: str = ""
    start: Fraction = Fraction(0)
    delay: Fraction = Fraction(0)
    reliable_times: bool = True
    seamless: bool = True
    damaged: bool = False
    stream: int = 0
    notes: tuple[str, ...] = ()


def planes(frame: Frame) -> tuple[Frame, Frame, Frame]:
    """Return views of the Y, U and V planes of a frame; U and V have half its width and height."""
    height = frame.shape[0] * 2 // 3
    u, v = frame[height:].reshape(2, height // 2, frame.shape[1] // 2)
    return frame[:height], u, v
