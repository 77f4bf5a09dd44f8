"""Find and edit the environment variables that app.py sets itself. The file is parsed and never executed."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.heygem.installation.gradio_queue import Offsets, parse_source
from heygem_cli.heygem.installation.variables import VARIABLES


@dataclass(frozen=True)
class AppVariable:
    """A variable that a script sets.

    Attributes:
        line: The line number in the source.
        late: Whether the line follows an import of other packages, which may have read the variable before.
        default: Whether the environment takes precedence (``setdefault``).
        span: Where the value is in the source, in bytes.
    """

    value: str
    line: int
    late: bool
    default: bool
    span: tuple[int, int]


def find_variables(source: bytes, path: Path) -> dict[str, AppVariable]:
    """Return the variables that the top level of a script sets to constants, by name; the last assignment counts.

    Raises:
        InputError: The source is not Python in UTF-8.
    """
    offsets = Offsets(source)
    found: dict[str, AppVariable] = {}
    late = False
    for node in parse_source(source, path).body:
        late = late or _imports_packages(node)
        name, value, default = _assignment(node)
        if isinstance(name, ast.Constant) and isinstance(value, ast.Constant) and isinstance(value.value, str):
            span = offsets.start(value), offsets.end(value)
            found[str(name.value)] = AppVariable(value.value, node.lineno, late, default, span)
    return found


def edit_variables(source: bytes, path: Path) -> tuple[bytes, list[str]]:
    """Give the variables that a script sets their recommended values, and return what changed.

    Raises:
        InputError: As in :func:`find_variables`.
    """
    found = find_variables(source, path)
    wrong = [each for each in VARIABLES if each.name in found and found[each.name].value != each.recommended]
    for variable in sorted(wrong, key=lambda each: found[each.name].span, reverse=True):
        start, end = found[variable.name].span
        source = source[:start] + f'"{variable.recommended}"'.encode() + source[end:]
    return source, [f"{each.name}: {found[each.name].value} → {each.recommended}" for each in wrong]


def _assignment(node: ast.stmt) -> tuple[ast.expr | None, ast.expr | None, bool]:
    """Return the name and the value of ``os.environ[name] = value`` or ``os.environ.setdefault(name, value)``."""
    if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Subscript):
        is_environ = ast.unparse(target.value).endswith("environ")
        return (target.slice, node.value, False) if is_environ else (None, None, False)
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(call, ast.Call) and len(call.args) == 2 and ast.unparse(call.func).endswith("environ.setdefault"):
        return call.args[0], call.args[1], True
    return None, None, False


def _imports_packages(node: ast.stmt) -> bool:
    """Return whether a statement imports something that is not in the standard library."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or "."]
    else:
        return False
    return any(name.partition(".")[0] not in sys.stdlib_module_names for name in names)
