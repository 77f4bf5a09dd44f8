"""``heygem doctor --watch``: check again and again, and print only what has changed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from heygem_cli.cli.output import console, print_json
from heygem_cli.errors import HeygemError, StoppedError

if TYPE_CHECKING:
    from heygem_cli.doctor.runner import CheckResult

STYLES = {"ok": "green", "warn": "bold yellow", "fail": "bold red", "skip": "dim"}


def watch(check: Callable[[], Sequence[CheckResult]], seconds: float, *, as_json: bool) -> None:
    """Check every so many seconds, until a signal ends the program.

    Raises:
        HeygemError: The first round could not be made; later ones become a finding.
    """
    try:
        _watch(check, seconds, as_json=as_json)
    except StoppedError as error:
        # The usual end, and nothing but findings is a line of the output.
        raise typer.Exit(error.exit_code) from error


def _watch(check: Callable[[], Sequence[CheckResult]], seconds: float, *, as_json: bool) -> None:
    from heygem_cli.doctor.runner import CheckResult

    before: dict[str, CheckResult] | None = None
    while True:
        start = time.monotonic()
        try:
            results = check()
        except HeygemError as error:
            if before is None or isinstance(error, StoppedError):
                raise
            lost = CheckResult(
                "service.process", "service", "HeyGem's process", "fail", error.message, "HeyGem is down", error.hint
            )
            results = [lost]
        for was, result in changes(before, results):
            _print(was, result, as_json=as_json)
        before = {**(before or {}), **{each.id: each for each in results}}
        time.sleep(max(0.0, seconds - (time.monotonic() - start)))


def changes(
    before: dict[str, CheckResult] | None, results: Sequence[CheckResult]
) -> Iterator[tuple[str | None, CheckResult]]:
    """Yield the former status, None at first, of each check whose status differs; at first only problems."""
    for result in results:
        if before is None or result.id not in before:
            if result.status in ("warn", "fail"):
                yield None, result
        elif before[result.id].status != result.status:
            yield before[result.id].status, result


def _print(was: str | None, result: CheckResult, *, as_json: bool) -> None:
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    if as_json:
        line = {"time": now, "id": result.id, "was": was, "status": result.status}
        print_json({**line, "found": result.found, "why": result.why, "fix": result.fix}, one_line=True)
        return
    change = f"{was} → {result.status}" if was else result.status
    line_text = Text.assemble(f"{now}  ", (change, STYLES[result.status]), f"  {result.id}: {result.found}")
    if result.fix:
        line_text.append(f"  ({result.fix})")
    console().print(line_text)
    sys.stdout.flush()
