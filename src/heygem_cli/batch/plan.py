"""What to do with each row: journal and files decide; rows that share a face stand together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from heygem_cli.batch.check import CheckedRow
from heygem_cli.batch.journal import JobState
from heygem_cli.batch.rows import Row
from heygem_cli.errors import HeygemError, from_os_error
from heygem_cli.files import file_digest
from heygem_cli.job import RenderOptions
from heygem_cli.media.probe import probe_output

Action = Literal["do", "changed", "done", "failed"]


@dataclass(frozen=True)
class PlannedJob:
    """A row and what is to happen with it.

    Attributes:
        key: says what the output depends on, see :func:`content_key`.
        action: ``do`` and ``changed`` are rendered, ``done`` and ``failed`` are left as they are.
        reason: for the action, for a person.
    """

    row: Row
    audio_seconds: float
    audio_digest: str
    face_digest: str
    key: str
    action: Action
    reason: str

    @property
    def needs_rendering(self) -> bool:
        """Whether it is to be rendered."""
        return self.action in ("do", "changed")


@dataclass(frozen=True)
class RerunOptions:
    """What the command line says about jobs that have been tried before.

    Attributes:
        run: what has ended in this run is never done again, whatever else is reruned.
    """

    run_id: str
    force: bool = False
    retry_failed: bool = False


def make_plan(
    rows: Iterable[CheckedRow], states: Mapping[str, JobState], engines: Mapping[str, str], rerun: RerunOptions
) -> list[PlannedJob]:
    """Decide about every row.

    Args:
        rows: the rows of this run.
        states: of jobs by their id, as the journals tell.
        engines: the identity of each engine that a row names, see :class:`heygem_cli.engines.EngineEntry`.
        rerun: of the user.

    Returns:
        The jobs in the order in which to do them.
    """
    return sort_jobs([_plan_row(checked, states.get(checked.row.id), engines, rerun) for checked in rows])


def _plan_row(
    checked: CheckedRow, state: JobState | None, engines: Mapping[str, str], rerun: RerunOptions
) -> PlannedJob:
    render = checked.row.job
    try:
        audio, face = file_digest(render.audio), file_digest(render.face)
    except OSError as error:  # it was there when it was checked, and costs the others nothing
        return PlannedJob(checked.row, checked.seconds, "", "", "", "failed", from_os_error(error).message)
    key = content_key(audio, face, render.options, engines[render.options.engine])
    action, reason = decide(checked.row, key, state, rerun)
    return PlannedJob(checked.row, checked.seconds, audio, face, key, action, reason)


def sort_jobs(jobs: Sequence[PlannedJob]) -> list[PlannedJob]:
    """Put jobs in order: those of one face together, and of them the longest first, whose track serves the others."""
    faces: dict[tuple[str, str], int] = {}
    videos: dict[str, int] = {}

    def place(job: PlannedJob) -> tuple[int, int, float, int]:
        choice = str(job.row.job.options.face)
        video = videos.setdefault(job.face_digest, len(videos))
        face = faces.setdefault((job.face_digest, choice), len(faces))
        return video, face, -job.audio_seconds, job.row.raw.number

    return sorted(jobs, key=place)


def decide(row: Row, key: str, state: JobState | None, rerun: RerunOptions) -> tuple[Action, str]:
    """Decide about one row, with the reason."""
    if state is None:
        return "do", "new"
    forced = rerun.force and state.run != rerun.run_id
    if state.key != key:
        return ("changed", "inputs, options or models") if state.status in ("done", "failed") else ("do", "new")
    if state.crashed_too_often:
        return "failed", "the process died twice during it"
    if state.status == "done":
        missing = "forced" if forced else output_problem(row.job.output, row.output, state)
        return ("do", missing) if missing else ("done", "")
    if state.status == "failed":
        again = forced or (rerun.retry_failed and state.run != rerun.run_id)
        code = str((state.error or {}).get("code", ""))
        return "do" if again else "failed", f"failed: {code}"
    reasons = {"interrupted": "it was interrupted", "retrying": "it is tried again"}
    return "do", reasons.get(state.status, "the process died during it")


def output_problem(path: Path, name: str, state: JobState) -> str:
    """Say why a finished output does not count; empty when it is there and whole.

    Args:
        path: of the output.
        name: of it in the manifest.
        state: of the job.
    """
    result: Mapping[str, Any] = state.result or {}
    try:
        if state.output != name or not path.exists():
            return "the output is missing"
        if path.stat().st_size != result["bytes"]:
            return "the output is not the one that was made"
        fps = Fraction(result["fps"])
        video_seconds = float(result["frames"] / fps) if "frames" in result else None
        probe_output(path).check(path, seconds=result["duration"], fps=fps, video_seconds=video_seconds)
    except (HeygemError, OSError, KeyError, ValueError, ArithmeticError):
        return "the output is damaged"
    return ""


def content_key(audio: str, face: str, options: RenderOptions, engine: str) -> str:
    """Name all that an output depends on; another key means another video.

    Args:
        audio: digest of the audio.
        face: digest of the face video.
        options: resolved.
        engine: its identity.
    """
    encode = options.encode
    picture = (options.engine, str(options.face), options.loop, options.on_missing_face)
    content = [audio, face, *picture, encode.encoder, encode.crf, encode.preset, engine]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
