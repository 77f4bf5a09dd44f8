"""``heygem doctor``: check this machine and a HeyGem installation."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from heygem_cli import __version__
from heygem_cli.cli.output import console, print_facts, print_json, spinner
from heygem_cli.cli.parameters import command, only
from heygem_cli.cli.watch import watch
from heygem_cli.errors import InputError
from heygem_cli.maintenance_options import ContainerOptions, DoctorOptions
from heygem_cli.options import DisplayOptions, EngineOptions
from heygem_cli.runtime import check_address_space

if TYPE_CHECKING:
    from heygem_cli.doctor.check import Check
    from heygem_cli.doctor.inputs import Inputs
    from heygem_cli.doctor.runner import CheckResult

STYLES = {"ok": "green", "warn": "bold yellow", "fail": "bold red", "skip": "dim"}

Row = tuple[str, str, str]
"""Status, name and finding."""


@command
def doctor(
    *,
    engines: Annotated[EngineOptions, only("home", "python", "conda_env", "maps")],
    options: DoctorOptions,
    containers: ContainerOptions,
    display: Annotated[DisplayOptions, only("as_json")],
) -> None:
    """Check this machine and the HeyGem on it.

    Reports what is wrong, why it matters and what to do; changes nothing. Exit 0: nothing failed, 1: something did.
    """
    check_address_space()
    from heygem_cli.doctor.container import GROUPS_OF_THE_HOST
    from heygem_cli.doctor.registry import select
    from heygem_cli.doctor.runner import run_checks
    from heygem_cli.doctor.verdict import names_heygem, verdict

    _check_options(options, as_json=display.as_json)
    checks = select(_split(options.only), _split(options.skip))
    if options.as_list:
        _print_list(checks, as_json=display.as_json)
        return
    if containers.container is not None and not options.only:
        checks = [each for each in checks if each.group not in GROUPS_OF_THE_HOST]

    def run() -> tuple[list[CheckResult], Inputs]:
        with spinner("checking"), _inputs(engines, options, containers.container) as inputs:
            results = run_checks(checks, inputs)
            if options.prometheus is not None:
                from heygem_cli.doctor.metrics import write_metrics

                write_metrics(options.prometheus, results, inputs)
        return results, inputs

    if options.watch is not None:
        watch(lambda: run()[0], options.watch, as_json=display.as_json)
    start = time.monotonic()
    results, inputs = run()
    seconds = time.monotonic() - start
    failed = any(each.status == "fail" or (options.strict and each.status == "warn") for each in results)
    if display.as_json:
        print_json(_to_dict(results, inputs, seconds, failed=failed))
    elif options.as_report:
        _print_report(results, inputs)
    else:
        quiet = not options.only and containers.container is None and not names_heygem(inputs)
        _print_results(results, seconds, verdict(results, inputs), quiet=quiet)
    if failed:
        raise typer.Exit(1)


def _check_options(options: DoctorOptions, *, as_json: bool) -> None:
    if as_json and options.as_report:
        raise InputError("bad-options", "--json and --report exclude each other", hint="Use one of them")
    if options.prometheus is not None and options.prometheus.suffix != ".prom":
        message = "node-exporter reads only files whose names end with .prom"
        raise InputError("bad-options", message, path=options.prometheus, hint="Rename it: heygem.prom")


@contextmanager
def _inputs(engines: EngineOptions, options: DoctorOptions, container: str | None) -> Iterator[Inputs]:
    from heygem_cli.doctor.container import container_inputs
    from heygem_cli.doctor.inputs import Inputs
    from heygem_cli.doctor.log_file import read_texts
    from heygem_cli.heygem.installation.tree import find_home
    from heygem_cli.heygem.local.locate import named_python
    from heygem_cli.heygem.service.client import checked_url

    url = None if options.url is None else checked_url(options.url, example="http://127.0.0.1:7860")
    if container is not None:
        with container_inputs(container, engines, options) as inputs:
            yield inputs
        return
    root = find_home(engines.home, os.environ, Path.cwd())
    yield Inputs(
        home=root,
        home_python=named_python(engines, root, os.environ),
        compose=options.compose,
        url=url,
        maps=engines.maps,
        logs=tuple(read_texts(options.log)),
        output=options.output or Path.cwd(),
        require_gpu="gpu" in options.require,
        require_service="service" in options.require,
        deep=options.deep,
    )


def _split(names: tuple[str, ...]) -> list[str]:
    return [name for each in names for name in each.split(",") if name]


def _print_list(checks: list[Check], *, as_json: bool) -> None:
    if as_json:
        print_json({"checks": [{"id": each.id, "group": each.group, "title": each.title} for each in checks]})
    else:
        print_facts({each.id: each.title for each in checks})


def _to_dict(results: list[CheckResult], inputs: Inputs, seconds: float, *, failed: bool) -> dict[str, object]:
    from heygem_cli.doctor.verdict import verdict

    return {
        "heygem": __version__,
        "healthy": not failed,
        "seconds": round(seconds, 2),
        "home": None if inputs.home is None else inputs.machine.shown(str(inputs.home)),
        "summary": _counts(results),
        "verdict": verdict(results, inputs),
        "checks": [asdict(each) for each in results],
    }


def _counts(results: list[CheckResult]) -> dict[str, int]:
    return {status: sum(each.status == status for each in results) for status in STYLES}


def _print_results(results: list[CheckResult], seconds: float, verdict: str, *, quiet: bool) -> None:
    """Print a table per group, each problem with its fix, a summary and the verdict; if quiet, nothing about HeyGem."""
    out = console()
    shown = [each for each in results if not quiet or _matters(each)]
    for group, members in groupby(shown, key=lambda each: each.group):
        out.print(Text(group, style="bold"))
        _print_rows(out, list(_rows(list(members))))
    if quiet:
        out.print(Text("HeyGem", style="bold"))
        out.print(
            Text("  none here: name its folder with --home, its service with --url, its container with --container")
        )
    for status in ("fail", "warn"):
        for result in results:
            if result.status == status:
                _print_problem(out, result)
    parts = [Text(f"{count} {status}", STYLES[status] if count else "") for status, count in _counts(results).items()]
    out.print()
    out.print(Text(", ").join(parts) + Text(f"  ({seconds:.1f} s)", style="dim"))
    if verdict:
        out.print(Text(verdict, style="bold"))


def _matters(result: CheckResult) -> bool:
    """Return whether a result concerns rendering on this machine without a HeyGem."""
    return result.status in ("warn", "fail") or (
        result.group == "gpu" if result.status == "skip" else result.group != "environment"
    )


def _rows(members: list[CheckResult]) -> Iterator[Row]:
    """Yield a row per check; consecutive checks with the same finding share one, unless it is a problem."""
    for (status, found), same in groupby(members, key=lambda each: (each.status, each.found)):
        names = [each.id.partition(".")[2] for each in same]
        if status in ("ok", "skip") and len(names) > 1:
            yield status, f"{names[0]} … {names[-1]} ({len(names)})", found
        else:
            yield from ((status, name, found) for name in names)


def _print_rows(out: Console, rows: list[Row]) -> None:
    if not out.is_terminal:
        # One unbroken line per check, for grep and for CI.
        width = max(len(name) for _, name, _ in rows)
        for status, name, found in rows:
            out.print(Text(f"  {status:<4}  {name:<{width}}  {_one_line(found)}"))
        return
    table = Table.grid(padding=(0, 2), pad_edge=True)
    table.add_column(no_wrap=True)
    table.add_column(max_width=30)
    table.add_column(overflow="fold")
    for status, name, found in rows:
        finding = Text(_one_line(found), style="dim" if status == "skip" else "")
        table.add_row(Text(f"{status:<4}", style=STYLES[status]), Text(name), finding)
    out.print(table, soft_wrap=False)


def _print_problem(out: Console, result: CheckResult) -> None:
    heading = Text.assemble((f"{result.id}: ", "bold"), _one_line(result.found))
    out.print()
    if out.is_terminal:
        _print_indented(out, Text(f"{result.status:<4}", style=STYLES[result.status]), heading)
        _print_indented(out, Text("why ", style="dim"), Text(_one_line(result.why)))
    else:
        out.print(Text(f"{result.status:<4}  ") + heading)
        out.print(Text(f"why   {_one_line(result.why)}"))
    # Never wrapped, so that it can be pasted.
    out.print(Text.assemble(("do    ", "dim"), (result.fix, "cyan")))


def _print_indented(out: Console, label: Text, text: Text) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(label, text)
    out.print(table, soft_wrap=False)


def _print_report(results: list[CheckResult], inputs: Inputs) -> None:
    """Print a Markdown block for a bug report, without the user's name and secrets."""
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
