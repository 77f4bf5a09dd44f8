"""Run checks. All probes run at once, since most of the time is spent waiting for child processes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from heygem_cli.doctor.check import Check, Probe, Status, skip
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.errors import from_os_error


@dataclass(frozen=True)
class CheckResult:
    """A finding and the check that it belongs to, as in the JSON output."""

    id: str
    group: str
    title: str
    status: Status
    found: str
    why: str
    fix: str


def run_checks(checks: Sequence[Check], inputs: Inputs) -> list[CheckResult]:
    """Run checks and return their results in the same order."""
    probes = list(dict.fromkeys(probe for check in checks for probe in check.probes))
    with ThreadPoolExecutor(max_workers=max(1, len(probes))) as pool:
        results = {probe: pool.submit(probe, inputs) for probe in probes}
        return [_run(check, inputs, results) for check in checks]


def _run(check: Check, inputs: Inputs, results: dict[Probe, Future[Any]]) -> CheckResult:
    machine = inputs.machine
    try:
        hidden = machine.hidden(check.id)
        finding = skip(hidden) if hidden else check.judge(inputs, *(results[probe].result() for probe in check.probes))
    except OSError as error:
        # A file that vanishes or cannot be read proves nothing, and must not stop the other checks.
        finding = skip(f"cannot be checked: {from_os_error(error).message}")
    found, why, fix = machine.shown(finding.found), machine.shown(finding.why), machine.advice(finding.fix)
    return CheckResult(check.id, check.group, check.title, finding.status, found, why, fix)
