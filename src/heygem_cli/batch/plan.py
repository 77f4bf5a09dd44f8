"""The plan: what to do with each row, decided by the journal and the files, and in which order."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from heygem_cli.batch.check import CheckedRow
from heygem_cli.batch.journal import JobState
from heygem_cli.batch.outputs import OutputFolders
from heygem_cli.batch.packed_inputs import PackedInputs
from heygem_cli.batch.rows import Common, Row
from heygem_cli.batch.worker import to_failure
from heygem_cli.engines import OF_ANY_ENGINE, find_engine
from heygem_cli.errors import HeygemError, InputError, from_os_error, printable
from heygem_cli.files import OwnOutputs, file_digest, file_identity
from heygem_cli.media.probe_output import probe_output
from heygem_cli.options import BatchOptions, RenderOptions, output_values, with_found_files
from heygem_cli.person import Person
from heygem_cli.pipeline import check_output_path
from heygem_cli.remote import digest_of, version_of
from heygem_cli.timeline import check_timeline

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
    inputs: PackedInputs | None
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
        return self.inputs.seconds if self.inputs else 0.0


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
    planner = _Planner(states, engines, run_id, options)
    return sort_jobs([planner.plan(row) for row in rows])


@dataclass(frozen=True, slots=True)
class _Content:
    """What rows that have the same files and options depend on, see :class:`PlannedJob`.

    Attributes:
        identities: See :class:`heygem_cli.batch.check.CheckedRow`; of the files that were read, afterwards.
        problem: Why a file cannot be read.
    """

    digests: tuple[str, ...] = ()
    identities: int = 0
    key: str = ""
    problem: str = ""


class _Planner:
    """Plans rows; what many rows have in common is examined once. The arguments are those of :func:`make_plan`."""

    def __init__(
        self, states: Mapping[str, JobState], engines: Mapping[str, str], run_id: str, options: BatchOptions
    ) -> None:
        self._states = states
        self._engines = engines
        self._run_id = run_id
        self._options = options
        self._folders = OutputFolders()
        # Many rows have the same face video, and successive rows often the same audio and options, too.
        self._examine = functools.lru_cache(maxsize=1 << 10)(_examine)
        self._recent = functools.lru_cache(maxsize=1 << 10)(self._content)

    def plan(self, checked: CheckedRow) -> PlannedJob:
        """Plan a row."""
        row, state = checked.row, self._states.get(checked.row.id)
        content = self._recent(row.common)
        problem = content.problem
        if not problem and content.identities != checked.identities:
            problem = "an input has changed since it was checked"
        if problem:
            return PlannedJob(row, checked.inputs, "failed", problem)
        action, reason = choose_action(row, content.key, state, self._run_id, self._options)
        planned = PlannedJob(row, checked.inputs, action, reason, content.key, content.digests)
        try:
            if planned.needs_rendering:
                self._check_outputs(row)
                _check_sources(row, content.key, state)
        except InputError as error:
            return replace(planned, action="failed", reason=error.message, error=to_failure(error).to_dict())
        return planned

    def _content(self, common: Common) -> _Content:
        try:
            digests, identities = zip(*map(self._examine, common.inputs), strict=True)
        except OSError as error:
            return _Content(problem=common.remote.with_urls(from_os_error(error).message))
        key = content_key(digests, common.options, self._engines[common.options.engine])
        return _Content(digests, hash(identities), key)

    def _check_outputs(self, row: Row) -> None:
        if not self._folders.have_room_for(row):
            check_output_path(row.job)
            self._folders.add(row)
        if row.options.timeline is not None:
            check_timeline(row.job)


def _examine(path: str) -> tuple[str, tuple[int, ...]]:
    """Return the SHA-256 of a file, and its identity afterwards."""
    return file_digest(path), file_identity(path)


def _check_sources(row: Row, key: str, state: JobState | None) -> None:
    """Check that an output was not made of another file of the same name, as ``monday/1.wav`` and ``tuesday/1.wav``.

    Raises:
        InputError: ``output-exists``.
    """
    others = () if state is None or state.key == key else state.sources
    if others not in ((), row.sources) and os.path.lexists(row.path) and not row.options.overwrite:
        other = next(one for one, own in zip(others, row.sources, strict=True) if one != own)
        message = f"the output exists, made from {printable(other)}"
        hint = "Use another --output-dir or --output-template, or --overwrite to replace it"
        raise InputError("output-exists", message, hint=hint, path=row.path)


def sort_jobs(jobs: Sequence[PlannedJob]) -> list[PlannedJob]:
    """Sort jobs by face video and person, which share a track, and by audio, the longest first."""
    faces: dict[tuple[str, Person, int | None], int] = {}
    videos: dict[str, int] = {}

    @functools.lru_cache(maxsize=1 << 10)
    def rank(common: Common, digest: str) -> tuple[int, int]:
        options = common.options
        face = faces.setdefault((digest, options.person, options.video_track), len(faces))
        return videos.setdefault(digest, len(videos)), face

    def rank_of(job: PlannedJob) -> tuple[int, int]:
        return rank(job.row.common, job.digests[1] if job.digests else "")

    by_face = itertools.groupby(sorted(jobs, key=rank_of), rank_of)
    return [job for _, same in by_face for job in sorted(same, key=lambda job: job.audio_seconds, reverse=True)]


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
        if not reason and row.options.timeline is not None and not row.options.timeline.exists():
            reason = "the timeline is missing"
        return ("do", reason) if reason else ("done", "")
    if state.status == "failed":
        code = str((state.error or {}).get("code", ""))
        return "do" if (options.force or options.retry_failed) and earlier_run else "failed", f"failed: {code}"
    reasons = {"interrupted": "interrupted", "retrying": "retried after an error"}
    return "do", reasons.get(state.status, "the process died during this job")


def _output_problem(row: Row, state: JobState) -> str:
    url = row.common.remote.output
    if url is None:
        return output_problem(Path(row.path), row.output, state)
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
