"""The plan: what to do with each row, decided by the journal and the files, and in which order."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from heygem_cli.batch.check import CheckedRow, FileIdentity
from heygem_cli.batch.journal import JobState
from heygem_cli.batch.rows import Row
from heygem_cli.batch.worker import to_failure
from heygem_cli.engines import OF_ANY_ENGINE, find_engine
from heygem_cli.errors import HeygemError, InputError, from_os_error, printable
from heygem_cli.files import OwnOutputs, file_digest, file_identity
from heygem_cli.job import Inputs
from heygem_cli.media.probe_output import probe_output
from heygem_cli.options import BatchOptions, RenderOptions, output_values, with_found_files
from heygem_cli.pipeline import check_outputs
from heygem_cli.remote import digest_of, version_of

Action = Literal["do", "changed", "done", "failed"]


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A row, and what to do with it.

    Attributes:
        inputs: The probed inputs; None for a row that cannot be rendered.
        action: ``do`` and ``changed`` are rendered, ``done`` and ``failed`` are left as they are.
        reason: The reason for the action.
        hint: What to do about a row that cannot be rendered.
        key: What the output depends on, see :func:`content_key`.
        digests: SHA-256 of each input.
        error: Code, message and hint if the output may not be replaced.
    """

    row: Row
    inputs: Inputs | None
    action: Action
    reason: str
    key: str = ""
    digests: tuple[str, ...] = ()
    error: Mapping[str, str] | None = None
    hint: str = ""

    @property
    def needs_rendering(self) -> bool:
        """Whether the job is to be rendered."""
        return self.action in ("do", "changed")

    @property
    def audio_seconds(self) -> float:
        """Duration of the audio."""
        return self.inputs.audio.duration if self.inputs else 0.0


def make_plan(
    rows: Iterable[CheckedRow],
    states: Mapping[str, JobState],
    engines: Mapping[str, str],
    run_id: str,
    options: BatchOptions,
) -> list[PlannedJob]:
    """Plan every row.

    Args:
        rows: The rows of this run.
        states: The states of the jobs by id, from the journals.
        engines: The identity of each engine, see :class:`heygem_cli.engines.EngineEntry`.
        run_id: This run; a job that ended in it is never done again.
        options: Whether jobs that were tried before are done again.

    Returns:
        The jobs in the order in which they are to run.
    """
    # Many rows have the same face video.
    examine = functools.lru_cache(maxsize=1 << 10)(_examine)
    return sort_jobs(
        [_plan_row(row, states.get(row.row.id), engines, run_id, options, examine=examine) for row in rows]
    )


def _examine(path: Path) -> tuple[str, FileIdentity]:
    """Return the SHA-256 of a file, and its identity afterwards."""
    return file_digest(path), file_identity(path)


def _plan_row(
    checked: CheckedRow,
    state: JobState | None,
    engines: Mapping[str, str],
    run_id: str,
    options: BatchOptions,
    *,
    examine: Callable[[Path], tuple[str, FileIdentity]],
) -> PlannedJob:
    row, job = checked.row, checked.row.job
    try:
        digests, identities = zip(*map(examine, job.inputs), strict=True)
        changed = identities != checked.identities
        problem = "an input has changed since it was checked" if changed else ""
    except OSError as error:
        problem = from_os_error(error).message
    if problem:
        return PlannedJob(row, checked.inputs, "failed", problem)
    key = content_key(digests, job.options, engines[job.options.engine])
    action, reason = choose_action(row, key, state, run_id, options)
    planned = PlannedJob(row, checked.inputs, action, reason, key, digests)
    try:
        if planned.needs_rendering:
            check_outputs(job)
            _check_sources(row, key, state)
    except InputError as error:
        return replace(planned, action="failed", reason=error.message, error=to_failure(error).to_dict())
    return planned


