"""Does HeyGem answer?"""

from __future__ import annotations

import json
import shlex

from heygem_cli.doctor.child_process import Answer
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.probes import is_official
from heygem_cli.doctor.result import Finding, fail, ok, skip, warn
from heygem_cli.heygem.installation.tree import LOG, processes

SLOW = 2.0
"""Seconds."""


def http(inputs: Inputs, answer: Answer) -> Finding:
    """Whether the service answers, and how fast."""
    if inputs.url is None:
        return skip("name its address with --url, e.g. http://127.0.0.1:7860")
    why = "nobody can use it: it is not running, still loading its models, or hangs"
    log = inputs.log or (inputs.home / LOG if inputs.home else LOG)
    fix = f"curl -m 10 -v {shlex.quote(inputs.url)}; tail -n 50 {shlex.quote(str(log))}"
    facts = answer.facts
    error = answer.failure or facts.get("error")
    if error:
        return fail(f"{inputs.url}: {error}", why, fix)
    found = f"{inputs.url} answers {facts['status']} in {facts['seconds'] * 1000:.0f} ms"
    if facts["status"] >= 400:
        return fail(found, "something answers, but it is not HeyGem in working order", fix)
    if is_official(inputs.url) and not _speaks_heygem(str(facts["body"])):
        return fail(f"{found}, not as HeyGem's service does", "another program has this port", fix)
    slow = facts["seconds"] > SLOW
    return warn(found, "it is overloaded, or waits for something", fix) if slow else ok(found)


def _speaks_heygem(body: str) -> bool:
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and "code" in answer


def process(inputs: Inputs) -> Finding:
    """Whether a process of the installation runs."""
    if inputs.home is None:
        return skip("no installation: name its folder with --home")
    found = processes(inputs.home, inputs.proc)
    if not found:
        return skip("no process of this installation runs here (another user's or a container's is not seen)")
    return ok("; ".join(f"{each.pid}: {each.command}" for each in found))
