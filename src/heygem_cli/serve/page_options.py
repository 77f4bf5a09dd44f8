"""The options that the page offers, made from what ``options.py`` declares."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from heygem_cli.engines import find_engine
from heygem_cli.option_fields import Declared, value_of
from heygem_cli.options import ROW_OPTIONS, RenderOptions
from heygem_cli.serve.texts import OPTIONS_ZH, Language, OptionTexts


def offered(defaults: RenderOptions) -> list[Declared]:
    """Return the options that the page offers, as far as the engine uses them, with the server's defaults.

    They name no file of the server and are not what the machine decides. Left out are those that ``quality`` sets
    (``crf``, ``preset``), ``pixel_format``, since browsers do not play the result, and ``face_start`` and
    ``video_track``, which change how the people of the picture are numbered.
    """
    usable = find_engine(defaults.engine).uses
    named = [ROW_OPTIONS[name] for name in OPTIONS_ZH if name in usable]
    return [replace(each, default=value_of(defaults, each)) for each in named]


def offers_people(defaults: RenderOptions) -> bool:
    """Return whether a job may say who speaks: HeyGem's engines find that out themselves."""
    return "person" in find_engine(defaults.engine).uses


def option_texts(language: Language) -> dict[str, str]:
    """Return the label, the help and the default of each option, under ``option_NAME_label`` and so on."""
    texts: dict[str, str] = {}
    for name in OPTIONS_ZH:
        shown = _in_english(ROW_OPTIONS[name]) if language == "en" else OPTIONS_ZH[name]
        texts |= {text_key(name, part): text for part, text in vars(shown).items()}
    return texts


def text_key(name: str, part: str) -> str:
    """Return the name of a text of an option."""
    return f"option_{name}_{part}"


def _in_english(each: Declared) -> OptionTexts:
    label = each.name.replace("_", " ").capitalize()
    return OptionTexts(label, each.facts.help, (each.facts.default_text or "").replace("`", ""))


def kind(each: Declared) -> Literal["choice", "slider", "text"]:
    """Return how an option is asked for."""
    if typing.get_origin(each.type) is Literal:
        return "choice"
    has_range = each.facts.minimum is not None and each.facts.maximum is not None
    return "slider" if each.type is float and has_range else "text"


def shown_default(each: Declared) -> Any:  # noqa: ANN401 - what its component takes
    """Return what the field of an option shows at first; empty where the default is said in words."""
    if kind(each) != "text":
        return each.default
    return "" if each.default == ROW_OPTIONS[each.name].default else str(each.default)


def shown_values(fields: Sequence[Declared], options: Mapping[str, object]) -> list[object]:
    """Return what the fields show for the options of a job."""
    return [_shown(each, options[each.name]) if each.name in options else shown_default(each) for each in fields]


def _shown(each: Declared, value: object) -> object:
    return str(value) if kind(each) == "text" else each.checked(value)


def given_options(fields: Sequence[Declared], values: Sequence[object]) -> dict[str, object]:
    """Return the options whose fields say something else than the default.

    Raises:
        InputError: ``bad-option`` and others: a value cannot be used.
    """
    given = {}
    for each, value in zip(fields, values, strict=True):
        text = value.strip() if isinstance(value, str) else value
        if text not in ("", None) and each.checked(text) != each.default:
            given[each.name] = text
    return given