def _check_sources(row: Row, key: str, state: JobState | None) -> None:
    """Check that an output was not made of another file of the same name, as ``monday/1.wav`` and ``tuesday/1.wav``.

    Raises:
        InputError: ``output-exists``.
    """
    others = () if state is None or state.key == key else state.sources
    if others not in ((), row.sources) and os.path.lexists(row.job.output) and not row.job.options.overwrite:
        other = next(one for one, own in zip(others, row.sources, strict=True) if one != own)
        message = f"the output exists, made from {printable(other)}"
        hint = "Use another --output-dir or --output-template, or --overwrite to replace it"
        raise InputError("output-exists", message, hint=hint, path=row.job.output)


def sort_jobs(jobs: Sequence[PlannedJob]) -> list[PlannedJob]:
    """Sort jobs by face video and person, which share a track, and by audio, the longest first."""
    faces: dict[tuple[str, str], int] = {}
    videos: dict[str, int] = {}

    def sort_key(job: PlannedJob) -> tuple[int, int, float, int]:
        options = job.row.job.options
        digest = job.digests[1] if job.digests else ""
        video = videos.setdefault(digest, len(videos))
        face = faces.setdefault((digest, f"{options.person} {options.video_track}"), len(faces))
        return video, face, -job.audio_seconds, job.row.raw.number

    return sorted(jobs, key=sort_key)


def choose_action(row: Row, key: str, state: JobState | None, run_id: str, options: BatchOptions) -> tuple[Action, str]:
    """Return what to do with a row, and the reason."""
    if state is None:
        return "do", "new"
    if state.key != key:
        return ("changed", "inputs, options or models") if state.status in ("done", "failed") else ("do", "new")
    if state.crashed_too_often:
        return "failed", "the process died twice during this job"
    earlier_run = state.run != run_id
    if state.status == "done":
        reason = "forced" if options.force and earlier_run else _output_problem(row, state)
        if not reason and not all(path.exists() for path in row.job.outputs[1:]):
            reason = "the timeline is missing"
        return ("do", reason) if reason else ("done", "")
    if state.status == "failed":
        code = str((state.error or {}).get("code", ""))
        return "do" if (options.force or options.retry_failed) and earlier_run else "failed", f"failed: {code}"
    reasons = {"interrupted": "interrupted", "retrying": "retried after an error"}
    return "do", reasons.get(state.status, "the process died during this job")


def _output_problem(row: Row, state: JobState) -> str:
    url = row.job.remote.output
    if url is None:
        return output_problem(row.job.output, row.output, state)
    version = version_of(url)
    if state.output != row.output or version is None:
        return "the output is missing"
    # Another version may have the same content, as after a copy.
    is_own = version == (state.result or {}).get("version") or digest_of(url) in state.made
    return "" if is_own else "the output has been changed"


def output_problem(path: Path, name: str, state: JobState) -> str:
    """Return why a job that is done must be rendered again; empty if its output, written as ``name``, is complete."""
    result: Mapping[str, Any] = state.result or {}
    try:
        if state.output != name or not path.exists():
            return "the output is missing"
        if not OwnOutputs(state.made).include(path):
            return "the output has been changed"
        if file_digest(path) in state.made:
            return ""
        fps = Fraction(result.get("frame_rate") or result["fps"])
        video_seconds = float(result["frames"] / fps) if "frames" in result else None
        probe_output(path).check(path, seconds=result["duration"], fps=fps, video_seconds=video_seconds)
    except (HeygemError, OSError, KeyError, ValueError, ArithmeticError):
        return "the output is damaged"
    return ""


def content_key(digests: Sequence[str], options: RenderOptions, identity: str) -> str:
    """Return a digest of all that an output depends on: the inputs, the options that count, the engine's identity.

    Args:
        digests: Of the inputs, see :attr:`heygem_cli.job.RenderJob.inputs`.
        options: The options of the job.
        identity: See :class:`heygem_cli.engines.EngineEntry`.
    """
    content = [*digests, _values_that_count(options), identity]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


@functools.lru_cache(maxsize=256)
def _values_that_count(options: RenderOptions) -> dict[str, str]:
    """Return the values on which an output depends; most rows of a batch have the same options."""
    used = find_engine(options.engine).uses | OF_ANY_ENGINE
    # The contents of files are among the digests.
    return output_values(with_found_files(options, lambda _: Path()), used)
