"""Ask child processes: what they try may crash, hang or print to the terminal, and none of that may reach us."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent / "scripts"

_ERROR = re.compile(r"error: |[A-Za-z_][\w.]*(?:Error|Exception)\b")


@dataclass(frozen=True)
class Answer:
    """What a child process said.

    Attributes:
        facts: the object that it printed; empty if there is none.
        failure: why there is none, in a few words; empty if there is one.
        stdout: all that it printed.
        stderr: what it, and native code in it, complained of.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""
    stdout: str = ""
    stderr: str = ""


def ask_script(python: str, script: str, *arguments: str, environment: Mapping[str, str], limit: float) -> Answer:
    """Run one of our scripts in an interpreter.

    Args:
        python: the interpreter.
        script: the name of the script.
        arguments: its arguments.
        environment: its environment.
        limit: seconds after which it is killed.
    """
    command = [python, str(SCRIPTS / f"{script}.py"), *arguments]
    answer = ask(command, environment=environment, limit=limit)
    if answer.failure:
        return answer
    return with_facts(answer, answer.stdout.strip().rpartition("\n")[2])


def with_facts(answer: Answer, text: str) -> Answer:
    """Read the object that a child printed."""
    try:
        facts = json.loads(text)
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        return replace(answer, failure="gave no answer")
    return replace(answer, facts=facts)


def ask(command: Sequence[str], *, environment: Mapping[str, str], limit: float, folder: Path | None = None) -> Answer:
    """Run a program to its end, or to its limit; ``failure`` says how it failed."""
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd=folder,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return Answer(failure=f"cannot be started: {error.strerror or error}")
    try:
        stdout, stderr = child.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        # Not waited for: a process that hangs in a driver cannot even be killed.
        child.kill()
        return Answer(failure=f"gave no answer within {limit:g} s")
    return Answer(failure=_failure(child.returncode, stderr), stdout=stdout, stderr=stderr)


def _failure(code: int, stderr: str) -> str:
    if code == 0:
        return ""
    if code < 0:
        return f"crashed ({signal.Signals(-code).name})"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    # The last line is the error's own, unless native code still had something to say.
    errors = [line for line in lines if _ERROR.match(line)] or lines
    return errors[-1] if errors else f"ended with status {code}"
