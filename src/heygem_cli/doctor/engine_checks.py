"""Checks whether each engine would work on this machine."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

from heygem_cli.doctor import installation_checks, probes, runtime_checks
from heygem_cli.doctor.check import Finding, check, fail, ok, skip, warn
from heygem_cli.doctor.child_process import ProbeResult
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.engines import ENGINES
from heygem_cli.errors import HeygemError
from heygem_cli.heygem.installation import tree
from heygem_cli.heygem.installation.files import exists, is_folder, matches
from heygem_cli.heygem.service.maps import temp_folders
from heygem_cli.options import EngineOptions

NOT_CONFIGURED = frozenset({"no-home", "not-heygem", "no-python", "no-map"})
"""Codes that mean that the user has not named something, or that another check reports."""


@check("engine.mesh", "built-in engine")
def mesh(_inputs: Inputs) -> Finding:
    """Check the built-in engine."""
    return _judge("mesh", ENGINES["mesh"].problems(EngineOptions()), "ready: its models are installed")


@check("engine.heygem", "installation driven by heygem", probes.home_interpreter, probes.home_onnx_session)
def heygem(inputs: Inputs, interpreter: ProbeResult, session: ProbeResult) -> Finding:
    """Check the engine that drives an installation, including what other checks find."""
    if inputs.home is None:
        return skip(installation_checks.NO_HOME)
    settings = EngineOptions(home=inputs.home, python=inputs.home_python)
    finding = _judge("heygem", ENGINES["heygem"].problems(settings), f"ready: {inputs.home} with {inputs.home_python}")
    if finding.status != "ok":
        return finding
    failures = list(_failures(inputs, interpreter, session))
    if failures:
        found = ", ".join(f"{name}: {each.found}" for name, each in failures)
        return fail(found, "the engine needs a working HeyGem", failures[0][1].fix)
    if not session.failure and runtime_checks.provider(session) != "CUDA":
        found = f"ready, but ONNX Runtime of {inputs.home_python} runs on {runtime_checks.provider(session)}"
        why = "the engine refuses to start without --allow-cpu, because HeyGem's queues block on a CPU"
        return warn(found, why, installation_checks.find_cuda_problem(inputs))
    return finding


def _failures(inputs: Inputs, interpreter: ProbeResult, session: ProbeResult) -> Iterator[tuple[str, Finding]]:
    """Yield what prevents HeyGem from running, or lets it delete itself."""
    assert inputs.home is not None  # noqa: S101
    findings = {
        "installation.python": installation_checks.python(inputs, interpreter),
        "installation.models": installation_checks.models(inputs),
        "installation.opt-txt": installation_checks.opt_txt(inputs),
        "installation.temp-dir": installation_checks.temp_dir(inputs),
        "installation.config-keys": installation_checks.config_keys(inputs),
        "installation.onnx-session": installation_checks.onnx_session(inputs, session),
    }
    yield from ((name, finding) for name, finding in findings.items() if finding.status == "fail")
    if not matches(inputs.home, f"{tree.SERVICE}.*"):
        fix = f"cd {shlex.quote(str(inputs.home))} && git status"
        yield str(tree.SERVICE), fail("the module is missing", "the engine's worker imports it", fix)
    for error in interpreter.facts.get("compile_errors", []):
        fix = f"{shlex.quote(str(inputs.home_python))} --version   # 3.8 or later; else reinstall heygem"
        yield "the engine's worker", fail(error, "HeyGem's interpreter runs it", fix)
    opt = inputs.home / tree.OPT_TXT
    if findings["installation.opt-txt"].status != "fail" and exists(opt) and not os.access(opt, os.W_OK):
        fix = f"sudo chown $USER {shlex.quote(str(opt))}"
        yield str(tree.OPT_TXT), fail("no permission to write it", "HeyGem writes it at every start", fix)


def service_settings(inputs: Inputs) -> EngineOptions | None:
    """Return the settings of the official service; None if neither its address nor a shared folder is named."""
    if not inputs.maps and not (inputs.url and probes.is_official(inputs.url)):
        return None
    return EngineOptions(url=inputs.url or EngineOptions().url, maps=inputs.maps)


def official_service(inputs: Inputs) -> list[HeygemError]:
    """Query the official service and return what prevents its use."""
    settings = service_settings(inputs)
    return [] if settings is None else ENGINES["heygem-http"].problems(settings)


@check("engine.heygem-http", "official service (--url) and its folder (--map)", official_service)
def heygem_http(inputs: Inputs, problems: list[HeygemError]) -> Finding:
    """Check the engine that uses the official service."""
    settings = service_settings(inputs)
    if settings is None:
        return skip("name the service with --url http://127.0.0.1:8383 and its folder with --map HOST:CONTAINER")
    shared = ", ".join(str(each.host) for each in settings.maps)
    finding = _judge("heygem-http", problems, f"ready: {settings.url}, which shares {shared}")
    if finding.status != "ok":
        return finding
    for folder in temp_folders(settings.maps):
        if not is_folder(folder):
            why = "the service writes its results there: it has never run, or --map names another folder"
            fix = "docker inspect -f '{{json .Mounts}}' CONTAINER   # lists the folders"
            return warn(f"{folder} does not exist", why, fix)
        if not os.access(folder, os.W_OK | os.X_OK):
            why = "the engine can read results there but not delete them, so the disk fills up"
            return warn(f"no permission to write to {folder}", why, f"sudo chmod a+rwx {shlex.quote(str(folder))}")
    return finding


def _judge(engine: str, problems: list[HeygemError], ready: str) -> Finding:
    """Judge an engine by its problems; real ones take precedence over missing configuration."""
    real = [each for each in problems if each.code not in NOT_CONFIGURED]
    if real:
        more = f" (and {len(real) - 1} more: heygem engines)" if len(real) > 1 else ""
        return fail(f"{real[0].message}{more}", f"--engine {engine} does not work", real[0].hint or "heygem engines")
    if problems:
        return skip(str(problems[0]))
    return ok(ready)
