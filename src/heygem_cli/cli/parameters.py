"""Commands whose parameters are built from the options that :mod:`heygem_cli.options` declares."""

from __future__ import annotations

import functools
import inspect
import shlex
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from heygem_cli.cli.config_file import Config
from heygem_cli.cli.output import print_warnings, report_errors
from heygem_cli.cli.signals import raise_on_signal
from heygem_cli.errors import InputError
from heygem_cli.option_fields import Declared, declared, with_values

_CONTEXT = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
_FORMER = "former_"
"""Prefix of the parameter of a flag that has another name now."""


class FilesCommand(typer.core.TyperCommand):
    """Shows its files as the documentation does, without brackets or braces."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002, D102
        return ["[OPTIONS]", *(str(each.metavar) for each in self.params if each.param_type_name == "argument")]


class Given(frozenset[str]):
    """Names of the options that the command line itself gives, with whatever value."""


def only(*names: str) -> frozenset[str]:
    """Name the options of a group that a command takes; goes into ``Annotated`` beside the group."""
    return frozenset(names)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make a Typer command of a function that takes groups of options.

    A parameter whose type is a group is replaced by one parameter for each of its options; those of type :class:`Given`
    and ``typer.Context`` are filled in. Errors are reported in one line, and signals become errors.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    own = inspect.signature(function).parameters
    groups = {name: options for name in own if (options := _options_of(hints[name]))}
    flat = [_CONTEXT]
    for name, parameter in own.items():
        if name in groups:
            flat += [made for each in groups[name] for made in _parameters(each)]
        elif hints[name] not in (Given, typer.Context):
            flat.append(parameter.replace(annotation=hints[name]))

    @functools.wraps(function)
    def run(context: typer.Context, **values: Any) -> None:  # noqa: ANN401 - as Typer parsed them
        as_json, debug = (bool(values.get(name)) for name in ("as_json", "debug"))
        one_line = values.get("watch") is not None
        with report_errors(as_json=as_json, one_line=one_line, debug=debug), raise_on_signal():
            arguments = {name: values[name] for name in own if name in values}
            for name, options in groups.items():
                arguments[name] = with_values(_class_of(hints[name])(), _values(options, values, function.__name__))
            for name in own:
                if hints[name] is Given:
                    arguments[name] = Given(_given(context, values))
                elif hints[name] is typer.Context:
                    arguments[name] = context
            if not values.get("quiet"):
                print_warnings(config_of(context).warnings)
            function(**arguments)

    run.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    run.declared = tuple(each for options in groups.values() for each in options)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return run


def options_of(function: Callable[..., None]) -> dict[str, Declared]:
    """Return the options of a command that variables and files may set, by the name of their flag."""
    return {each.flags[-1].removeprefix("--"): each for each in function.declared if each.variable}  # type: ignore[attr-defined]


def config_of(context: typer.Context) -> Config:
    """Return what the files say."""
    config = context.find_root().obj
    return config if isinstance(config, Config) else Config({}, {}, ())


def _class_of(hint: Any) -> Any:  # noqa: ANN401
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def _options_of(hint: Any) -> list[Declared]:  # noqa: ANN401
    """Return the options of a parameter's type; none if it is not a group."""
    group = _class_of(hint)
    if not is_dataclass(group):
        return []
    wanted = [each for each in typing.get_args(hint)[1:] if isinstance(each, frozenset)]
    return [each for each in declared(group) if not wanted or each.name in wanted[0]]  # type: ignore[arg-type]


def _parameters(each: Declared) -> Iterator[inspect.Parameter]:
    facts, default = each.facts, each.default
    kind, optional = each.type, each.optional
    if each.repeated:
        kind, optional, default = list[str], True, None
    elif facts.parse is not None:
        kind, default = str, None if default is None else str(default)
    shown = typer.Option(
        *each.flags,
        metavar=facts.metavar,
        min=facts.minimum,
        max=facts.maximum,
        envvar=each.variable,
        show_default=facts.default_text or True,
        help=facts.help,
    )
    yield _keyword(each.name, Annotated[kind | None if optional else kind, shown], default)
    if facts.hidden_flag is not None:
        variable = f"HEYGEM_{facts.hidden_flag.strip('-').replace('-', '_').upper()}"
        hidden = typer.Option(facts.hidden_flag, envvar=variable, hidden=True)
        yield _keyword(_FORMER + each.name, Annotated[str | None, hidden], None)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:  # noqa: ANN401
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _values(options: list[Declared], values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the options' values as their fields have them.

    Raises:
        InputError: One cannot be read.
    """
    found: dict[str, Any] = {}
    for each in options:
        value = values[each.name]
        former = values.get(_FORMER + each.name)
        if former is not None:
            value = _former_value(each, former, values, name)
            if values[each.name] not in (str(each.default), value):
                message = f"{each.facts.hidden_flag} and {each.flags[-1]} are the same option"
                raise InputError("bad-options", message, hint=f"Use {each.flags[-1]} only")
        if isinstance(value, float):  # Typer takes NaN for any number, and infinity where there is no upper limit
            each.checked(value)
        parse = each.facts.parse or (lambda text: text)
        if each.repeated:
            found[each.name] = tuple(parse(text) for text in value or ())
        else:
            found[each.name] = None if value is None else parse(value)
    return found


def _former_value(each: Declared, text: str, values: Mapping[str, Any], name: str) -> str:
    """Return the value of a former flag.

    Raises:
        InputError: It is a file: ``--face`` looks as if it named the face video.
    """
    suffix = Path(text).suffix[1:]
    if suffix and not suffix.isdecimal():
        line = f"heygem render {shlex.quote(str(values.get('audio') or 'AUDIO'))} {shlex.quote(text)}"
        hint = f"Run: {line}" if name == "render" else "Name it in the column face of the manifest"
        message = f"{each.facts.hidden_flag} {text}: the face video is not given by an option"
        raise InputError("bad-face-choice", message, hint=hint)
    return text


def _given(context: typer.Context, values: Mapping[str, Any]) -> Iterator[str]:
    for name in values:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            yield name.removeprefix(_FORMER)
