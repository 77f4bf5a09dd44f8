"""The times of the frames of an animated WebP: PyAV takes the file for one image, unlike the ffmpeg program."""

from __future__ import annotations

from pathlib import Path

ANIMATION_DEMUXER = "webp_anim"
"""ffmpeg's name of what reads the frames."""


def animation_times(path: Path) -> list[float]:
    """Return when each frame of an animated WebP is shown, in seconds; none of any other file."""
    times, time, position = [], 0.0, 12
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WEBP":
            return []
        while len(chunk := file.read(24)) >= 8:
            if chunk.startswith(b"ANMF"):
                times.append(time)
                time += int.from_bytes(chunk[20:23], "little") / 1000
            size = int.from_bytes(chunk[4:8], "little")
            position += 8 + size + size % 2
            file.seek(position)
    return times
