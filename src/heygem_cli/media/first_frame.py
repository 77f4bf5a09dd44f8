"""Read the properties of the first frames of a video from the output of ffmpeg.

The same program decodes the frames of a render, so what it says holds: it rotates, mirrors and crops a picture as the
file asks for. PyAV contains another release of the same libraries, which may see the file differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from heygem_cli.media import arguments, ffmpeg
from heygem_cli.media.frame_filters import is_grey
from heygem_cli.media.hdr import parse_hdr
from heygem_cli.media.types import ColorTags, HdrMetadata, VideoStream

_MESSAGES = 10_000
"""Lines that are kept: what the program says about the streams, and some for each frame. A photograph of 200 million
pixels has 768 streams, its tiles."""

_STREAM = re.compile(r"Stream #0:(\d+) .*-> ")
_TIMES = re.compile(r"config in time_base: (\d+/\d+), frame_rate: (\d+/\d+)")
_FRAME = re.compile(
    r"n: *\d+ pts: *(?P<pts>-?\d+|NOPTS) .* fmt:(?P<format>\w+) .*"
    r" sar:(?P<aspect>\d+/\d+) s:(?P<width>\d+)x(?P<height>\d+) i:(?P<fields>\w)"
)
_COLOR = re.compile(
    r"color_range:(?P<range>\S+) color_space:(?P<matrix>\S+)"
    r" color_primaries:(?P<primaries>\S+) color_trc:(?P<transfer>\S+)"
)


@dataclass(frozen=True)
class FirstFrame:
    """The first frame, upright.

    Attributes:
        width: In pixels.
        height: Likewise.
        sample_aspect_ratio: Width of a pixel divided by its height.
        pixel_format: ffmpeg's name of the pixel format.
        color: Colour description in the file.
        full_range: Whether black is 0.
        start: Timestamp in seconds; None if there is none.
        is_interlaced: Whether one of the first frames consists of two fields.
        is_rotated: Whether the container asks to rotate or mirror it, which has been done.
        hdr: What a display should know to show HDR.
        stream: Index of the stream in the file; None if the frame consists of several.
        rate: Frame rate in the file; 0 if it has none.
    """

    width: int
    height: int
    sample_aspect_ratio: Fraction
    pixel_format: str
    color: ColorTags
    full_range: bool
    start: Fraction | None
    is_interlaced: bool
    is_rotated: bool
    hdr: HdrMetadata
    stream: int | None
    rate: Fraction


@contextmanager
def reading_first_frame(path: Path, stream: VideoStream) -> Iterator[Callable[[], FirstFrame | None]]:
    """Start to decode the first frame; the function that is yielded waits for it. None: no frame can be decoded."""
    args = arguments.first_frame_args(path, stream)
    with ffmpeg.running(args, messages=_MESSAGES) as process:
        yield lambda: _parse(process.said(path))


def _parse(messages: list[str]) -> FirstFrame | None:
    # A message before may end without a newline; the first one of all has the name of the file.
    said = [message for message in messages if not message.startswith("Input #")]
    frames = [match for match in map(_FRAME.search, said) if match]
    color = next((match for match in map(_COLOR.search, said) if match), None)
    times = next((match for match in map(_TIMES.search, said) if match), None)
    stream = next((int(match[1]) for match in map(_STREAM.match, said) if match), None)
    if not frames or color is None or times is None:
        return None
    first = frames[0]
    return FirstFrame(
        width=int(first["width"]),
        height=int(first["height"]),
        sample_aspect_ratio=_ratio(first["aspect"]) or Fraction(1),
        pixel_format=first["format"],
        color=ColorTags(*(_tag(color[name]) for name in ("primaries", "transfer", "matrix"))),
        # ffmpeg takes grey whose range is not told as full, and has written such files.
        full_range=color["range"] == "pc" or (color["range"] != "tv" and is_grey(first["format"])),
        start=None if first["pts"] == "NOPTS" else int(first["pts"]) * Fraction(times[1]),
        is_interlaced=any(frame["fields"] in "TB" for frame in frames),
        is_rotated=any(message.startswith("Display Matrix:") for message in messages),
        hdr=parse_hdr(messages),
        stream=stream,
        rate=_ratio(times[2]),
    )


def _ratio(text: str) -> Fraction:
    numerator, denominator = map(int, text.split("/"))
    return Fraction(numerator, denominator) if denominator else Fraction(0)


def _tag(name: str) -> str | None:
    """Return the name of a colour property; None if it is not known, or concerns RGB."""
    return None if name in ("unknown", "reserved", "gbr") or name.isdigit() else name
