"""Find when the first samples of an audio are played, from the output of ffmpeg.

The same program decodes and copies the audio of a render, and skips what an encoder added before the first sample. PyAV
contains another release of the same libraries, which does not always skip as much.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from heygem_cli.media import arguments, ffmpeg

_MESSAGES = 500
_SAMPLES = re.compile(r"n:0 pts:(-?\d+) .* rate:(\d+) ")


@contextmanager
def reading_first_samples(
    path: Path, demuxer: str, stream: int, *, ignores_length: bool
) -> Iterator[Callable[[], Fraction | None]]:
    """Start to decode the first samples; the function that is yielded waits for them.

    It returns their timestamp in seconds, None if no sample can be decoded or has a timestamp. The arguments are those
    of :class:`heygem_cli.media.types.AudioInfo`.
    """
    args = arguments.first_samples_args(path, demuxer, stream, ignores_length=ignores_length)
    with ffmpeg.running(args, messages=_MESSAGES) as process:
        yield lambda: _parse(process.said(path))


def _parse(messages: list[str]) -> Fraction | None:
    found = next(filter(None, map(_SAMPLES.search, messages)), None)
    return Fraction(int(found[1]), int(found[2])) if found else None
