"""Find and edit the call of Gradio's queue in app.py. The file is parsed with ``ast`` and never executed."""

from __future__ import annotations

import ast
import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.files import matches, read_or_empty

RECOMMENDED: dict[str, object] = {"max_size": 10, "default_concurrency_limit": 1, "api_open": False}
LIMIT = "default_concurrency_limit"
"""Gradio 3 does not know this argument and raises TypeError; its own default is one job at a time, too."""
CLOSES = "api_open=False closes the queue's API: programs that use gradio_client can no longer submit jobs"
_PIN = re.compile(rb"^gradio[ \t]*[=~>]=[ \t]*([\d.]+)", re.MULTILINE)


def recommended(version: str | None) -> dict[str, object]:
    """Return the recommended arguments for a version of Gradio; if it is unknown, those that every version has."""
    with_limit = version is not None and int(version.split(".")[0]) >= 4
    return {name: value for name, value in RECOMMENDED.items() if name != LIMIT or with_limit}


def written(arguments: Mapping[str, object]) -> str:
    """Return arguments as they are written in a call."""
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


def gradio_version(home: Path, python: str) -> str | None:
    """Return the version of Gradio beside an interpreter, else the one that the tree's requirements name, else None.

    Nothing is executed.
    """
    packages = Path(python).absolute().parent.parent.glob("lib/python3*/site-packages/gradio-[0-9]*.dist-info")
    for folder in packages if "/" in python else []:
        return folder.name.removeprefix("gradio-").removesuffix(".dist-info")
    for path in matches(home, "requirements*.txt"):
        if match := _PIN.search(read_or_empty(path)):
            return match[1].decode()
    return None


@dataclass(frozen=True)
class QueueCall:
    """A ``….queue(…)`` call, or the ``….launch(…)`` call that lacks one.

    Attributes:
        line: The line number in the source.
        missing: Whether there is no call of ``queue``.
        wrong: The arguments that differ from the recommended ones: their source, or None if they are not set.
        edits: What to replace in the source: start and end in bytes, and the new text.
        unclear: Whether there are positional or ``**`` arguments, which may set any of them.
    """

    line: int
    missing: bool
    wrong: dict[str, str | None]
    edits: list[tuple[int, int, str]]
    unclear: bool = False


def parse_source(source: bytes, path: Path) -> ast.Module:
    """Parse a Python source.

    Raises:
        InputError: It is not Python in UTF-8.
    """
    try:
        source.decode("utf-8")
        tree = ast.parse(source)
        ast.unparse(tree)  # as is done with parts of it
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError | MemoryError) else "not UTF-8"
        reason = error.msg if isinstance(error, SyntaxError) else reason
        line = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
        raise InputError("not-python", f"not a Python source: {reason}{line}", path=path, hint="Correct it") from error
    return tree


def find_queue(source: bytes, path: Path, version: str | None) -> QueueCall:
    """Find the call of ``queue``, or of ``launch``, and compare it with what a version of Gradio should get.

    Raises:
        InputError: The source is not Python in UTF-8, has several calls of ``queue``, or neither of the two.
    """
    tree = parse_source(source, path)
    offsets = Offsets(source)
    best = recommended(version)
    if queues := _find_calls(tree, "queue"):
        if len(queues) > 1:
            lines = ", ".join(str(call.lineno) for call in queues)
            hint = f"Write in the one that is served: .queue({written(best)})"
            raise InputError("several-queues", f"calls .queue() in lines {lines}", path=path, hint=hint)
        return _parse_queue(queues[0], offsets, best)
    if launches := _find_calls(tree, "launch"):
        end = offsets.end(launches[-1].func.value)  # type: ignore[attr-defined]
        return QueueCall(launches[-1].lineno, True, dict.fromkeys(best), [(end, end, f".queue({written(best)})")])
    hint = f"Call demo.queue({written(best)}) before demo.launch()"
    raise InputError("no-queue", "calls neither .queue() nor .launch()", path=path, hint=hint)


def edit_queue(source: bytes, path: Path, version: str | None) -> bytes:
    """Set the recommended arguments, and keep every other byte.

    Raises:
        InputError: As in :func:`find_queue`, or the call has positional or ``**`` arguments.
    """
    call = find_queue(source, path, version)
    if call.unclear:
        message = f"line {call.line} calls .queue() with arguments without names"
        raise InputError("unclear-queue", message, path=path, hint=f"Write by hand: {written(recommended(version))}")
    for start, end, text in sorted(call.edits, reverse=True):
        source = source[:start] + text.encode() + source[end:]
    return source


def _parse_queue(call: ast.Call, offsets: Offsets, best: dict[str, object]) -> QueueCall:
    values = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    wrong: dict[str, str | None] = {name: None for name in best if name not in values}
    edits = []
    if new := written({name: best[name] for name in wrong}):
        start = offsets.start(call.keywords[0]) if call.keywords else offsets.end(call) - 1
        edits.append((start, start, f"{new}, " if call.keywords else new))
    for name, value in values.items():
        if name in RECOMMENDED and not _equals(value, RECOMMENDED[name]):
            wrong[name] = ast.unparse(value)
            edits.append((offsets.start(value), offsets.end(value), repr(RECOMMENDED[name])))
    unclear = bool(call.args) or any(keyword.arg is None for keyword in call.keywords)
    return QueueCall(call.lineno, False, wrong, edits, unclear)


def _equals(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is type(value) and node.value == value


def _find_calls(tree: ast.AST, method: str) -> list[ast.Call]:
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method
    ]
    return sorted(calls, key=lambda call: call.lineno)


class Offsets:
    """Converts the positions of ``ast`` (line, column in bytes) into byte offsets in the source."""

    def __init__(self, source: bytes) -> None:
        # Columns of the first line do not count a byte-order mark.
        first = len(codecs.BOM_UTF8) if source.startswith(codecs.BOM_UTF8) else 0
        self._starts = [first, *(newline.end() for newline in re.finditer(rb"\r\n|\r|\n", source))]

    def start(self, node: ast.expr | ast.keyword) -> int:
        """Return where a node begins."""
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr) -> int:
        """Return where a node ends."""
        assert node.end_lineno is not None and node.end_col_offset is not None  # noqa: S101
        return self._starts[node.end_lineno - 1] + node.end_col_offset
