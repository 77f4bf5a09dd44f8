"""How the doctor's results are shown: a table, then what to do; or a block for a bug report."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from heygem_cli import __version__
from heygem_cli.cli.output import console

if TYPE_CHECKING:
    from heygem_cli.doctor.inputs import Inputs
    from heygem_cli.doctor.result import CheckResult

STATUSES = ("ok", "warn", "fail", "skip")
STYLES = {"ok": "green", "warn": "bold yellow", "fail": "bold red", "skip": "dim"}

Row = tuple[str, str, str]
"""Status, name and finding."""


def waiting(what: str) -> AbstractContextManager[object]:
    """Show on a terminal that something is going on."""
    screen = console(stderr=True)
    return screen.status(what) if screen.is_terminal else nullcontext()


def print_results(results: list[CheckResult], seconds: float) -> None:
    """Print the table, what is wrong and what to do about it, and a line that sums up."""
    out = console()
    for group, members in groupby(results, key=lambda each: each.group):
        out.print(Text(group, style="bold"))
        _print_rows(out, list(_rows(list(members))))
    wrong = [each for status in ("fail", "warn") for each in results if each.status == status]
    for result in wrong:
        _print_advice(out, result)
    counts = {status: sum(each.status == status for each in results) for status in STATUSES}
    parts = [Text(f"{count} {status}", style=STYLES[status] if count else "") for status, count in counts.items()]
    out.print()
    out.print(Text(", ").join(parts) + Text(f"  ({seconds:.1f} s)", style="dim"))


def _rows(members: list[CheckResult]) -> Iterator[Row]:
    """One row a check; neighbours that were skipped, or are well, for the same reason share one."""
    for (status, found), same in groupby(members, key=lambda each: (each.status, each.found)):
        names = [each.id.partition(".")[2] for each in same]
        shared = status in ("ok", "skip") and len(names) > 1
        if shared:
            yield status, f"{names[0]} … {names[-1]} ({len(names)})", found
        else:
            yield from ((status, name, found) for name in names)


def _print_rows(out: Console, rows: list[Row]) -> None:
    if not out.is_terminal:
        # One line a check, whole: for grep and for CI.
        width = max(len(name) for _, name, _ in rows)
        for status, name, found in rows:
            out.print(Text(f"  {status:<4}  {name:<{width}}  {_one_line(found)}"))
        return
    table = Table.grid(padding=(0, 2), pad_edge=True)
    table.add_column(no_wrap=True)
    table.add_column(max_width=30)
    table.add_column(overflow="fold")
    for status, name, found in rows:
        table.add_row(
            Text(f"{status:<4}", style=STYLES[status]), Text(name), Text(_one_line(found), style=_dim(status))
        )
    out.print(table, soft_wrap=False)


def _dim(status: str) -> str:
    return "dim" if status == "skip" else ""


def _print_advice(out: Console, result: CheckResult) -> None:
    heading = Text.assemble((f"{result.id}: ", "bold"), _one_line(result.found))
    out.print()
    if out.is_terminal:
        _print_indented(out, Text(f"{result.status:<4}", style=STYLES[result.status]), heading)
        _print_indented(out, Text("why ", style="dim"), Text(_one_line(result.why)))
    else:
        out.print(Text(f"{result.status:<4}  ") + heading)
        out.print(Text(f"why   {_one_line(result.why)}"))
    # Never broken by us, so that it can be pasted.
    out.print(Text.assemble(("do    ", "dim"), (result.fix, "cyan")))


def _print_indented(out: Console, label: Text, text: Text) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(label, text)
    out.print(table, soft_wrap=False)


def print_report(results: list[CheckResult], inputs: Inputs) -> None:
    """Print a block of Markdown for a bug report, without the user's name and secrets."""
    from heygem_cli.doctor.redact import redact

    lines = [
        f"heygem {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()} "
        f"{platform.machine()}, {os.cpu_count()} processors",
        *(f"{each.status:<4}  {each.id}  {_one_line(each.found)}" for each in results),
    ]
    text = "\n".join(redact(line, inputs.user_home, inputs.environment) for line in lines)
    console().print(Text(f"```text\n{text}\n```"))


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
