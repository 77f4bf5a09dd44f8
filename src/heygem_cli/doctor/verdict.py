"""Summarise all findings in one line."""

from __future__ import annotations

from collections.abc import Sequence

from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.runner import CheckResult

RENDERING = ("runtime", "system")
"""The groups without which ``heygem render`` does not work."""


def verdict(results: Sequence[CheckResult], inputs: Inputs) -> str:
    """Say whether heygem can render here, and whether HeyGem can, if there is one; empty if that was not checked."""
    by_id = {each.id: each for each in results}
    session, mesh = by_id.get("runtime.onnx-session"), by_id.get("engine.mesh")
    if session is None or mesh is None:
        return ""
    failed = [each.id for each in results if each.status == "fail" and (each.group in RENDERING or each is mesh)]
    where = "the GPU" if session.found.endswith("CUDA") else "the CPU"
    text = f"not ready to render: {', '.join(failed)}" if failed else f"ready to render on {where}"
    engine = by_id.get("engine.heygem")
    if inputs.home is None or engine is None:
        return text
    state = {"ok": "ready", "warn": "ready, but see the warnings", "skip": "not fully checked"}
    return f"{text}; HeyGem in {inputs.home}: {state.get(engine.status, 'not ready')}"


def names_heygem(inputs: Inputs) -> bool:
    """Return whether there is a HeyGem to check: an installation, a service, a log or a container."""
    return bool(inputs.home or inputs.compose or inputs.url or inputs.maps or inputs.logs)
