"""The package's layers: which part may import which. docs/architecture.md explains them."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "heygem_cli"

# A part imports from itself and from the lines above it; parts on one line do not know each other.
LAYERS = [
    ["errors"],
    ["http_client", "processes", "lock_holder", "extras", "cgroup"],
    ["files", "locks", "runtime", "option_fields", "color", "folder_map", "person", "name_template", "times"],
    ["remote"],
    ["options"],
    ["maintenance_options", "serve_options", "cluster_options"],
    ["onnx"],
    ["media"],
    ["face"],
    ["speech"],
    ["job"],
    ["timeline", "time_left"],
    ["mesh", "heygem"],
    ["engines"],
    ["pipeline"],
    ["api"],
    ["batch", "doctor"],
    ["serve", "scale"],
    ["cli"],
    ["__main__"],
]
LAYER_OF = {part: number for number, layer in enumerate(LAYERS) for part in layer}
PARTS = sorted({path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()})
FRONT_ENDS = {"batch", "doctor", "serve", "scale", "cli"}
USERS_OF_HEYGEM = ("heygem.", "engines.", "doctor.", "cli.doctor.", "cli.fix_config.", "cli.restart.")


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, ast.Module]:
    """Return the syntax tree of each module, by its name without the package's."""
    paths = PACKAGE.rglob("*.py")
    return {name_of(path): ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in paths}


def imported(node: ast.AST, module: str) -> Iterator[str]:
    """Yield the modules of the package that an import statement names."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, f"{module}, line {node.lineno}: relative import; write it in full"
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        return
    for name in names:
        package, _, target = name.partition(".")
        if package == PACKAGE.name:
            yield target if target in modules() else target.rpartition(".")[0]


def all_imports() -> list[tuple[str, str]]:
    """Return who imports what, anywhere: also inside functions, and for type checkers only."""
    pairs = {
        (module, name)
        for module, tree in modules().items()
        for node in ast.walk(tree)
        for name in imported(node, module)
    }
    return sorted(pair for pair in pairs if pair[1])


def import_time_imports(module: str) -> set[str]:
    """Return what importing a module imports."""

    def visit(nodes: list[ast.stmt]) -> Iterator[str]:
        for node in nodes:
            yield from imported(node, module)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                yield from visit(node.orelse)
            elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for block in ("body", "orelse", "finalbody"):
                    yield from visit(getattr(node, block, []))
                for handler in getattr(node, "handlers", []):
                    yield from visit(handler.body)

    # The package itself imports the API only when it is first used.
    return set(visit(modules()[module].body)) - {"", module}


def part_of(module: str) -> str:
    return module.partition(".")[0]


def listed(pairs: list[tuple[str, str]]) -> str:
    return "\n".join(f"{module} imports {name}" for module, name in pairs)


def test_every_part_has_a_layer():
    assert set(PARTS) - {"__init__"} == set(LAYER_OF)


def test_layers_run_one_way():
    wrong = [
        (module, name)
        for module, name in all_imports()
        if module and part_of(name) != part_of(module) and LAYER_OF[part_of(name)] >= LAYER_OF[part_of(module)]
    ]
    assert not wrong, listed(wrong)


def test_render_path_never_imports_a_front_end():
    wrong = [
        (module, name)
        for module, name in all_imports()
        if part_of(module) not in {*FRONT_ENDS, "__main__"} and part_of(name) in FRONT_ENDS
    ]
    assert not wrong, listed(wrong)


def test_heygem_is_imported_by_its_engines_doctor_and_fix_config_only():
    wrong = [
        (module, name)
        for module, name in all_imports()
        if part_of(name) == "heygem" and not f"{module}.".startswith(USERS_OF_HEYGEM)
    ]
    assert not wrong, listed(wrong)


def test_modules_do_not_import_each_other_in_a_circle():
    graph = {module: import_time_imports(module) for module in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))
