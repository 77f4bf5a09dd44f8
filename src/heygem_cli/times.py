"""Times as people write them."""

from __future__ import annotations

import re

from heygem_cli.errors import InputError


def parse_time(text: str) -> float:
    """Read a time in seconds, ``mm:ss`` or ``h:mm:ss``, with or without a fraction of a second.

    Raises:
        InputError: ``bad-time``.
    """
    parts = re.fullmatch(r"(?:(?:(\d{1,4}):)?(\d{1,2}):)?(\d{1,9}(?:\.\d{1,9})?)", text.strip())
    if parts is None:
        hint = "Use seconds, such as 12.5, or h:mm:ss, such as 0:01:30"
        raise InputError("bad-time", f"the time {text!r} is not understood", hint=hint)
    hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    return 3600 * hours + 60 * minutes + seconds
