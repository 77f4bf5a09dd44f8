"""The call of Gradio's queue in app.py, read with ``ast`` and never run."""

from __future__ import annotations

import ast
import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError

WANTED: dict[str, object] = {"max_size": 10, "default_concurrency_limit": 1, "api_open": False}
ARGUMENTS = ", ".join(f"{name}={value!r}" for name, value in WANTED.items())


@dataclass(frozen=True)
class QueueCall:
    """A ``….queue(…)`` call, or the ``….launch(…)`` call in front of which it is missing.

    Attributes:
        line: of the source, counted from 1.
        missing: the call is not there at all.
        wrong: the arguments that are not as wanted, as source text, None where they are not given.
        insert: the offset in bytes where new arguments, or the missing call, belong.
        has_arguments: whether arguments follow after ``insert``.
        spans: where the values of the arguments in ``wrong`` that are given stand, as offsets in bytes.
        unclear: positional or ``**`` arguments may give any of them.
    """

    line: int
    missing: bool
    wrong: dict[str, str | None]
    insert: int
    has_arguments: bool
    spans: dict[str, tuple[int, int]]
    unclear: bool = False


def find_queue(source: bytes, path: Path) -> QueueCall:
    """Find the call.

    Raises:
        InputError: the source is no Python in UTF-8, has several such calls, or neither ``queue`` nor ``launch``.
    """
    try:
        source.decode("utf-8")
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        what = error.msg if isinstance(error, SyntaxError) else "not UTF-8"
        line = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
        raise InputError("not-python", f"is no Python source: {what}{line}", path=path) from error
    offsets = _Offsets(source)
    if queues := _calls(tree, "queue"):
        if len(queues) > 1:
            lines = ", ".join(str(call.lineno) for call in queues)
            hint = f"Give the one that serves: .queue({ARGUMENTS})"
            raise InputError("several-queues", f"calls .queue() in lines {lines}", path=path, hint=hint)
        return _queue(queues[0], offsets)
    if launches := _calls(tree, "launch"):
        owner = launches[-1].func.value  # type: ignore[attr-defined]
        return QueueCall(launches[-1].lineno, True, dict.fromkeys(WANTED), offsets.end(owner), False, {})
    hint = f"Call demo.queue({ARGUMENTS}) before demo.launch()"
    raise InputError("no-queue", "calls neither .queue() nor .launch()", path=path, hint=hint)


def edit_queue(source: bytes, path: Path) -> bytes:
    """Give the call the wanted arguments and keep every other byte.

    Raises:
        InputError: see :func:`find_queue`; or it has positional or ``**`` arguments.
    """
    call = find_queue(source, path)
    if call.unclear:
        what = f"line {call.line} calls .queue() with arguments without a name"
        raise InputError("unclear-queue", what, path=path, hint=f"Write them yourself: {ARGUMENTS}")
    if call.missing:
        return source[: call.insert] + f".queue({ARGUMENTS})".encode() + source[call.insert :]
    new = ", ".join(f"{name}={WANTED[name]!r}" for name, given in call.wrong.items() if given is None)
    changes = [(*span, repr(WANTED[name])) for name, span in call.spans.items()]
    if new:
        changes.append((call.insert, call.insert, new + (", " if call.has_arguments else "")))
    for start, end, text in sorted(changes, reverse=True):
        source = source[:start] + text.encode() + source[end:]
    return source


def _queue(call: ast.Call, offsets: _Offsets) -> QueueCall:
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    wrong: dict[str, str | None] = {name: None for name in WANTED if name not in given}
    spans: dict[str, tuple[int, int]] = {}
    for name, value in given.items():
        if name in WANTED and not _is(value, WANTED[name]):
            wrong[name] = ast.unparse(value)
            spans[name] = offsets.start(value), offsets.end(value)
    unclear = bool(call.args) or any(keyword.arg is None for keyword in call.keywords)
    insert = offsets.start(call.keywords[0]) if call.keywords else offsets.end(call) - 1
    return QueueCall(call.lineno, False, wrong, insert, bool(call.keywords), spans, unclear)


def _is(value: ast.expr, wanted: object) -> bool:
    return isinstance(value, ast.Constant) and type(value.value) is type(wanted) and value.value == wanted


def _calls(tree: ast.AST, method: str) -> list[ast.Call]:
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method
    ]
    return sorted(found, key=lambda call: call.lineno)


class _Offsets:
    """Turns the positions of ``ast`` (line, column in bytes) into offsets in the source."""

    def __init__(self, source: bytes) -> None:
        # The column of the first line does not count a byte-order mark.
        first = len(codecs.BOM_UTF8) if source.startswith(codecs.BOM_UTF8) else 0
        self._starts = [first, *(newline.end() for newline in re.finditer(rb"\r\n|\r|\n", source))]

    def start(self, node: ast.expr | ast.keyword) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None  # noqa: S101
        return self._starts[node.end_lineno - 1] + node.end_col_offset
