"""How an option is declared as the field of a dataclass, and what is derived from the declaration."""

from __future__ import annotations

import functools
import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar

from heygem_cli.errors import InputError

Scope = Literal["row", "run"]
"""``row``: may differ from job to job; ``run``: belongs to the process, which loads its engines once for all jobs."""

Group = TypeVar("Group")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Option:
    """What a field says about its option beyond its type and default.

    Attributes:
        help: One sentence or two for ``--help`` and the documentation.
        metavar: What stands for the value in ``--help``.
        minimum: The smallest number allowed.
        maximum: The largest number allowed.
        scope: See :data:`Scope`.
        changes_output: Whether another value makes another video, so that a finished job has to be rendered again.
        flags: The flags of the command line; empty for the field's name with dashes.
        hidden_flag: A former flag that still works.
        hidden_column: A former column of a manifest that still works.
        variable: Whether ``HEYGEM_NAME`` sets it.
        default_text: The default in words, where the value does not say it.
        is_input: Whether the value is a file that is read.
        parse: Reads the value from text where the type alone does not tell how.
    """

    help: str
    metavar: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    scope: Scope = "row"
    changes_output: bool = True
    flags: tuple[str, ...] = ()
    hidden_flag: str | None = None
    hidden_column: str | None = None
    variable: bool = True
    default_text: str | None = None
    is_input: bool = False
    parse: Callable[[str], Any] | None = None


def option(default: Any, help: str, **facts: Any) -> Any:  # noqa: ANN401 - like dataclasses.field
    """Declare a field as an option; ``facts`` are further attributes of :class:`Option`."""
    return field(default=default, metadata={"option": Option(help, **facts)})


@dataclass(frozen=True)
class Declared:
    """An option with its name, its type and its place in a group.

    Attributes:
        name: Of the field; also the manifest's column.
        type: Of the value, without ``None``.
        optional: Whether it may be ``None``.
        default: The value where nothing is given.
        path: The fields that lead to it from the group.
        facts: What the field says.
    """

    name: str
    type: Any
    optional: bool
    default: Any
    path: tuple[str, ...]
    facts: Option

    @property
    def repeated(self) -> bool:
        """Whether it takes several values."""
        return typing.get_origin(self.type) is tuple

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of the command line."""
        return self.facts.flags or (f"--{self.name.replace('_', '-')}",)

    @property
    def variable(self) -> str | None:
        """The environment variable that sets it."""
        flag = self.flags[-1].removeprefix("--").replace("-", "_").upper()
        return f"HEYGEM_{flag}" if self.facts.variable else None

    def read(self, text: str) -> Any:  # noqa: ANN401 - of the field's type
        """Read the value from text, as a cell of a manifest has it; several values stand between semicolons.

        Raises:
            ValueError: The text is no value of this option.
            InputError: Likewise, with a hint.
        """
        if self.facts.parse is not None:
            parts = text.split(";") if self.repeated else []
            values = tuple(self.facts.parse(part.strip()) for part in parts if part.strip())
            return values if self.repeated else self.facts.parse(text)
        if typing.get_origin(self.type) is Literal:
            return self._one_of(text, {choice: choice for choice in typing.get_args(self.type)})
        if self.type is bool:
            return self._one_of(text.lower(), _BOOLEANS)
        if self.type in (int, float):
            # Tables write 18.0 for a whole number if the column has empty cells.
            number = rf"[0-9]{{1,15}}(\.{'0' if self.type is int else '[0-9]'}{{1,15}})?"
            if not re.fullmatch(number, text) or not self._in_range(float(text)):
                raise ValueError(f"{text!r} is not {self._range()}")
            return self.type(float(text))
        return self.type(text)

    def _one_of(self, text: str, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
        if text not in values:
            raise ValueError(f"{text!r} is not one of {', '.join(values)}")
        return values[text]

    def checked(self, value: Any) -> Any:  # noqa: ANN401
        """Return a value that a caller of the Python API gives; text is read as :meth:`read` does.

        Raises:
            InputError: ``bad-option``: it has the wrong type or is out of range.
        """
        if value is None and self.optional:
            return None
        try:
            return self.read(value) if isinstance(value, str) and not self.repeated else self._typed(value)
        except (ValueError, TypeError) as error:
            raise InputError("bad-option", f"{self.name}: {error}") from error

    def _typed(self, value: Any) -> Any:  # noqa: ANN401
        if self.repeated:
            values = (value,) if isinstance(value, str) else tuple(value)
            return tuple(
                self.facts.parse(each) if self.facts.parse and isinstance(each, str) else each for each in values
            )
        kind = (int, float) if self.type is float else self.type
        is_number = self.type in (int, float)
        fits = typing.get_origin(self.type) is None and isinstance(value, kind)
        if not fits or (is_number and (isinstance(value, bool) or not self._in_range(value))):
            raise ValueError(f"{value!r} is not {self._range()}")
        return value

    def _in_range(self, value: float) -> bool:
        low, high = self.facts.minimum, self.facts.maximum
        return math.isfinite(value) and (low is None or value >= low) and (high is None or value <= high)

    def _range(self) -> str:
        """Say in words what values there are."""
        kind = {int: "a whole number", float: "a number", bool: "true or false"}.get(self.type)
        if kind is None or self.facts.minimum is None:
            return kind or f"a value of type {getattr(self.type, '__name__', 'str')}"
        low, high = self.facts.minimum, self.facts.maximum
        return f"{kind} of at least {low:g}" if high is None else f"{kind} from {low:g} to {high:g}"


@functools.cache
def declared(group: type) -> tuple[Declared, ...]:
    """Return the options of a group, those of nested groups in their place."""
    return tuple(_walk(group, ()))


def _walk(group: type, path: tuple[str, ...]) -> Iterator[Declared]:
    hints = typing.get_type_hints(group)
    for each in fields(group):
        hint = hints[each.name]
        if is_dataclass(hint) and "option" not in each.metadata:
            yield from _walk(hint, (*path, each.name))  # type: ignore[arg-type]
        else:
            yield _declare(each, hint, path)


def _declare(each: Field[Any], hint: Any, path: tuple[str, ...]) -> Declared:  # noqa: ANN401
    inner = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    kinds = [kind for kind in inner if kind is not type(None)]
    assert each.default is not MISSING  # noqa: S101
    return Declared(each.name, kinds[0], len(kinds) < len(inner), each.default, path, each.metadata["option"])


def value_of(group: object, each: Declared) -> Any:  # noqa: ANN401
    """Return the value of an option in an instance of its group."""
    return getattr(functools.reduce(getattr, each.path, group), each.name)


def with_values(group: Group, values: Mapping[str, Any]) -> Group:
    """Return a copy of a group in which the options named have other values."""
    group_type: type = type(group)
    for each in declared(group_type):
        if each.name in values:
            group = _with_value(group, (*each.path, each.name), values[each.name])
    return group


def _with_value(group: Any, path: tuple[str, ...], value: Any) -> Any:  # noqa: ANN401
    name, *rest = path
    return replace(group, **{name: _with_value(getattr(group, name), tuple(rest), value) if rest else value})
