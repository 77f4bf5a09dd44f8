"""The columns of a manifest: files, names, and the options of ``heygem render``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, get_args

from heygem_cli.engines import ENGINES
from heygem_cli.errors import did_you_mean
from heygem_cli.face.select import parse_person
from heygem_cli.job import RenderOptions
from heygem_cli.options import Encoder, LoopMode, MissingFace, Preset

FILES = ("audio", "face")
NAMES = ("id", "output")
OVERWRITE = "overwrite"
RUN_WIDE = (
    "device", "threads", "home", "python", "conda_env", "stall_timeout", "recycle_after", "allow_cpu", "url", "map",
)  # fmt: skip
"""Options of the process, which loads its engines once for all rows."""

Parser = Callable[[str], Any]


def one_of(words: Iterable[str]) -> Parser:
    """Make a parser that takes one of these words."""
    allowed = tuple(words)

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"{text!r} is not one of {', '.join(allowed)}")
        return text

    return parse


def whole(least: int, most: int) -> Parser:
    """Make a parser that takes a whole number of a range."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= most:
            raise ValueError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return parse


def flag(text: str) -> bool:
    """Read yes or no."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise ValueError(f"{text!r} is neither true nor false")
    return words[text.lower()]


def _encode(name: str) -> Callable[[RenderOptions, Any], RenderOptions]:
    return lambda options, value: replace(options, encode=replace(options.encode, **{name: value}))


OPTIONS: Mapping[str, tuple[Parser, Callable[[RenderOptions, Any], RenderOptions]]] = {
    "engine": (one_of(ENGINES), lambda options, value: replace(options, engine=value)),
    "face_choice": (parse_person, lambda options, value: replace(options, face=value)),
    "loop": (one_of(get_args(LoopMode)), lambda options, value: replace(options, loop=value)),
    "on_missing_face": (
        one_of(get_args(MissingFace)),
        lambda options, value: replace(options, on_missing_face=value),
    ),
    "crf": (whole(0, 51), _encode("crf")),
    "preset": (one_of(get_args(Preset)), _encode("preset")),
    "encoder": (one_of(get_args(Encoder)), _encode("encoder")),
    "no_cache": (flag, lambda options, value: replace(options, cache=not value)),
}
"""How the text of a column becomes an option; ``face_choice`` is ``--face``, since ``face`` is the video."""

COLUMNS = (*FILES, *NAMES, *OPTIONS, OVERWRITE)


def column_name(text: str) -> str:
    """The name of a column as it is written in a header: ``On-Missing-Face`` is ``on_missing_face``."""
    return text.strip().lower().replace("-", "_")


def advice(name: str) -> str:
    """What to do about a column that does not exist."""
    if name in RUN_WIDE:
        return f"Engines are loaded once for all rows: give --{name.replace('_', '-')} on the command line"
    return did_you_mean(name, COLUMNS, f"There are: {', '.join(COLUMNS)}")
