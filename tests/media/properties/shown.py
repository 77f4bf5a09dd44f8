"""What a player shows and plays of a finished video: decoded with PyAV, converted to RGB by the tags of the file."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

_KR_KB = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
"""Weights of red and blue by the number of the matrix (ITU-T H.273); those of BT.601 for all others."""
_SAMPLES = {"flt": ("<f4", 1.0), "s16": ("<i2", 32768.0), "s32": ("<i4", 2.0**31)}
"""Types of samples by ffmpeg's names, and their full scale."""


@dataclass(frozen=True)
class Shown:
    """A finished video.

    Attributes:
        frames: RGB images (height, width, 3).
        times: When each is shown, in seconds.
        rate: The frame rate that the file declares.
        aspect: The sample aspect ratio.
        samples: The sound (samples, channels).
        sample_rate: In hertz.
        sound_start: When the sound starts, in seconds.
    """

    frames: list[np.ndarray]
    times: list[float]
    rate: Fraction
    aspect: Fraction
    samples: np.ndarray
    sample_rate: int
    sound_start: float


def read(path: Path) -> Shown:
    """Decode all of a video."""
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        video.codec_context.thread_count = 1
        frames, times, blocks, start = [], [], [], None
        for frame in container.decode(video, audio):
            if isinstance(frame, av.VideoFrame):
                frames.append(to_rgb(frame))
                times.append(float(frame.pts * frame.time_base))
            else:
                start = float(frame.pts * frame.time_base) if start is None else start
                blocks.append(_samples(frame))
        return Shown(
            frames, times, Fraction(video.average_rate or 0), Fraction(video.sample_aspect_ratio or 1),
            np.concatenate(blocks), audio.codec_context.sample_rate, start or 0.0,
        )  # fmt: skip


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """Convert a planar YUV frame of 8 bits or more to RGB, as its tags say: (height, width, 3), floats 0 to 255."""
    y, u, v = (_plane(frame, index) for index in range(3))
    factor = y.shape[0] // u.shape[0], y.shape[1] // u.shape[1]
    u, v = (chroma.repeat(factor[0], 0).repeat(factor[1], 1) for chroma in (u, v))
    scale = 2.0 ** (8 - frame.format.components[0].bits)
    y, u, v = y * scale, u * scale - 128, v * scale - 128
    if frame.color_range != 2:  # limited, or not tagged
        y, u, v = (y - 16) * 255 / 219, u * 255 / 224, v * 255 / 224
    red, blue = _KR_KB.get(frame.colorspace, (0.299, 0.114))
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.stack([r, g, b], axis=2).clip(0, 255)


def _plane(frame: av.VideoFrame, index: int) -> np.ndarray:
    plane = frame.planes[index]
    dtype = np.uint8 if frame.format.components[0].bits == 8 else np.dtype("<u2")
    rows = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return rows[:, : plane.width].astype(float)


def _samples(frame: av.AudioFrame) -> np.ndarray:
    """Return the samples (samples, channels); those of AAC, MP3 and their like are planar floats."""
    channels = frame.layout.nb_channels
    kind, full_scale = _SAMPLES[frame.format.name.removesuffix("p")]
    if frame.format.is_planar:
        # Of eight planes PyAV returns a ninth, which is not there.
        planes = [np.frombuffer(plane, kind, frame.samples) for plane in frame.planes[:channels]]
        return np.stack(planes, axis=1) / full_scale
    return np.frombuffer(frame.planes[0], kind, frame.samples * channels).reshape(-1, channels) / full_scale
