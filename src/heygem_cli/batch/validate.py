"""Whether what was read from JSON is what it should be; anybody can write into a file."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Literal


def matches(value: object, hint: object) -> bool:
    """Tell whether a value is of a type, such as ``int``, ``float | None`` or ``Mapping[str, str]``."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return any(matches(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if origin is Mapping:
        return isinstance(value, dict) and all(matches(item, inner[1]) for item in value.values())
    if origin is Sequence:
        return isinstance(value, list) and all(matches(item, inner[0]) for item in value)
    return _is_scalar(value, hint)


def _is_scalar(value: object, kind: object) -> bool:
    if kind in (int, float):
        numbers = int | float if kind is float else int
        return isinstance(value, numbers) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, kind)  # type: ignore[arg-type]


def all_match(found: Mapping[str, object], hints: Mapping[str, object], *, needed: bool = True) -> bool:
    """Tell whether an object has these fields, each of its type.

    Args:
        found: read from JSON.
        hints: a type for each name.
        needed: whether none may be missing.
    """
    return all(matches(found[name], hint) if name in found else not needed for name, hint in hints.items())
