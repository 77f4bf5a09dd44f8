"""The six environment variables of the operators' note, and honestly what each of them does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.result import Finding, ok, warn
from heygem_cli.heygem.installation.tree import process_environment, processes
from heygem_cli.heygem.installation.variables import Variable, in_force


def variable(asked: Variable) -> Callable[[Inputs], Finding]:
    """Make the check of one variable.

    Where HeyGem runs, its own environment is looked at, since ours is not the one that counts.
    """

    def check(inputs: Inputs) -> Finding:
        where, environment = environment_of(inputs)
        value = environment.get(asked.name)
        set_to = "unset" if value is None else value or "empty"
        effect = in_force(asked.name, environment)
        state = f"{where}{set_to}, asked for {asked.asked}; in force: {effect}; {asked.truth}"
        # Only for HeyGem does it matter that it is unset: heygem sets it for itself.
        unset_is_well = asked.name != "OMP_NUM_THREADS" or inputs.home is None
        if value == asked.asked or (value is None and unset_is_well):
            return ok(state)
        return warn(state, asked.why, f"export {asked.name}={asked.asked}   # before HeyGem starts")

    return check


def environment_of(inputs: Inputs) -> tuple[str, Mapping[str, str]]:
    """The environment that counts, and a word on whose it is."""
    for process in processes(inputs.home, inputs.proc) if inputs.home else []:
        theirs = process_environment(process.pid, inputs.proc)
        if theirs is not None:
            return f"in HeyGem (process {process.pid}): ", theirs
    return "", inputs.environment
