"""Run checks: all their questions at once, since most of the time is spent waiting for child processes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.registry import Check, Probe
from heygem_cli.doctor.result import CheckResult, skip


def examine(checks: Sequence[Check], inputs: Inputs) -> list[CheckResult]:
    """Run checks and give their results in the same order."""
    probes = list(dict.fromkeys(probe for check in checks for probe in check.probes))
    with ThreadPoolExecutor(max_workers=max(1, len(probes))) as pool:
        answers = {probe: pool.submit(probe, inputs) for probe in probes}
        return [_result(check, inputs, answers) for check in checks]


def _result(check: Check, inputs: Inputs, answers: dict[Probe, Future[Any]]) -> CheckResult:
    try:
        finding = check.judge(inputs, *(answers[probe].result() for probe in check.probes))
    except OSError as error:
        # A file that vanishes or may not be read says nothing of health, and must not end the examination.
        finding = skip(f"cannot be looked at: {error}")
    return CheckResult(check.id, check.group, check.title, finding.status, finding.found, finding.why, finding.fix)
