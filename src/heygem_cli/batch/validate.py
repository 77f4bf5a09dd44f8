"""Validation of objects read from JSON files, which anybody may have edited."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Literal

MAX_NUMBER = 10**15
"""Beyond any size in bytes, number of frames or time in seconds; NaN and infinity are not below it either."""


def matches(value: object, hint: object) -> bool:
    """Return whether a value is of a type such as ``float | None`` or ``Mapping[str, str]``.

    Instead of a type, ``hint`` can also be a pattern that text must match, or a tuple of alternatives.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, tuple) or origin in (types.UnionType, typing.Union):
        return any(matches(value, each) for each in (hint if isinstance(hint, tuple) else args))
    if origin is Literal:
        return value in args
    if origin is Mapping:
        return isinstance(value, dict) and all(matches(item, args[1]) for item in value.values())
    if origin is Sequence:
        return isinstance(value, list) and all(matches(item, args[0]) for item in value)
    return _is_scalar(value, hint)


def _is_scalar(value: object, kind: object) -> bool:
    if kind in (int, float):
        numbers = int | float if kind is float else int
        return isinstance(value, numbers) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER
    if isinstance(kind, re.Pattern):
        return isinstance(value, str) and kind.fullmatch(value) is not None
    return isinstance(value, kind)  # type: ignore[arg-type]


def all_match(found: Mapping[str, object], hints: Mapping[str, object], *, required: bool = True) -> bool:
    """Return whether the fields of an object have these types; unless ``required``, any of them may be missing."""
    return all(matches(found[name], hint) if name in found else not required for name, hint in hints.items())
