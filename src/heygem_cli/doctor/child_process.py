"""Run probes in child processes, because what they try may crash, hang or write to the terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from heygem_cli.processes import find_program, isolated_environment, isolated_python

SCRIPTS = Path(__file__).parent / "scripts"

_ERROR = re.compile(r"error: |[A-Za-z_][\w.]*(?:Error|Exception)\b")


@dataclass(frozen=True)
class ProbeResult:
    """The result of a child process.

    Attributes:
        facts: The JSON object that it printed; empty after a failure.
        failure: How it failed, in a few words; empty after a success.
        stdout: Its standard output.
        stderr: Its standard error, including that of native code.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""
    stdout: str = ""
    stderr: str = ""


def run_script(
    python: str, script: str, *arguments: str, environment: Mapping[str, str], timeout: float
) -> ProbeResult:
    """Run one of the scripts of this package, named without its suffix, in an interpreter."""
    command = [python, str(SCRIPTS / f"{script}.py"), *arguments]
    return parse_last_line(run_command(command, environment=environment, timeout=timeout))


def run_own_script(
    python: str, script: str, *arguments: str, environment: Mapping[str, str], timeout: float
) -> ProbeResult:
    """Run one of the scripts of this package in heygem's interpreter, with the packages of this process."""
    code = f"import runpy; runpy.run_path({str(SCRIPTS / f'{script}.py')!r}, run_name='__main__')"
    command = [python, *isolated_python(code, *arguments)[1:]]
    return parse_last_line(run_command(command, environment=environment, timeout=timeout))


def parse_last_line(result: ProbeResult) -> ProbeResult:
    """Add the facts from the last line of the output of a success."""
    return parse_facts(result, result.stdout.strip().rpartition("\n")[2])


def parse_facts(result: ProbeResult, text: str) -> ProbeResult:
    """Add the facts from ``text``, which should be a JSON object, to the result of a success."""
    if result.failure:
        return result
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        return replace(result, failure="printed no result")
    return replace(result, facts=facts)


def run_command(
    command: Sequence[str], *, environment: Mapping[str, str], timeout: float, text: str | None = None
) -> ProbeResult:
    """Run a command, isolated from the current folder, until it exits, or for at most ``timeout`` seconds.

    Its standard input is ``text``, or empty.
    """
    environment = isolated_environment(environment)
    program, *arguments = command
    if "/" not in program:
        found = find_program(program, environment.get("PATH", os.defpath))
        if found is None:
            return ProbeResult(failure=f"cannot be started: there is no program {program}")
        program = found
    try:
        child = subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return ProbeResult(failure=f"cannot be started: {error.strerror or error}")
    try:
        stdout, stderr = child.communicate(text, timeout=timeout)
    except subprocess.TimeoutExpired:
        # Not waited for: a process that hangs in a driver cannot even be killed.
        child.kill()
        return ProbeResult(failure=f"timed out after {timeout:g} s")
    return ProbeResult(failure=_failure(child.returncode, stderr), stdout=stdout, stderr=stderr)


def _failure(code: int, stderr: str) -> str:
    if code == 0:
        return ""
    if code < 0:
        return f"crashed ({signal.Signals(-code).name})"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    # The error is usually on the last line, but native code may print more after it.
    errors = [line for line in lines if _ERROR.match(line)] or lines
    return errors[-1] if errors else f"exited with status {code}"
