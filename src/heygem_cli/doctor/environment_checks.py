"""Checks of the environment variables that HeyGem operators recommend, and what each of them does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from heygem_cli.doctor.check import Finding, check, ok, warn
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.heygem.installation.tree import process_environment, processes
from heygem_cli.heygem.installation.variables import VARIABLES, Variable, effect


def variable(inputs: Inputs, *, spec: Variable) -> Finding:
    """Compare a variable with its recommended value, in the environment of HeyGem if it is running."""
    prefix, environment = relevant_environment(inputs)
    value = environment.get(spec.name)
    shown = "unset" if value is None else value or "empty"
    found = f"{prefix}{shown}, recommended: {spec.recommended}; effect: {effect(spec.name, environment)}; {spec.reader}"
    # OMP_NUM_THREADS may be unset for heygem, which sets it itself, but not for HeyGem.
    may_be_unset = spec.name != "OMP_NUM_THREADS" or inputs.home is None
    if value == spec.recommended or (value is None and may_be_unset):
        return ok(found)
    return warn(found, spec.why, f"export {spec.name}={spec.recommended}   # before HeyGem starts")


for _variable in VARIABLES:
    check(f"environment.{_variable.name}", _variable.name)(partial(variable, spec=_variable))


def relevant_environment(inputs: Inputs) -> tuple[str, Mapping[str, str]]:
    """Return the environment of the running HeyGem, else our own, and a prefix that says which it is."""
    for process in processes(inputs.home, inputs.proc) if inputs.home else []:
        environment = process_environment(process.pid, inputs.proc)
        if environment is not None:
            return f"in HeyGem (process {process.pid}): ", environment
    return "", inputs.environment
