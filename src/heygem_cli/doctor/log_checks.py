"""Checks of HeyGem's log."""

from __future__ import annotations

import shlex
from functools import partial

from heygem_cli.doctor.check import Finding, check, fail, ok, skip, warn
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.log_file import MAX_BYTES, Count, Log, read_log, summarize
from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.config_ini import find_log
from heygem_cli.heygem.installation.log_messages import MESSAGES, RESTART, Message

STALL_SECONDS = 10 * 60
"""A job without progress for this long is considered stuck."""
ENCODE_SECONDS_PER_FRAME = 0.5
"""HeyGem's last step, which encodes the video, writes nothing to the log; 0.13 s a frame was seen."""
SILENT_SECONDS = 40 * 60
"""The newer image may draw without a line in the log; 38 minutes were seen."""


def log(inputs: Inputs) -> Log | Finding:
    """Read the logs named by the user, else that of the installation; return a finding if it cannot be read."""
    if inputs.logs:
        return _of_known_format(summarize(inputs.logs))
    if inputs.home is None:
        return skip("no log: name one with --log")
    path = find_log(inputs.home)
    try:
        return _of_known_format(read_log(path))
    except InputError as error:
        if error.code == "missing":
            return skip(f"{path} does not exist: HeyGem has not run here")
        return fail(error.message, "HeyGem's messages are unknown", error.hint or f"ls -l {shlex.quote(str(path))}")


def _of_known_format(content: Log) -> Log | Finding:
    if content.known:
        return content
    if content.known is None:
        return skip(f"{content.names} is empty: HeyGem has not run yet, or writes elsewhere")
    return skip(f"{content.names} is no log of HeyGem's in a known format")


@check("log.format", "kind of log", log)
def log_format(_inputs: Inputs, log: Log | Finding) -> Finding:
    """Check whether the log is one of HeyGem's."""
    if isinstance(log, Log):
        return ok(f"{log.names}: {'that of the newer image' if log.newer else 'known'}")
    if not log.found.endswith("known format"):
        return log
    why = "nothing can be said about HeyGem from it; it may be another program's, such as the client's"
    fix = "Name HeyGem's own: log_dir and log_file of config.ini; or docker logs NAME 2>&1 | heygem doctor --log -"
    return warn(log.found, why, fix)


def message(_inputs: Inputs, log: Log | Finding, *, kind: Message) -> Finding:
    """Check whether a message occurs in the log."""
    if isinstance(log, Finding):
        return log
    count = log.counts.get(kind.name, Count())
    if count.since_start or count.outside:
        found = f"{_where(count)} since the last start, most recently {count.last}"
        if count.healed:
            return warn(f"{found}; HeyGem has emptied its queues since", kind.meaning, kind.fix)
        return (fail if kind.needs_restart else warn)(found, kind.meaning, kind.fix)
    if count.before_start:
        return ok(f"{count.before_start} before the last start, most recently {count.last}; none since")
    return ok(f"none in the last {MAX_BYTES >> 20} MiB" if log.truncated else "none")


def _where(count: Count) -> str:
    jobs = f"{count.since_start} job{'s' if count.since_start != 1 else ''}"
    if not count.outside:
        return jobs
    return f"{jobs} and outside of jobs" if count.since_start else "outside of jobs"


for _message in MESSAGES:
    check(f"log.{_message.name}", _message.title, log)(partial(message, kind=_message))


@check("log.stuck", "a job without progress", log)
def stuck(inputs: Inputs, log: Log | Finding) -> Finding:
    """Check whether the current job makes progress."""
    if isinstance(log, Finding):
        return log
    job = log.job
    if job is None:
        return ok("no job is running")
    # The time since the last line comes from the file system: the log may be written in another time zone.
    idle = log.idle + (max(0.0, inputs.now - log.modified) if log.modified is not None else 0.0)
    speed = f", {job.frame_rate:.1f} frames a second" if job.frame_rate else ""
    drawn = f" at frame {job.frames}{f' of {job.total}' if job.total else ''}{speed}" if job.frames else ""
    found = f"job {job.code or 'of unknown name'}: last progress {idle / 60:.0f} minutes ago{drawn}"
    limit: float = SILENT_SECONDS if log.newer and not job.frames else STALL_SECONDS
    if job.encoding:
        limit += ENCODE_SECONDS_PER_FRAME * job.frames
    if idle < limit:
        return ok(found)
    why = "its worker has died or waits for a result that never arrives, and all later jobs wait for it"
    files = [shlex.quote(str(path)) for path in log.paths if path.is_file()]
    end = f"tail -n 50 {' '.join(files)}" if files else "docker logs --tail 50 NAME"
    return fail(found, why, f"{end}; {RESTART}")


@check("log.interrupted", "a job interrupted by a restart", log)
def interrupted(_inputs: Inputs, log: Log | Finding) -> Finding:
    """Check whether HeyGem was started again while a job ran."""
    if isinstance(log, Finding):
        return log
    if not log.interrupted:
        return ok("none")
    why = "HeyGem has forgotten it: to clients that ask, the service answers 10004 (任务不存在) for ever"
    return warn(f"job {log.interrupted[0]} ran when HeyGem last started", why, "Send the job again; heygem batch does")
