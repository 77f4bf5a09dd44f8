"""A batch from the manifest to the report: check everything, take the lock, do what is left, say what became of it."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from heygem_cli import __version__
from heygem_cli.batch.check import CheckedRow, Told, check_rows
from heygem_cli.batch.journal import JobState, Journal, open_journal, replay
from heygem_cli.batch.lock import hold_lock, lock_path
from heygem_cli.batch.manifest import ManifestError, Problem, parse_manifest
from heygem_cli.batch.plan import PlannedJob, RerunOptions, make_plan
from heygem_cli.batch.report import BatchReport, report_job
from heygem_cli.batch.report_files import ReportFiles
from heygem_cli.batch.restart import restart, run_continued
from heygem_cli.batch.rows import Row, make_rows
from heygem_cli.batch.runner import Observer, Policy, Run
from heygem_cli.batch.shard import Shard
from heygem_cli.batch.worker import Worker
from heygem_cli.engines import find_engine
from heygem_cli.errors import HeygemError, InputError, StoppedError, did_you_mean, from_os_error, printable
from heygem_cli.files import remove_stale_parts
from heygem_cli.job import RenderOptions
from heygem_cli.options import EngineSettings
from heygem_cli.pipeline import check_current_folder

STDIN = Path("-")


@dataclass(frozen=True)
class BatchRequest:
    """What the command line asks for.

    Attributes:
        manifest: ``-`` for standard input.
        defaults: options of rows that do not name them.
        engines: what engines are made with.
        overwrite: whether outputs that no run of this manifest made may be replaced.
        only: ids to restrict the run to; empty for all.
    """

    manifest: Path
    defaults: RenderOptions
    engines: EngineSettings
    overwrite: bool = False
    force: bool = False
    retry_failed: bool = False
    only: frozenset[str] = frozenset()
    shard: Shard | None = None
    targets: ReportFiles = field(default_factory=ReportFiles)

    @property
    def name(self) -> str:
        """The manifest for messages and file names."""
        return "stdin" if self.manifest == STDIN else str(self.manifest)

    @property
    def folder(self) -> Path:
        """What relative paths are relative to, and where the journal lies."""
        return Path() if self.manifest == STDIN else self.manifest.parent

    @property
    def journal(self) -> Path:
        """The journal of this run: each shard has its own."""
        shard = f".{self.shard.index}-of-{self.shard.count}" if self.shard else ""
        return self.folder / f"{Path(self.name).name}{shard}.journal.jsonl"

    def other_journals(self) -> list[Path]:
        """Journals of other shards, or of runs without any: what they have done is done."""
        return sorted(self._others("jsonl"))

    def conflicting_locks(self) -> list[Path]:
        """Locks of runs that could do the same rows: those without shards, or with another number of them."""
        own = self.shard and self.shard.count
        return [path for path, count in self._others("lock").items() if own is None or count != own]

    def _others(self, suffix: str) -> dict[Path, int | None]:
        """Files of other runs, and among how many shards those were."""
        name = re.compile(re.escape(Path(self.name).name) + rf"(?:\.\d+-of-(\d+))?\.journal\.{suffix}")
        found = {path: name.fullmatch(path.name) for path in self.folder.iterdir()}
        own = self.journal.with_suffix(f".{suffix}")
        return {path: int(named[1]) if named[1] else None for path, named in found.items() if named and path != own}


@dataclass(frozen=True)
class CheckedBatch:
    """A manifest that was read and checked.

    Attributes:
        data: the manifest as it was read.
        began: when the run did, in seconds since 1970.
        rows: of this run.
        unusable: rows whose inputs have gone since a run began that is continued, and why.
    """

    request: BatchRequest
    data: bytes
    run_id: str
    began: float
    rows: list[CheckedRow]
    unusable: list[tuple[Row, Problem]]

    def plan(self, states: dict[str, JobState]) -> list[PlannedJob]:
        """Decide about every row, see :func:`heygem_cli.batch.plan.make_plan`."""
        wish = RerunOptions(self.run_id, self.request.force, self.request.retry_failed)
        lost = [PlannedJob(row, 0.0, "", "", "", "failed", problem.message) for row, problem in self.unusable]
        return make_plan(self.rows, states, self._identities(), wish) + lost

    def _identities(self) -> dict[str, str]:
        names = {each.row.job.options.engine for each in self.rows}
        return {name: find_engine(name).identity(self.request.engines) for name in names}


def check_batch(request: BatchRequest, told: Told = lambda *_: None) -> CheckedBatch:
    """Read a manifest and check everything before anything starts; nothing is written.

    Raises:
        ManifestError: all that is wrong with the manifest.
        InputError: it cannot be read, or an id of ``only`` is not in it.
        NotCapableError: an engine or an encoder does not work on this machine.
    """
    check_current_folder()
    data = _read(request.manifest)
    cells, problems = parse_manifest(data)
    rows, more = make_rows(cells, request.folder, request.defaults, overwrite=request.overwrite)
    own = {state.output for state in replay(_existing(request)).values() if state.owns_output}
    manifest = [] if request.manifest == STDIN else [request.manifest]
    inputs = {path for row in rows for path in (row.job.audio, row.job.face)}
    request.targets.check(
        [*manifest, *inputs], [request.journal, lock_path(request.journal), *(r.job.output for r in rows)]
    )
    checked, found = check_rows(rows, lambda row: row.output in own, request.engines, inputs=manifest, told=told)
    continued = run_continued(os.environ)
    if problems or more or (found and continued is None):
        raise ManifestError(request.name, [*problems, *more, *found])
    lost = {problem.row: problem for problem in found}
    chosen = _chosen(rows, request)
    run, began = continued or (uuid.uuid4().hex[:12], time.time())
    return CheckedBatch(
        request,
        data,
        run,
        began,
        [row for row in checked if row.row.id in chosen],
        [(row, lost[row.raw.number]) for row in rows if row.raw.number in lost and row.id in chosen],
    )


def dry_run(batch: CheckedBatch) -> list[PlannedJob]:
    """Plan without doing anything; nothing is written and no lock is taken."""
    return batch.plan(replay(_existing(batch.request)))


def _read(manifest: Path) -> bytes:
    if manifest == STDIN:
        return sys.stdin.buffer.read()
    try:
        return manifest.read_bytes()
    except OSError as error:
        raise InputError(
            "bad-manifest", from_os_error(error).message, hint="Name a manifest, or - for stdin"
        ) from error


def _existing(request: BatchRequest) -> list[Path]:
    try:
        own = [request.journal] if request.journal.exists() else []
    except OSError as error:
        hint = "The journal lies beside the manifest: give that a shorter name"
        raise InputError("journal-failed", from_os_error(error).message, hint=hint) from error
    return [*own, *request.other_journals()]


def _chosen(rows: Iterable[Row], request: BatchRequest) -> set[str]:
    ids = {row.id for row in rows}
    for name in sorted(request.only - ids):
        hint = did_you_mean(name, ids, "`--dry-run` shows all ids")
        raise InputError("unknown-id", f"--only {printable(name)}: no row has this id", hint=hint)
    wanted = request.only or ids
    return {name for name in wanted if request.shard is None or request.shard.holds(name)}


def run_batch(
    batch: CheckedBatch,
    policy: Policy,
    executor: Callable[[EngineSettings, list[str]], Worker],
    begin: Callable[[list[PlannedJob]], Observer],
) -> tuple[BatchReport, list[HeygemError]]:
    """Do what is left of a batch, and write its reports whatever happens.

    Args:
        batch: checked.
        policy: how to treat its jobs.
        executor: makes what does them, with the engines that they need.
        begin: is told the plan; gives who is told the rest.

    Returns:
        What became of it, and what could not be written of that.

    Raises:
        LockedError: another run holds the lock.
        HeygemError: the journal cannot be written, or the models cannot be loaded.
    """
    request = batch.request
    with (
        hold_lock(request.journal, request.conflicting_locks),
        open_journal(request.journal, request.other_journals()) as journal,
    ):
        journal.write("run", run=batch.run_id, pid=os.getpid(), host=socket.gethostname(), version=__version__)
        jobs = batch.plan(journal.states)
        folders = {job.row.job.output.parent for job in jobs}
        _clear(folders)
        write = partial(_write_reports, batch, jobs, journal)
        run = Run(
            jobs,
            journal,
            policy,
            begin(jobs),
            restart=lambda: restart(batch.run_id, batch.began, batch.data if request.manifest == STDIN else None),
            give_up=write,
        )
        stopped: int | None = None
        try:
            needed = sorted({job.row.job.options.engine for job in jobs if job.needs_rendering})
            stopped = run.do(lambda: executor(request.engines, needed))
        except StoppedError as error:
            stopped = error.signum
        finally:
            _clear(folders)  # a child process that died has left something, too
            told = write(stopped)
    return told


def _clear(folders: Iterable[Path]) -> None:
    for folder in folders:
        remove_stale_parts(folder)


def _write_reports(
    batch: CheckedBatch, jobs: list[PlannedJob], journal: Journal, stopped: int | None = None
) -> tuple[BatchReport, list[HeygemError]]:
    in_order = sorted(jobs, key=lambda job: job.row.raw.number)
    report = BatchReport(
        manifest=batch.request.name,
        run=batch.run_id,
        began=round(batch.began, 3),
        seconds=round(max(0.0, time.time() - batch.began), 3),  # the clock may have been set back
        jobs=[report_job(job, journal.states.get(job.row.id), batch.run_id) for job in in_order],
        shard=None if batch.request.shard is None else str(batch.request.shard),
        stopped=stopped,
    )
    return report, batch.request.targets.write(report, [job.row for job in in_order])
