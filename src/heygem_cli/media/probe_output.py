"""Probe a finished video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from heygem_cli.errors import HeygemError
from heygem_cli.media.container import open_media

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
    """Return the properties of a finished MP4; raise as :func:`probe_video`."""
    with open_media(path) as container:
        return OutputInfo(_seconds(container.streams.video), _seconds(container.streams.audio))


def _seconds(streams: Sequence[av.VideoStream | av.AudioStream]) -> float:
    first = streams[0] if streams else None
    if first is None or not first.duration or not first.time_base:
        return 0.0
    return float(((first.start_time or 0) + first.duration) * first.time_base)
