"""Frames, samples, and the properties of media files."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heygem_cli.media.image import MAX_PIXELS

Frame = npt.NDArray[np.uint8]
"""One video frame: I420 (yuv420p) planes in OpenCV's layout, shape (height * 3 // 2, width), limited range."""

Frame10 = npt.NDArray[np.uint16]
"""Likewise with 10 bits, 0 … 1023."""

Samples = npt.NDArray[np.float32]
"""Mono audio in -1 … 1, shape (samples,)."""

ChannelSamples = npt.NDArray[np.float32]
"""Audio of several channels in -1 … 1, shape (samples, channels)."""

AAC_MAX_CHANNELS = 8


@dataclass(frozen=True, slots=True)
class ColorTags:
    """The colour description of a stream in ffmpeg's names (``bt709``, …); None where the file has no tag."""

    primaries: str | None = None
    transfer: str | None = None
    matrix: str | None = None


@dataclass(frozen=True, slots=True)
class PictureSize:
    """The size of a picture in pixels, and the width of a pixel divided by its height."""

    width: int
    height: int
    sample_aspect_ratio: Fraction


@dataclass(frozen=True, slots=True)
class RegionOfInterest:
    """A part of the picture in pixels that viewers look at, so that it deserves a better quality."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class VideoStream:
    """How ffmpeg finds and decodes a video in its file.

    Attributes:
        demuxer: ffmpeg's name of the container format; empty: let ffmpeg guess.
        specifier: ffmpeg's stream specifier: ``v:1`` is the second video stream, attached pictures included, ``g:0``
            the picture whose tiles are streams.
        decoder: ffmpeg's name of the decoder; empty: the default one of the codec.
        max_pixels: How many pixels its picture may have.
    """

    demuxer: str = ""
    specifier: str = "v:0"
    decoder: str = ""
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class HdrMetadata:
    """What a display should know to show HDR, in the units of H.264 and HEVC.

    Attributes:
        mastering_display: The display on which the video was made: x and y of green, blue, red and white in 0.00002,
            the highest and the lowest luminance in 0.0001 cd/m². None where the file does not say it.
        light_level: The highest luminance of a pixel, and of a frame on average, in cd/m²; None likewise.
    """

    mastering_display: tuple[int, ...] | None = None
    light_level: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """A face video or a still image, as :func:`heygem_cli.media.read.read_frames` decodes it.

    Attributes:
        path: The file.
        width: Width of the decoded frames, upright; an odd last column is cropped, since yuv420p has none. If the size
            changes on the way, that of the largest picture.
        height: Height of the decoded frames, likewise.
        fps: Constant frame rate of the decoded frames: of a variable rate that of its busiest parts; 25 for an image.
        frames: Number of frames: exact for a still image (1), otherwise an estimate.
        skipped: How many frames of the file are left out before the first.
        is_still: Whether the file is a still image.
        is_converted: Whether it is a still image that Pillow decodes, see :mod:`heygem_cli.media.still`.
        codec: ffmpeg's name of the codec.
        pixel_format: ffmpeg's name of the pixel format in the file.
        color: Colour description of the decoded frames; RGB is converted with the BT.709 matrix.
        sample_aspect_ratio: Width of a pixel divided by its height, upright.
        stream: How ffmpeg finds and decodes it.
        start: Timestamp of the first frame in seconds.
        sizes: The sizes that the picture has on the way; empty if there is only one.
        is_interlaced: Whether frames consist of two fields, which are then deinterlaced.
        is_rgb: Whether the pixels in the file are RGB, grey with transparency, or indices into a palette.
        full_range: Whether black is 0 in the file.
        has_alpha: Whether the pixels in the file may be transparent.
        background: Red, green and blue, 0 to 255, behind transparent parts.
        reliable_times: Whether the timestamps are used; otherwise the frames follow each other at ``fps``.
        notes: What the user should know about it.
        source_bits: Bits of a sample in the file.
        bits: Bits of a sample of the decoded frames, 8 or 10.
        hdr: What a display should know if it is HDR.
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
    stream: VideoStream = VideoStream()
    start: Fraction = Fraction(0)
    skipped: int = 0
    sizes: tuple[PictureSize, ...] = ()
    is_interlaced: bool = False
    is_rgb: bool = False
    is_converted: bool = False
    full_range: bool = False
    has_alpha: bool = False
    background: tuple[int, int, int] = (255, 255, 255)
    reliable_times: bool = True
    notes: tuple[str, ...] = ()
    source_bits: int = 8
    bits: int = 8
    hdr: HdrMetadata = HdrMetadata()

    @property
    def is_hdr(self) -> bool:
        """Whether its brightness is coded for HDR displays, as PQ or HLG."""
        return self.color.transfer in ("smpte2084", "arib-std-b67")


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """An audio stream of a file.

    Attributes:
        path: The file.
        duration: Length in seconds with the delay, an estimate; of the part that is used.
        codec: ffmpeg's name of the codec.
        sample_rate: In hertz.
        channels: Number of channels.
        demuxer: ffmpeg's name of the container format; empty: let ffmpeg guess.
        start: Timestamp of the first decoded sample in seconds.
        delay: Seconds of silence before the first sample: in a file with a video, until the sound begins; otherwise 0.
            Negative: seconds of sound that are skipped, since an encoder added them.
        skipped: Seconds that are left out at the beginning, silence included.
        limit: Seconds after them that are used at the most; None: all.
        reliable_times: Whether the timestamps are used; otherwise the samples follow each other without gaps.
        seamless: Whether packets that are copied sound the same: none is missing, and none has to be skipped.
        damaged: Whether decoding it is known to give errors.
        ignores_length: Whether the demuxer has to read beyond the length that the header says.
        low_frequencies: The channel of the subwoofer, counted from 0, which players of stereo leave out.
        mix: The weight of each channel in the mono mix that the mouth follows; empty for ffmpeg's own mix.
        downmix: Whether the output has this mix instead of the channels.
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
    skipped: float = 0
    limit: float | None = None
    reliable_times: bool = True
    seamless: bool = True
    damaged: bool = False
    ignores_length: bool = False
    low_frequencies: int | None = None
    mix: tuple[float, ...] = ()
    downmix: bool = False
    stream: int = 0
    notes: tuple[str, ...] = ()

    @property
    def too_many_channels(self) -> bool:
        """Whether AAC cannot have so many."""
        return self.channels > AAC_MAX_CHANNELS

    @property
    def is_silent(self) -> bool:
        """Whether the part that is used has no sound."""
        return self.limit == 0


def planes(frame: Frame) -> tuple[Frame, Frame, Frame]:
    """Return views of the Y, U and V planes of a frame; U and V have half its width and height."""
    height = frame.shape[0] * 2 // 3
    u, v = frame[height:].reshape(2, height // 2, frame.shape[1] // 2)
    return frame[:height], u, v
