"""``heygem doctor``: the truth about this machine, and about a HeyGem installation on it."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from heygem_cli import __version__
from heygem_cli.cli.doctor_show import STATUSES, print_report, print_results, waiting
from heygem_cli.cli.output import print_facts, print_json, report_errors
from heygem_cli.cli.signals import raise_on_signal
from heygem_cli.errors import InputError

if TYPE_CHECKING:
    from heygem_cli.doctor.inputs import Inputs
    from heygem_cli.doctor.registry import Check
    from heygem_cli.doctor.result import CheckResult


def doctor(
    *,
    home: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="HeyGem's root folder. Default: HEYGEM_HOME, else around this one."),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(
            metavar="PROGRAM",
            envvar="HEYGEM_PYTHON",
            help="HeyGem's interpreter, to be looked at as well. Default: .venv of the installation.",
        ),
    ] = None,
    compose: Annotated[Path | None, typer.Option(metavar="FILE", help="A compose file to look at.")] = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="HEYGEM_URL", help="HeyGem's address, such as http://127.0.0.1:7860 or …:8383."
        ),
    ] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="HOST:CONTAINER",
            envvar="HEYGEM_MAP",
            help="A folder that the official service (…:8383) shares, and its name in the container.",
        ),
    ] = None,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="HeyGem's log. Default: log/dh.log of the installation.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="DIR", help="Where outputs go. Default: this folder.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Run these checks or groups only. Repeat, or use commas.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Leave these checks or groups out. Repeat, or use commas.")
    ] = None,
    require: Annotated[
        Literal["gpu"] | None, typer.Option(help="Fail, not only warn, when this is missing or unusable.")
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Take longer: import torch, render one second.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 for warnings too.")] = False,
    as_list: Annotated[bool, typer.Option("--list", help="Name all checks and run none.")] = False,
    as_report: Annotated[
        bool, typer.Option("--report", help="Print a block for a bug report, home folders and tokens hidden.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Check this machine and the HeyGem on it.

    Says what is wrong, why it matters and what to do; changes nothing. Exit 0: nothing failed, 1: something did.
    """
    with report_errors(as_json=as_json), raise_on_signal():
        from heygem_cli.doctor.examine import examine
        from heygem_cli.doctor.inputs import Inputs
        from heygem_cli.doctor.registry import select
        from heygem_cli.heygem.installation.tree import find_home
        from heygem_cli.heygem.service.client import checked_url
        from heygem_cli.heygem.service.maps import parse_map

        if as_json and as_report:
            raise InputError("bad-options", "--json and --report exclude each other", hint="Use one of them")
        checks = select(_names(only), _names(skip))
        if as_list:
            _list(checks, as_json=as_json)
            return
        found = find_home(home, os.environ, Path.cwd())
        inputs = Inputs(
            home=found,
            home_python=_own_python(found) if python is None else _program(python),
            compose=compose,
            url=None if url is None else checked_url(url, example="http://127.0.0.1:7860"),
            maps=tuple(parse_map(each) for each in maps or ()),
            log=log,
            output=output or Path.cwd(),
            require_gpu=require == "gpu",
            deep=deep,
        )
        start = time.monotonic()
        with waiting("looking"):
            results = examine(checks, inputs)
        seconds = time.monotonic() - start
        failed = any(each.status == "fail" or (strict and each.status == "warn") for each in results)
        if as_json:
            print_json(_as_object(results, inputs, seconds, failed=failed))
        elif as_report:
            print_report(results, inputs)
        else:
            print_results(results, seconds)
        if failed:
            raise typer.Exit(1)


def _names(given: list[str] | None) -> list[str]:
    return [name for each in given or [] for name in each.split(",") if name]


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise InputError("no-program", "there is no such program", path=name, hint="Name HeyGem's python with --python")
    return path


def _own_python(home: Path | None) -> str | None:
    """The interpreter of the virtual environment in the installation, which the engine takes too."""
    path = None if home is None else home / ".venv/bin/python"
    return str(path) if path is not None and os.access(path, os.X_OK) else None


def _list(checks: list[Check], *, as_json: bool) -> None:
    if as_json:
        print_json({"checks": [{"id": each.id, "group": each.group, "title": each.title} for each in checks]})
    else:
        print_facts({each.id: each.title for each in checks})


def _as_object(results: list[CheckResult], inputs: Inputs, seconds: float, *, failed: bool) -> dict[str, object]:
    return {
        "heygem": __version__,
        "healthy": not failed,
        "seconds": round(seconds, 2),
        "home": None if inputs.home is None else str(inputs.home),
        "summary": {status: sum(each.status == status for each in results) for status in STATUSES},
        "checks": [asdict(each) for each in results],
    }
