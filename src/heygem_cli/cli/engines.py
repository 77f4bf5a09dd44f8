"""``heygem engines``: what can render, what it needs, and whether it would work here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from rich.table import Table
from rich.text import Text

from heygem_cli.cli.output import console, print_json, spinner
from heygem_cli.cli.parameters import command, only
from heygem_cli.options import DisplayOptions, EngineOptions
from heygem_cli.runtime import check_address_space

if TYPE_CHECKING:
    from heygem_cli.engines import EngineEntry
    from heygem_cli.errors import HeygemError

STYLES = {"ready": "green", "not ready": "yellow", "needs": "dim", "why": "dim", "do": "dim"}
Found = dict[str, "list[HeygemError]"]
"""By the name of the engine, what keeps it from working."""


@command
def engines(
    *,
    options: Annotated[EngineOptions, only("home", "python", "conda_env", "url", "maps")],
    display: Annotated[DisplayOptions, only("as_json")],
) -> None:
    """List the engines and what each of them lacks here.

    Nothing is started or loaded. The exit status is 0 whether engines are ready or not.
    """
    check_address_space()
    from heygem_cli.engines import ENGINES

    with spinner("checking"):
        problems = {name: entry.problems(options) for name, entry in ENGINES.items()}
    if display.as_json:
        print_json({"engines": [_to_dict(entry, problems) for entry in ENGINES.values()]})
    else:
        _print(list(ENGINES.values()), problems)


def _to_dict(entry: EngineEntry, found: Found) -> dict[str, object]:
    return {
        "name": entry.name,
        "summary": entry.summary,
        "needs": list(entry.needs),
        "ready": not found[entry.name],
        "problems": [problem.to_dict() for problem in found[entry.name]],
    }


def _print(entries: list[EngineEntry], found: Found) -> None:
    rows = [row for entry in entries for row in _rows(entry, found[entry.name])]
    out = console()
    if not out.is_terminal:
        # One line a fact, whole: for grep.
        for name, label, text in rows:
            out.print(Text(f"{name:<11}  {label:<9}  {text}"))
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, label, text in rows:
        table.add_row(Text(name), Text(label, style=STYLES[label]), Text(text, style="cyan" if label == "do" else ""))
    out.print(table, soft_wrap=False)


def _rows(entry: EngineEntry, problems: list[HeygemError]) -> Iterator[tuple[str, str, str]]:
    yield entry.name, "not ready" if problems else "ready", entry.summary
    yield "", "needs", ", ".join(entry.needs)
    for number, problem in enumerate(problems):
        yield "", "why", problem.message
        # Neighbours with the same remedy share it.
        if problem.hint and [each.hint for each in problems[number + 1 : number + 2]] != [problem.hint]:
            yield "", "do", problem.hint
