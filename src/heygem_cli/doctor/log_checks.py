"""What HeyGem's log tells."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.log_file import TAIL, Log, Seen, read_log
from heygem_cli.doctor.result import Finding, fail, ok, skip, warn
from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.log_messages import RESTART, Message
from heygem_cli.heygem.installation.tree import LOG

STUCK = 10 * 60
"""Seconds without a step after which a job is called stuck."""


def log(inputs: Inputs) -> Log | Finding:
    """Read the log that was named, else the installation's; a finding says why it cannot be read."""
    path = inputs.log or (inputs.home / LOG if inputs.home else None)
    if path is None:
        return skip("no log: name one with --log")
    try:
        return read_log(path)
    except InputError as error:
        if error.code == "missing" and inputs.log is None:
            return skip(f"{path} is not there: HeyGem has not run here")
        return fail(error.message, "what HeyGem says cannot be seen", error.hint or f"ls -l {shlex.quote(str(path))}")


def message(kind: Message) -> Callable[[Inputs, Log | Finding], Finding]:
    """Make the check of one kind of failure."""

    def check(_inputs: Inputs, log: Log | Finding) -> Finding:
        if isinstance(log, Finding):
            return log
        seen = log.seen.get(kind.name, Seen())
        if seen.since:
            found = f"{seen.since} since the last start, last {seen.last}"
            return (fail if kind.lasting else warn)(found, kind.meaning, kind.fix)
        if seen.before:
            return ok(f"{seen.before} before the last start, last {seen.last}, none since")
        return ok(f"not in the last {TAIL >> 20} MiB" if log.cut else "not in the log")

    return check


def stuck(inputs: Inputs, log: Log | Finding) -> Finding:
    """A job that has not moved for long."""
    if isinstance(log, Finding):
        return log
    if log.job is None:
        return ok("no job is under way")
    # By the clock of the file system, since the log's own may be of another time zone.
    still = log.still + max(0.0, inputs.now - log.written)
    found = f"job {log.job} last moved {still / 60:.0f} minutes ago"
    if still < STUCK:
        return ok(found)
    why = "its worker has died, or waits for an answer that will not come; the next jobs wait behind it"
    return fail(found, why, f"tail -n 50 {shlex.quote(str(log.path))}; {RESTART}")
