"""The texts that an expression of the sources may stand for: literals, f-strings, and variables of the same function.

Values that are only known at run time appear as placeholders such as ``<name>``.
"""

from __future__ import annotations

import ast
import functools
import importlib
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parents[1] / "src"
PLACEHOLDER = re.compile(r"<[^<>]*>")
_SYNONYMS = {"strerror": "reason", "error": "reason", "message": "reason", "why": "reason", "sum": "number"}


class Module:
    """A module of the sources.

    Args:
        path: Its file.
    """

    def __init__(self, path: Path) -> None:
        self.name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        self.nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        self._parents = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}
        imports = [
            (node.module or "", each) for node in self.nodes if isinstance(node, ast.ImportFrom) for each in node.names
        ]
        self._imported = {name.asname or name.name: (module, name.name) for module, name in imports}

    def value(self, name: str) -> object:
        """Return the value of a global name such as ``InputError`` or ``tree.HOME_VARIABLE``; None if it is not one."""
        first, *rest = name.split(".")
        module, attribute = self._imported.get(first, (self.name, first))
        found = getattr(importlib.import_module(module), attribute, None)
        return functools.reduce(lambda value, part: getattr(value, part, None), rest, found)

    def constant(self, node: ast.expr) -> str | float | None:
        """Return the value of a literal or a global constant; None if the expression is neither."""
        is_name = isinstance(node, ast.Name | ast.Attribute)
        value = self.value(ast.unparse(node)) if is_name else getattr(node, "value", None)
        return value if isinstance(value, str) or (is_name and isinstance(value, int | float)) else None

    def calls(self) -> Iterator[ast.Call]:
        """Yield all calls."""
        return (node for node in self.nodes if isinstance(node, ast.Call))

    def _ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        while node in self._parents:
            node = self._parents[node]
            yield node

    def function(self, node: ast.AST) -> ast.FunctionDef | None:
        """Return the function that a node is in."""
        return next((each for each in self._ancestors(node) if isinstance(each, ast.FunctionDef)), None)

    def enclosing_class(self, node: ast.AST) -> object:
        """Return the class that a node is in; None if it is in none."""
        return self.value(next((each.name for each in self._ancestors(node) if isinstance(each, ast.ClassDef)), ""))

    def assigned(self, name: ast.Name) -> list[ast.expr]:
        """Return what a local variable may be: the values that the nearest statement before it assigns."""
        node: ast.AST = name
        for parent in self._ancestors(name):
            for block in (getattr(parent, part, None) for part in ("body", "orelse", "handlers", "finalbody")):
                before = block[: block.index(node)] if isinstance(block, list) and node in block else []
                for statement in reversed(before):
                    if values := list(_assignments(statement, name.id)):
                        return values
            if isinstance(parent, ast.FunctionDef):
                break
            node = parent
        return []


def _assignments(statement: ast.stmt, name: str) -> Iterator[ast.expr]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _unpacked(target, node.value, name)


def _unpacked(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, other in zip(target.elts, value.elts, strict=False):
            yield from _unpacked(one, other, name)


class Sources:
    """All modules, and the texts in them."""

    def __init__(self) -> None:
        self.modules = [Module(path) for path in sorted(ROOT.rglob("*.py")) if path.parent.name != "scripts"]

    def texts(self, module: Module, node: ast.expr) -> list[str]:
        """Return the texts that an expression may stand for."""
        parts: list[ast.expr] = []
        match node:
            case ast.JoinedStr():
                return ["".join(each) for each in product(*(self.texts(module, part) for part in node.values))]
            case ast.FormattedValue():
                return [self._formatted(module, node)]
            case ast.Call(func=ast.Attribute(value=template, attr="format")):
                return [re.sub(r"\{(\w+)\}", r"<\1>", text) for text in self.texts(module, template)]
            case ast.IfExp():
                parts = [node.body, node.orelse]
            case ast.Call(func=ast.Name(id="did_you_mean"), args=[_, _, otherwise]):
                parts = [otherwise]
            case ast.Name():
                parts = module.assigned(node)
        texts = [text for part in parts for text in self.texts(module, part)]
        if isinstance(node, ast.Name):
            texts = texts or self._passed(module, node)
        constant = module.constant(node)
        return texts or [f"<{_placeholder(node)}>" if constant is None else str(constant)]

    def _formatted(self, module: Module, node: ast.FormattedValue) -> str:
        """Return what stands for a value in an f-string; of alternatives the first, and nothing if it may be empty."""
        value, spec = node.value, ast.unparse(node.format_spec)[2:-1] if node.format_spec else ""
        if (constant := module.constant(value)) is not None:
            return format(constant, spec)
        values = module.assigned(value) if isinstance(value, ast.Name) else []
        texts = [text for each in values for text in self.texts(module, each)]
        if texts and not PLACEHOLDER.fullmatch(texts[0]):
            return "" if "" in texts else texts[0]
        return "<percentage>" if spec.endswith("%") else f"<{_placeholder(value)}>"

    def _passed(self, module: Module, node: ast.Name) -> list[str]:
        """Return the texts that callers pass as a parameter of the function that a node is in."""
        function = module.function(node)
        names = [each.arg for each in (*function.args.args, *function.args.kwonlyargs)] if function else []
        if function is None or node.id not in names:
            return []
        position = names.index(node.id) - (names[0] == "self")
        texts = []
        for caller in [module] if function.name.startswith("_") else self.modules:
            for call in caller.calls():
                if ast.unparse(call.func).split(".")[-1] == function.name:
                    texts += [text for each in _argument(call, position, node.id) for text in self.texts(caller, each)]
        return texts


def _argument(call: ast.Call, position: int, name: str) -> list[ast.expr]:
    return [*call.args[position : position + 1], *(each.value for each in call.keywords if each.arg == name)]


def _placeholder(node: ast.expr) -> str:
    """Return a name for a value that is only known at run time."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)):
            return _SYNONYMS.get(name, name.strip("_").removeprefix("st_").replace("_", " ").lower())
        case ast.Call(func=ast.Name(id="len")) | ast.Call(func=ast.Attribute(attr="sum")):
            return "number"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
            part: ast.expr = ast.Name(name)
        case ast.Call(func=ast.Attribute(value=ast.Call() as part)) | ast.Subscript(slice=ast.Constant(str()) as part):
            pass
        case ast.Call(args=[part, *_]) | ast.Call(func=ast.Attribute(value=part)) | ast.Subscript(value=part):
            pass
        case ast.BoolOp(values=[part, *_]) | ast.BinOp(left=part) | ast.IfExp(body=part) | ast.GeneratorExp(elt=part):
            pass
        case ast.JoinedStr(values=[*_, part]) | ast.FormattedValue(value=part):
            pass
        case _:
            return "value"
    return _placeholder(part)
