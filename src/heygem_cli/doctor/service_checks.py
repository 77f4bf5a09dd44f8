"""Checks of the running HeyGem."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from heygem_cli.doctor import probes
from heygem_cli.doctor.check import Finding, check, fail, ok, skip, warn
from heygem_cli.doctor.child_process import ProbeResult
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.installation_checks import NO_HOME
from heygem_cli.doctor.log_file import STDIN
from heygem_cli.errors import InputError
from heygem_cli.heygem.installation import config_ini
from heygem_cli.heygem.installation.config_ini import find_log
from heygem_cli.heygem.installation.files import read_if_exists, read_small
from heygem_cli.heygem.installation.ports import listeners, owner
from heygem_cli.heygem.installation.start import find_start
from heygem_cli.heygem.installation.tree import (
    APP,
    CONFIG_INI,
    LOG,
    all_installations,
    is_installation,
    process_environment,
    processes,
)

NO_SERVER = ProbeResult()


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


@check("service.instances", "one HeyGem for each GPU")
def instances(inputs: Inputs) -> Finding:
    """Check whether several HeyGem run on the same GPU."""
    if not inputs.has_gpu:
        return skip(probes.NO_GPU.failure)
    running = all_installations(inputs.proc)
    if not running:
        return skip("no process found (those of other users and of containers are not visible)")
    by_gpu: dict[str, list[str]] = {}
    for each in running:
        gpu = (process_environment(each.pid, inputs.proc) or {}).get("CUDA_VISIBLE_DEVICES", "all")
        by_gpu.setdefault(gpu, []).append(f"{each.pid}: {each.command}")
    shared = {gpu: names for gpu, names in by_gpu.items() if len(names) > 1}
    if not shared:
        return ok("; ".join(f"{names[0]} (GPU {gpu})" for gpu, names in by_gpu.items()))
    found = "; ".join(f"{len(names)} on GPU {gpu}: {', '.join(names)}" for gpu, names in shared.items())
    why = "they share its memory and slow each other down: jobs end with CUDA out of memory, or time out"
    return warn(found, why, "Stop all but one, or give each its own: CUDA_VISIBLE_DEVICES=1 python app.py")


@check("service.port", "port of HeyGem", probes.reserved_ports)
def port(inputs: Inputs, reserved: list[tuple[int, int]]) -> Finding:
    """Check whether another program has the port that HeyGem needs."""
    if inputs.home is None or not is_installation(inputs.home):
        return skip(NO_HOME)
    number = _port(inputs)
    why = "HeyGem cannot listen there: it ends when it starts, or its page cannot be reached"
    if any(first <= number <= last for first, last in reserved):
        fix = "net stop winnat; net start winnat   # in Windows, as an administrator"
        return fail(f"{number} is reserved by Windows", why, fix)
    inodes = listeners(number, inputs.proc)
    if not inodes:
        return ok(f"{number} is free")
    process = owner(inodes, inputs.proc)
    if process is None:
        return ok(f"{number} is used by a process that is not visible, of another user or a container")
    pid, command = process
    if "docker-proxy" in command or pid in {each.pid for each in processes(inputs.home, inputs.proc)}:
        return ok(f"{number} is used by process {pid}: {command}")
    return warn(f"{number} is used by process {pid}: {command}", why, f"ps -fp {pid}   # stop it, or use another port")


def _port(inputs: Inputs) -> int:
    """Return the port of the script that serves: Gradio's page, or the service's from config.ini."""
    assert inputs.home is not None  # noqa: S101
    start = find_start(inputs.home, inputs.proc, inputs.home_python)
    if "app.py" in [Path(each).name for each in start.command]:
        named = re.search(rb"\bserver_port\s*=\s*(\d+)", read_if_exists(inputs.home / APP) or b"")
        value = named[1].decode() if named else start.variables.get("GRADIO_SERVER_PORT", "")
        return int(value) if value.isdecimal() else 7860
    try:
        path = inputs.home / CONFIG_INI
        value = config_ini.parse(read_small(path), path).get("http_server", "server_port") or ""
    except InputError:
        value = ""
    return int(value) if value.isdecimal() else 8383


@check("service.http", "HeyGem responds (--url)", probes.service, probes.own_server)
def http(inputs: Inputs, result: ProbeResult, own: ProbeResult = NO_SERVER) -> Finding:
    """Check whether the service responds, and how fast."""
    if inputs.url is None:
        return _no_address(inputs)
    why = "it is unusable: not running, still loading its models, or stuck"
    if (serve := _parsed(own)).get("service") == "heygem":
        return _own_server(inputs.url, serve, own.facts["seconds"], why)
    log = find_log(inputs.home) if inputs.home else next((each.path for each in inputs.logs if each.path != STDIN), LOG)
    fix = f"curl -m 10 -v {shlex.quote(inputs.url)}; tail -n 50 {shlex.quote(str(log))}"
    facts = result.facts
    error = result.failure or facts.get("error")
    if error:
        return fail(f"{inputs.url}: {error}", why, fix)
    found = f"{inputs.url} answers {facts['status']} in {facts['seconds'] * 1000:.0f} ms"
    if facts["status"] >= 400:
        return fail(found, "something answers, but not a working HeyGem", fix)
    if probes.is_official(inputs.url) and not _is_heygem(result):
        return fail(f"{found}, but not as HeyGem's service does", "another program uses this port", fix)
    return warn(found, "it is overloaded, or waits for something", fix) if facts["seconds"] > 2 else ok(found)


def _no_address(inputs: Inputs) -> Finding:
    hint = "name its address with --url, e.g. http://127.0.0.1:7860"
    if inputs.require_service and (inputs.home is None or not processes(inputs.home, inputs.proc)):
        return fail("no HeyGem found", "there is neither a process nor an address to ask", f"heygem doctor: {hint}")
    return skip(hint)


def _own_server(url: str, state: Mapping[str, object], seconds: float, why: str) -> Finding:
    found = f"heygem serve at {url} answers in {seconds * 1000:.0f} ms"
    if state.get("status") != "ready":
        fix = f"curl -m 10 {shlex.quote(url.rstrip('/'))}/readyz   # and see log/serve.log in its folder"
        return fail(f"{found}, but cannot render: {state.get('reason')}", why, fix)
    return ok(f"{found} and can render")


def _is_heygem(result: ProbeResult) -> bool:
    return "code" in _parsed(result)


def _parsed(result: ProbeResult) -> Mapping[str, object]:
    """Return the JSON object that a server answers; empty if it is anything else."""
    try:
        content = json.loads(str(result.facts.get("body")))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
