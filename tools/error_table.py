"""Every error code with its exit statuses, its meaning and its remedy, as the sources construct the errors.

A call of :class:`~heygem_cli.errors.HeygemError`, of a subclass or of :class:`~heygem_cli.batch.worker.Failure` has the
code as a literal; :mod:`tools.source_texts` finds what its message and its hint may be. Errors that the sources declare
in a table are read from there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from heygem_cli.batch.input_files import HINTS
from heygem_cli.batch.worker import Failure
from heygem_cli.errors import HeygemError, InputError, NotCapableError, StoppedError
from heygem_cli.heygem.failures import KNOWN
from heygem_cli.heygem.service import client
from heygem_cli.processes import SIGNALS
from tools.markdown import Table, Words
from tools.source_texts import PLACEHOLDER, Module, Sources

COMPUTED = {
    ("heygem_cli.batch.worker", "to_failure"): "converts an error",
    ("heygem_cli.heygem.service.client", "_refusal"): "reads REFUSALS",
    ("heygem_cli.heygem.service.engine", "service_problems"): "makes a NotCapableError of any error of the client",
}
"""Functions that construct errors whose codes come from elsewhere, and where they come from."""

MEANINGS = {
    "bad-manifest": "the manifest cannot be read, or has problems, which are listed",
    "bad-option": "a value given in Python cannot be used: <option>: <reason>",
    "internal-error": "an unexpected error: <reason>",
    "stopped": "stopped by a signal: SIGHUP (129), Ctrl-C (130) or SIGTERM (143)",
    "system-error": "an error of the operating system: <reason>",
    "unreadable": "it cannot be read: <reason>",
    "unusable": "the row cannot be used: <reason>",
    "wrong-usage": "there is no such command or option, a value cannot be used, or an argument is missing or too many",
}
"""Meanings of codes whose messages say too little without their values."""


@dataclass(frozen=True)
class ErrorCode:
    """What is known of a code.

    Attributes:
        code: The code.
        exits: The exit statuses, ascending.
        meaning: What its messages say.
        remedy: What its hints say; empty if it has none.
    """

    code: str
    exits: list[int]
    meaning: str
    remedy: str


class _Site(NamedTuple):
    code: str
    exits: frozenset[int]
    messages: list[str]
    hints: list[str]


def error_codes() -> list[ErrorCode]:
    """Return all codes in alphabetical order.

    Raises:
        ValueError: The sources construct an error whose code or meaning cannot be read.
    """
    sites: dict[str, list[_Site]] = {}
    for site in chain(_constructed(Sources()), _declared()):
        sites.setdefault(site.code, []).append(site)
    return [_merge(code, sites[code]) for code in sorted(sites)]


def _merge(code: str, sites: list[_Site]) -> ErrorCode:
    meaning = MEANINGS.get(code) or "; ".join(_distinct(text for site in sites for text in site.messages))
    if not meaning:
        raise ValueError(f"the error {code} has no message in the sources: add it to MEANINGS")
    hints = _distinct(text for site in sites for text in site.hints)
    hints = [hint for hint in hints if not any(hint != other and hint.lower() in other.lower() for other in hints)]
    return ErrorCode(code, sorted({status for site in sites for status in site.exits}), meaning, ". ".join(hints))


def _distinct(texts: Iterable[str]) -> list[str]:
    """Return the texts that say something."""
    return [text for text in dict.fromkeys(texts) if text and not PLACEHOLDER.fullmatch(text)]


def _declared() -> Iterator[_Site]:
    for code, known in KNOWN.items():
        yield _Site(code, _exits(known.kind), [known.message], [known.hint])
    for code, hint in HINTS.items():
        yield _Site(code, _exits(InputError), [], [hint])
    for number, (code, meaning, hint) in [*client.REFUSALS.items(), ("<code>", client.UNEXPECTED)]:
        yield _Site(code, _CLIENT_EXITS, [f"<url> answers {number}, {meaning}"], [hint])


def _exits(kind: type) -> frozenset[int]:
    if issubclass(kind, StoppedError):
        return frozenset(128 + signum for signum in SIGNALS)
    return frozenset({kind.exit_code if issubclass(kind, HeygemError) else HeygemError.exit_code})


_CLIENT_EXITS = _exits(HeygemError) | _exits(NotCapableError)


def _constructed(sources: Sources) -> Iterator[_Site]:
    for module in sources.modules:
        for call in module.calls():
            if kind := _class_of(call, module):
                given = dict(zip(("code", "message", "hint"), call.args, strict=False))
                given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
                yield from _sites(sources, module, kind, given)


def _sites(sources: Sources, module: Module, kind: type, given: dict[str, ast.expr]) -> Iterator[_Site]:
    code = given["code"]
    codes = sources.texts(module, code)
    if any("<" in each for each in codes):
        function = module.function(code)
        if (module.name, function.name if function else "") not in COMPUTED:
            raise ValueError(f"{module.name}, line {code.lineno}: the code of an error has to be a literal")
        return
    exits = _CLIENT_EXITS if module.name == client.__name__ and kind is HeygemError else _exits(kind)
    texts = [sources.texts(module, given[name]) if name in given else [] for name in ("message", "hint")]
    for each in codes:
        yield _Site(each, exits, *texts)


def _class_of(call: ast.Call, module: Module) -> type | None:
    """Return the class of the error or failure that a call constructs from a code, a message and a hint."""
    name = ast.unparse(call.func)
    kind = module.enclosing_class(call) if name == "super().__init__" else module.value(name)
    if kind is Failure:
        return Failure
    if not isinstance(kind, type) or not issubclass(kind, HeygemError):
        return None
    takes_code = kind is not HeygemError if name == "super().__init__" else kind.__init__ is HeygemError.__init__
    return kind if takes_code else None


def error_table() -> Table:
    """Make the table of all error codes."""
    rows = [
        (f"`{each.code}`", ", ".join(map(str, each.exits)), Words(_marked(each.meaning)), Words(_marked(each.remedy)))
        for each in error_codes()
    ]
    return Table(("code", "exit status", "meaning", "remedy"), rows)


def _marked(text: str) -> str:
    """Return a text as Markdown, in which placeholders are code: browsers would take them for tags."""
    return re.sub(rf"(--[\w-]+ )?({PLACEHOLDER.pattern}([=×/][.\w]*)?)+", r"`\g<0>`", text.replace(":<", ": <"))
