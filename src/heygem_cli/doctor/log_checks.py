"""Checks of HeyGem's log."""

from __future__ import annotations

import shlex
from functools import partial

from heygem_cli.doctor.check import Finding, check, fail, ok, skip, warn
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.log_file import MAX_BYTES, Count, Log, read_log
from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.log_messages import MESSAGES, RESTART, Message
from heygem_cli.heygem.installation.tree import LOG

STALL_SECONDS = 10 * 60
"""A job without progress for this long is considered stuck."""


def log(inputs: Inputs) -> Log | Finding:
    """Read the log named by the user, else that of the installation; return a finding if it cannot be read."""
    path = inputs.log or (inputs.home / LOG if inputs.home else None)
    if path is None:
        return skip("no log: name one with --log")
    try:
        return read_log(path)
    except InputError as error:
        if error.code == "missing" and inputs.log is None:
            return skip(f"{path} does not exist: HeyGem has not run here")
        return fail(error.message, "HeyGem's messages are unknown", error.hint or f"ls -l {shlex.quote(str(path))}")


def message(_inputs: Inputs, log: Log | Finding, *, kind: Message) -> Finding:
    """Check whether a message occurs in the log."""
    if isinstance(log, Finding):
        return log
    count = log.counts.get(kind.name, Count())
    if count.since_start:
        found = f"{count.since_start} since the last start, most recently {count.last}"
        return (fail if kind.needs_restart else warn)(found, kind.meaning, kind.fix)
    if count.before_start:
        return ok(f"{count.before_start} before the last start, most recently {count.last}; none since")
    return ok(f"none in the last {MAX_BYTES >> 20} MiB" if log.truncated else "none")


for _message in MESSAGES:
    check(f"log.{_message.name}", _message.title, log)(partial(message, kind=_message))


@check("log.stuck", "a job without progress", log)
def stuck(inputs: Inputs, log: Log | Finding) -> Finding:
    """Check whether the current job makes progress."""
    if isinstance(log, Finding):
        return log
    if log.job is None:
        return ok("no job is running")
    # The time since the last line comes from the file system: the log may be written in another time zone.
    idle = log.idle + max(0.0, inputs.now - log.modified)
    found = f"job {log.job}: last progress {idle / 60:.0f} minutes ago"
    if idle < STALL_SECONDS:
        return ok(found)
    why = "its worker has died or waits for a result that never arrives, and all later jobs wait for it"
    return fail(found, why, f"tail -n 50 {shlex.quote(str(log.path))}; {RESTART}")
