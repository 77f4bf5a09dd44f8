"""Checks of the environment variables that HeyGem operators recommend, and what each of them does."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial

from heygem_cli.doctor.check import Finding, check, ok, warn
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.app_variables import AppVariable, find_variables
from heygem_cli.heygem.installation.files import read_small
from heygem_cli.heygem.installation.tree import APP, is_installation, process_environment, processes
from heygem_cli.heygem.installation.variables import VARIABLES, Variable, effect


def variable(inputs: Inputs, *, spec: Variable) -> Finding:
    """Compare a variable with its recommended value: what app.py sets, else HeyGem's environment, else our own."""
    prefix, environment = relevant_environment(inputs)
    own = app_variables(inputs).get(spec.name)
    fix = f"export {spec.name}={spec.recommended}   # before HeyGem starts"
    if own is not None and not (own.default and spec.name in environment):
        prefix, environment = f"app.py, line {own.line}: ", {**environment, spec.name: own.value}
        fix = f"heygem fix-config --app --home {shlex.quote(str(inputs.home))}"
    value = environment.get(spec.name)
    shown = "unset" if value is None else value or "empty"
    found = f"{prefix}{shown}, recommended: {spec.recommended}; effect: {effect(spec.name, environment)}; {spec.reader}"
    if own is not None and own.late and spec.effective and prefix.startswith("app.py"):
        why = "app.py sets it after imports of packages, which read it when they are loaded"
        return warn(found, why, f"${{EDITOR:-vi}} {shlex.quote(str(inputs.home))}/app.py   # move line {own.line} up")
    # OMP_NUM_THREADS may be unset for heygem, which sets it itself, but not for HeyGem.
    may_be_unset = spec.name != "OMP_NUM_THREADS" or inputs.home is None
    if value == spec.recommended or (value is None and may_be_unset):
        return ok(found)
    return warn(found, spec.why, fix)


def app_variables(inputs: Inputs) -> Mapping[str, AppVariable]:
    """Return the variables that app.py sets itself: the environment of its process does not show them."""
    path = inputs.home / APP if inputs.home is not None and is_installation(inputs.home) else None
    try:
        return find_variables(read_small(path), path) if path is not None else {}
    except InputError:  # reported by installation.gradio-queue
        return {}


for _variable in VARIABLES:
    check(f"environment.{_variable.name}", _variable.name)(partial(variable, spec=_variable))


def relevant_environment(inputs: Inputs) -> tuple[str, Mapping[str, str]]:
    """Return the environment of the running HeyGem, else our own, and a prefix that says which it is."""
    for process in processes(inputs.home, inputs.proc) if inputs.home else []:
        environment = process_environment(process.pid, inputs.proc)
        if environment is not None:
            return f"in HeyGem (process {process.pid}): ", environment
    return "", inputs.environment
