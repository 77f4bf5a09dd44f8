"""Colours, as options name them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from heygem_cli.errors import InputError


@dataclass(frozen=True)
class Color:
    """A colour: red, green and blue, 0 to 255."""

    red: int
    green: int
    blue: int

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


def parse_color(text: str) -> Color:
    """Read a name of CSS, or ``#RRGGBB``.

    Raises:
        InputError: ``bad-color``.
    """
    from PIL.ImageColor import colormap, getrgb

    cleaned = text.strip().lower()
    if cleaned in colormap or re.fullmatch("#[0-9a-f]{6}", cleaned):
        return Color(*getrgb(cleaned)[:3])
    hint = "Use a name such as white, black or green, or #RRGGBB, in quotes"
    raise InputError("bad-color", f"the colour {text!r} is not understood", hint=hint)
