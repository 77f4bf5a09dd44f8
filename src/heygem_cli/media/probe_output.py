"""Probe a finished video."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from heygem_cli.errors import HeygemError
from heygem_cli.media.container import open_media, read_packets, timestamp

AUDIO_PACKET_SECONDS = 0.13
"""Length of the longest audio packet (AAC at 8 kHz): a copied stream ends at a packet boundary."""


@dataclass(frozen=True)
class OutputInfo:
    """The properties of a finished video: when each stream ends, in seconds; 0 where there is no such stream."""

    video_seconds: float
    audio_seconds: float

    def check(self, path: Path, *, seconds: float, fps: Fraction, video_seconds: float | None = None) -> None:
        """Check that both streams last ``seconds`` (the video ``video_seconds``), to within a frame or an audio packet.

        Raises:
            HeygemError: ``bad-output``.
        """
        frame = float(1 / fps) + 0.001
        for kind, actual, expected, tolerance in (
            ("video", self.video_seconds, seconds if video_seconds is None else video_seconds, frame),
            ("audio", self.audio_seconds, seconds, max(frame, AUDIO_PACKET_SECONDS)),
        ):
            if not actual or abs(actual - expected) > tolerance:
                message = f"the output has {actual:.3f} s of {kind} instead of {expected:.3f} s"
                raise HeygemError("bad-output", message, hint="Render again; if that fails, report a bug", path=path)


def probe_output(path: Path) -> OutputInfo:
    """Return the properties of a finished video; raise as :func:`probe_video`."""
    with open_media(path) as container:
        video, audio = next(iter(container.streams.video), None), next(iter(container.streams.audio), None)
        # Where sound has to begin before the picture, Matroska shifts both.
        is_matroska = container.format.name.startswith("matroska")
        start = _start(video) if video is not None and is_matroska else 0.0
        # The length that Matroska stores includes what is skipped at the beginning.
        skipped = _skipped(container, audio) if audio is not None and is_matroska else 0.0
        return OutputInfo(_end(video, start), _end(audio, start + skipped))


def _skipped(container: av.container.InputContainer, audio: av.AudioStream) -> float:
    """Return how long the sound is that an encoder has added before the beginning."""
    first = next(read_packets(container, audio), None)
    return max(0.0, -float(timestamp(first))) if first is not None else 0.0


def _start(stream: av.VideoStream | av.AudioStream) -> float:
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _end(stream: av.VideoStream | av.AudioStream | None, start: float) -> float:
    """Return the end of a stream in seconds after ``start``, 0 if there is none."""
    if stream is None:
        return 0.0
    if stream.duration and stream.time_base:
        return _start(stream) + float(stream.duration * stream.time_base) - start
    # Matroska has no other place for the length of a single stream.
    end = re.fullmatch(r"(\d+):(\d+):(\d+\.\d+)", stream.metadata.get("DURATION", ""))
    return 3600 * int(end[1]) + 60 * int(end[2]) + float(end[3]) - start if end else 0.0
