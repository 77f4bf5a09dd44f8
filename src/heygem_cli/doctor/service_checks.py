"""Checks of the running HeyGem."""

from __future__ import annotations

import json
import shlex

from heygem_cli.doctor import probes
from heygem_cli.doctor.check import Finding, check, fail, ok, skip, warn
from heygem_cli.doctor.child_process import ProbeResult
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.installation_checks import NO_HOME
from heygem_cli.doctor.log_file import STDIN
from heygem_cli.heygem.installation.config_ini import find_log
from heygem_cli.heygem.installation.tree import LOG, processes


@check("service.process", "HeyGem's process")
def process(inputs: Inputs) -> Finding:
    """Check whether a process of the installation is running."""
    if inputs.home is None:
        return skip(NO_HOME)
    running = processes(inputs.home, inputs.proc)
    if not running:
        found = "no process found (those of other users and of containers are not visible)"
        # A service that answers runs, wherever its process is.
        if not inputs.require_service or inputs.url is not None:
            return skip(found)
        return fail(found, "HeyGem is down", "heygem restart")
    return ok("; ".join(f"{each.pid}: {each.command}" for each in running))


@check("service.http", "HeyGem responds (--url)", probes.service)
def http(inputs: Inputs, result: ProbeResult) -> Finding:
    """Check whether the service responds, and how fast."""
    if inputs.url is None:
        hint = "name its address with --url, e.g. http://127.0.0.1:7860"
        if inputs.require_service and (inputs.home is None or not processes(inputs.home, inputs.proc)):
            return fail("no HeyGem found", "there is neither a process nor an address to ask", f"heygem doctor: {hint}")
        return skip(hint)
    why = "it is unusable: not running, still loading its models, or stuck"
    log = find_log(inputs.home) if inputs.home else next((each.path for each in inputs.logs if each.path != STDIN), LOG)
    fix = f"curl -m 10 -v {shlex.quote(inputs.url)}; tail -n 50 {shlex.quote(str(log))}"
    facts = result.facts
    error = result.failure or facts.get("error")
    if error:
        return fail(f"{inputs.url}: {error}", why, fix)
    found = f"{inputs.url} answers {facts['status']} in {facts['seconds'] * 1000:.0f} ms"
    if facts["status"] >= 400:
        return fail(found, "something answers, but not a working HeyGem", fix)
    if probes.is_official(inputs.url) and not _is_heygem(str(facts["body"])):
        return fail(f"{found}, but not as HeyGem's service does", "another program uses this port", fix)
    return warn(found, "it is overloaded, or waits for something", fix) if facts["seconds"] > 2 else ok(found)


def _is_heygem(body: str) -> bool:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "code" in content
