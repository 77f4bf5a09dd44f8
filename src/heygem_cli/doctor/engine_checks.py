"""Would each engine run here? What other checks have found out already is not looked at again, only summed up."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from heygem_cli.doctor import installation_checks, runtime_checks
from heygem_cli.doctor.child_process import Answer
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.probes import is_official
from heygem_cli.doctor.result import Finding, fail, ok, skip, warn
from heygem_cli.engines import ENGINES
from heygem_cli.errors import HeygemError
from heygem_cli.heygem.installation import tree
from heygem_cli.options import EngineSettings, HeygemSettings, ServiceSettings

NOT_CONFIGURED = frozenset({"no-home", "not-heygem", "no-python", "no-map"})
"""What is not wrong, but was not named, or is told by another check."""
SERVICE = Path("service/trans_dh_service")
"""The module of the installation that the worker imports, without its suffix."""


def mesh(_inputs: Inputs) -> Finding:
    """The built-in engine."""
    return _judged("mesh", ENGINES["mesh"].problems(EngineSettings()), "ready: its models are there")


def heygem(inputs: Inputs, interpreter: Answer, session: Answer) -> Finding:
    """The engine that drives an installation."""
    if inputs.home is None:
        return skip(installation_checks.NO_HOME)
    settings = EngineSettings(heygem=HeygemSettings(home=inputs.home, python=inputs.home_python))
    finding = _judged("heygem", ENGINES["heygem"].problems(settings), f"ready: {inputs.home} with {inputs.home_python}")
    if finding.status != "ok":
        return finding
    wrong = list(_failures(inputs, interpreter, session))
    if wrong:
        names = ", ".join(f"{name}: {each.found}" for name, each in wrong)
        return fail(names, "heygem starts HeyGem as it is, and so the engine fails", wrong[0][1].fix)
    if not session.failure and runtime_checks.provider(session) != "CUDA":
        found = f"ready, but ONNX Runtime of {inputs.home_python} gets only {runtime_checks.provider(session)}"
        why = "the engine refuses that, since HeyGem's queues block on it; --allow-cpu goes on all the same"
        return warn(found, why, "heygem doctor --only gpu --require gpu   # what is missing, library by library")
    return finding


def _failures(inputs: Inputs, interpreter: Answer, session: Answer) -> Iterator[tuple[str, Finding]]:
    """What other checks find that keeps HeyGem from running, or lets it delete itself."""
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
    if not any((inputs.home / SERVICE.parent).glob(f"{SERVICE.name}.*")):
        fix = f"cd {shlex.quote(str(inputs.home))} && git status"
        yield str(SERVICE), fail("the module is missing", "the engine's worker imports it", fix)
    for complaint in interpreter.facts.get("unreadable", []):
        fix = f"{shlex.quote(str(inputs.home_python))} --version   # 3.8 or later; else reinstall heygem"
        yield "the engine's worker", fail(complaint, "HeyGem's interpreter runs it", fix)
    opt = inputs.home / tree.OPT_TXT
    if findings["installation.opt-txt"].status != "fail" and opt.exists() and not os.access(opt, os.W_OK):
        fix = f"sudo chown $USER {shlex.quote(str(opt))}"
        yield str(tree.OPT_TXT), fail("no permission to write it", "HeyGem writes it at every start", fix)


def service_settings(inputs: Inputs) -> ServiceSettings | None:
    """The service that was named; None where no address or folder is the official service's."""
    if not inputs.maps and not (inputs.url and is_official(inputs.url)):
        return None
    usual = ServiceSettings()
    return ServiceSettings(url=inputs.url or usual.url, maps=inputs.maps)


def official_service(inputs: Inputs) -> list[HeygemError]:
    """What keeps the official service from being used; asks it."""
    settings = service_settings(inputs)
    return [] if settings is None else ENGINES["heygem-http"].problems(EngineSettings(service=settings))


def heygem_http(inputs: Inputs, problems: list[HeygemError]) -> Finding:
    """The engine that asks the official service."""
    from heygem_cli.heygem.service.maps import temp_folders

    settings = service_settings(inputs)
    if settings is None:
        return skip("name the service with --url http://127.0.0.1:8383 and its folder with --map HOST:CONTAINER")
    shared = ", ".join(str(each.host) for each in settings.maps)
    finding = _judged("heygem-http", problems, f"ready: {settings.url}, which shares {shared}")
    if finding.status != "ok":
        return finding
    for folder in temp_folders(settings.maps):
        if not folder.is_dir():
            why = "results are looked for there: the map is another folder's, or the service has never run"
            return warn(
                f"{folder} is not there", why, "docker inspect -f '{{json .Mounts}}' CONTAINER   # what it mounts"
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            why = "results can be read there, but not removed, and the disk fills up"
            return warn(f"no permission to write into {folder}", why, f"sudo chmod a+rwx {shlex.quote(str(folder))}")
    return finding


def _judged(name: str, problems: list[HeygemError], ready: str) -> Finding:
    """Turn what keeps an engine from running into a finding; what is wrong counts more than what was not named."""
    wrong = [each for each in problems if each.code not in NOT_CONFIGURED]
    if wrong:
        more = f" (and {len(wrong) - 1} more: heygem engines)" if len(wrong) > 1 else ""
        return fail(f"{wrong[0].message}{more}", f"--engine {name} does not run", wrong[0].hint or "heygem engines")
    if problems:
        return skip(str(problems[0]))
    return ok(ready)
