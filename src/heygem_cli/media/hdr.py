"""Read the HDR metadata of a video from the output of ffmpeg."""

from __future__ import annotations

import re
from collections.abc import Sequence

from heygem_cli.media.types import HdrMetadata

_DISPLAY = re.compile(r"Mastering display metadata: has_primaries:1 has_luminance:1 (.*)")
_LIGHT = re.compile(r"Content light level metadata: MaxCLL=(\d+), MaxFALL=(\d+)")


def parse_hdr(messages: Sequence[str]) -> HdrMetadata:
    """Return the HDR metadata of the first frame."""
    display, light = (next(filter(None, map(each.search, messages)), None) for each in (_DISPLAY, _LIGHT))
    return HdrMetadata(
        None if display is None else _mastering_display(display[1]),
        None if light is None else _light_level(int(light[1]), int(light[2])),
    )


def _mastering_display(text: str) -> tuple[int, ...] | None:
    values = [float(number) for number in re.findall(r"\d+\.\d+", text)]
    if len(values) != 10:
        return None
    red, green, blue, white = (values[place : place + 2] for place in (0, 2, 4, 6))
    lowest, highest = values[8:]
    places = [round(50_000 * value) for value in (*green, *blue, *red, *white)]
    return *places, round(10_000 * highest), round(10_000 * lowest)


def _light_level(highest: int, average: int) -> tuple[int, int] | None:
    return (highest, average) if highest or average else None  # 0 means that it is unknown
