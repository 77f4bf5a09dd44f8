"""What the events of a journal say about each job."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Status = Literal["started", "done", "failed", "retrying", "interrupted", "died"]
"""``retrying``: it failed, and is tried again in the same run; ``died``: the process did, during the job."""

DEATHS = 2
"""A job during which the process died this often is not tried again: no file can block a batch for ever."""


@dataclass(frozen=True)
class JobState:
    """A job as its journal knows it.

    Attributes:
        key: the content key of the last attempt, see :func:`heygem_cli.batch.plan.content_key`.
        output: the file that was made or was to be made, as the manifest writes it.
        run: the run of the last event.
        attempts: with this key, over all runs.
        deaths: of the process during this job since it last ended otherwise.
        made: whether the output may be there because this job made it, now or before.
        seconds: that the last attempt took.
        result: of the last success: frames, bytes, …
        error: of the last failure: code, message, hint.
    """

    status: Status
    key: str
    output: str
    run: str
    attempts: int = 0
    deaths: int = 0
    made: bool = False
    seconds: float = 0.0
    result: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None

    @property
    def hopeless(self) -> bool:
        """Whether the process died so often during this job that it is not tried again."""
        return self.deaths + (self.status == "started") >= DEATHS

    @property
    def owns_output(self) -> bool:
        """Whether what is there under the output's name may be replaced by this job."""
        return self.made or self.status == "started"


def after(states: MutableMapping[str, JobState], event: Mapping[str, Any]) -> None:
    """Let an event take effect on the states of the jobs; events of other kinds have none."""
    kind, name = event["event"], event.get("id")
    if not isinstance(name, str):
        return
    if kind == "started":
        states[name] = _started(states.get(name), event)
    elif kind in ("done", "failed", "retrying", "interrupted", "died") and name in states:
        state = states[name]
        states[name] = replace(
            state,
            status=kind,
            run=event["run"],
            made=state.made or kind in ("done", "interrupted", "died"),
            deaths=state.deaths + 1 if kind == "died" else state.deaths if kind == "interrupted" else 0,
            seconds=event.get("seconds", 0.0),
            result=event.get("result"),
            error=event.get("error"),
        )


def _started(before: JobState | None, event: Mapping[str, Any]) -> JobState:
    key, output = event["key"], event["output"]
    made = before is not None and before.output == output and before.owns_output
    if before is None or before.key != key:
        return JobState("started", key, output, event["run"], attempts=1, made=made)
    died = before.deaths + (before.status == "started")
    return JobState("started", key, output, event["run"], attempts=before.attempts + 1, deaths=died, made=made)
