"""A batch from the manifest to the reports: check everything, take the lock, run the jobs, write the reports."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from heygem_cli import __version__
from heygem_cli.batch.check import CheckedRow, CheckProgress, check_rows
from heygem_cli.batch.journal import JobState, Journal, open_journal, receipt_path, replay
from heygem_cli.batch.lock import hold_lock, lock_path
from heygem_cli.batch.manifest import ManifestError, parse_manifest
from heygem_cli.batch.plan import PlannedJob, make_plan
from heygem_cli.batch.report import BatchReport, report_job
from heygem_cli.batch.report_files import ReportFiles
from heygem_cli.batch.restart import pop_continued_run, restart
from heygem_cli.batch.rows import Row, make_rows
from heygem_cli.batch.runner import BatchRunner, Observer
from heygem_cli.batch.shard import Shard, parse_shard
from heygem_cli.batch.text_file import read_limited, read_text_file
from heygem_cli.batch.worker import ChildProcessWorker, InProcessWorker
from heygem_cli.engines import check_engine_options, find_engine
from heygem_cli.errors import HeygemError, InputError, StoppedError, did_you_mean, from_os_error, printable
from heygem_cli.files import remove_stale_parts
from heygem_cli.options import BatchOptions, EngineOptions, RenderOptions
from heygem_cli.pipeline import check_current_folder
from heygem_cli.runtime import Settings

STDIN = Path("-")


@dataclass(frozen=True)
class BatchRequest:
    """What the command line asks for.

    Attributes:
        manifest: The manifest; ``-`` for standard input.
        defaults: Values of the options that a row does not set.
        engines: What the engines are loaded with.
        options: The options of the batch.
        settings: The thread settings of the process.
        given: Names of the options that the command line gives.
    """

    manifest: Path
    defaults: RenderOptions = field(default_factory=RenderOptions)
    engines: EngineOptions = field(default_factory=EngineOptions)
    options: BatchOptions = field(default_factory=BatchOptions)
    settings: Settings = field(default_factory=Settings)
    given: frozenset[str] = frozenset()

    @cached_property
    def shard(self) -> Shard | None:
        """The shard to render; None for all rows."""
        text = self.options.shard
        return None if text is None else parse_shard(text, os.environ)

    @property
    def report_files(self) -> ReportFiles:
        """The report files to write."""
        return ReportFiles(self.options.report, self.options.junit, self.options.failed_manifest)

    @property
    def name(self) -> str:
        """Name of the manifest in messages and file names."""
        return "stdin" if self.manifest == STDIN else str(self.manifest)

    @property
    def folder(self) -> Path:
        """The folder of the journal, from which relative paths start."""
        return Path() if self.manifest == STDIN else self.manifest.parent

    @property
    def journal(self) -> Path:
        """The journal of this run; each shard has its own."""
        shard = f".{self.shard.index}-of-{self.shard.count}" if self.shard else ""
        return self.folder / f"{Path(self.name).name}{shard}.journal.jsonl"

    def other_journals(self) -> list[Path]:
        """Find the journals of other shards and of unsharded runs, whose results count too."""
        return sorted(self._files_of_others("jsonl"))

    def conflicting_locks(self) -> list[Path]:
        """Find the locks of runs that may contain the same rows: unsharded, or with another number of shards."""
        own = self.shard and self.shard.count
        return [path for path, count in self._files_of_others("lock").items() if own is None or count != own]

    def _files_of_others(self, suffix: str) -> dict[Path, int | None]:
        """Find files of other runs of the manifest, with the number of shards of each."""
        pattern = re.compile(re.escape(Path(self.name).name) + rf"(?:\.\d+-of-(\d+))?\.journal\.{suffix}")
        matches = {path: pattern.fullmatch(path.name) for path in self.folder.iterdir()}
        own = self.journal.with_suffix(f".{suffix}")
        return {path: int(match[1]) if match[1] else None for path, match in matches.items() if match and path != own}


@dataclass(frozen=True)
class CheckedBatch:
    """A manifest that was read and checked.

    Attributes:
        data: The content of the manifest.
        began: Start time of the run in seconds since the epoch.
        rows: The rows of this run.
        unusable: Jobs of rows with problems that appeared after the start of a run that is continued.
    """

    request: BatchRequest
    data: bytes
    run_id: str
    began: float
    rows: list[CheckedRow]
    unusable: list[PlannedJob]

    def plan(self, states: dict[str, JobState]) -> list[PlannedJob]:
        """Plan every row, see :func:`heygem_cli.batch.plan.make_plan`."""
        engines = {checked.row.job.options.engine for checked in self.rows}
        identities = {name: find_engine(name).identity(self.request.engines) for name in engines}
        return make_plan(self.rows, states, identities, self.run_id, self.request.options) + self.unusable


def check_batch(request: BatchRequest, on_progress: CheckProgress = lambda *_: None) -> CheckedBatch:
    """Read a manifest and check everything; nothing is written.

    Raises:
        ManifestError: The manifest has problems.
        InputError: The manifest cannot be read, or an id of ``only`` is not in it.
        NotCapableError: An engine or an encoder does not work on this machine.
    """
    check_current_folder()
    data = _read(request.manifest)
    raw_rows, problems = parse_manifest(data)
    rows, row_problems = make_rows(raw_rows, request.folder, request.defaults)
    own_outputs = _own_outputs(replay(_existing_journals(request)))
    manifest = [] if request.manifest == STDIN else [request.manifest]
    inputs = {path for row in rows for path in row.job.inputs}
    own_files = [request.journal, lock_path(request.journal), receipt_path(request.journal)]
    outputs = [*own_files, *(path for row in rows for path in row.job.outputs)]
    request.report_files.check([*manifest, *inputs], outputs)
    check_engine_options({row.job.options.engine for row in rows}, request.given)
    checked, file_problems = check_rows(rows, own_outputs, request.engines, protected=manifest, on_progress=on_progress)
    continued = pop_continued_run(os.environ)
    if problems or row_problems or (file_problems and continued is None):
        raise ManifestError(request.name, [*problems, *row_problems, *file_problems])
    chosen = _choose_ids(rows, request)
    reasons = {problem.row: problem.message for problem in file_problems}
    unusable = [
        PlannedJob(row, None, "failed", reasons[row.raw.number])
        for row in rows
        if row.raw.number in reasons and row.id in chosen
    ]
    run_id, began = continued or (uuid.uuid4().hex[:12], time.time())
    return CheckedBatch(request, data, run_id, began, [c for c in checked if c.row.id in chosen], unusable)


def dry_run(batch: CheckedBatch) -> list[PlannedJob]:
    """Return the plan; nothing is written and no lock is taken."""
    return batch.plan(replay(_existing_journals(batch.request)))


def _read(manifest: Path) -> bytes:
    hint = "Name a manifest, or - for standard input"
    try:
        if manifest == STDIN:
            return read_limited(sys.stdin.buffer, Path("stdin"))
        return read_text_file(manifest)
    except OSError as error:
        raise InputError("bad-manifest", from_os_error(error, path=Path("stdin")).message, hint=hint) from error
    except InputError as error:
        raise InputError("bad-manifest", error.message, hint=hint) from error


def _own_outputs(states: Mapping[str, JobState]) -> dict[str, frozenset[str]]:
    own: dict[str, frozenset[str]] = {}
    for state in states.values():
        own[state.output] = own.get(state.output, frozenset()) | state.made
    return own


def _existing_journals(request: BatchRequest) -> list[Path]:
    try:
        own = [request.journal] if request.journal.exists() else []
    except OSError as error:
        hint = "The journal is named after the manifest: give the manifest a shorter name"
        raise InputError("journal-failed", from_os_error(error).message, hint=hint) from error
    return [*own, *request.other_journals()]


def _choose_ids(rows: Iterable[Row], request: BatchRequest) -> set[str]:
    ids = {row.id for row in rows}
    only = set(request.options.only)
    for name in sorted(only - ids):
        hint = did_you_mean(name, ids, "`--dry-run` lists all ids")
        raise InputError("unknown-id", f"--only {printable(name)}: no row has this id", hint=hint)
    return {name for name in only or ids if request.shard is None or request.shard.contains(name)}


def run_batch(
    batch: CheckedBatch, make_observer: Callable[[list[PlannedJob]], Observer]
) -> tuple[BatchReport, list[HeygemError]]:
    """Run the jobs of a batch that need rendering, and write its reports, whatever happens.

    Returns:
        The report, and the errors of report files that could not be written.

    Raises:
        LockedError: Another run holds the lock.
        HeygemError: The journal cannot be written, or the models cannot be loaded.
    """
    request = batch.request
    with (
        hold_lock(request.journal, request.conflicting_locks),
        open_journal(request.journal, request.other_journals()) as journal,
    ):
        journal.write("run", run=batch.run_id, pid=os.getpid(), host=socket.gethostname(), version=__version__)
        jobs = batch.plan(journal.states)
        folders = {path.parent for job in jobs for path in job.row.job.outputs}
        for folder in folders:
            remove_stale_parts(folder)
        write_reports = partial(_write_reports, batch, jobs, journal)
        stdin = batch.data if request.manifest == STDIN else None
        runner = BatchRunner(
            jobs,
            journal,
            batch.run_id,
            request.options,
            make_observer(jobs),
            restart=partial(restart, batch.run_id, batch.began, stdin),
            write_reports=write_reports,
        )
        stopped: int | None = None
        try:
            engines = sorted({job.row.job.options.engine for job in jobs if job.needs_rendering})
            worker = ChildProcessWorker if request.options.isolate else InProcessWorker
            stopped = runner.run(lambda: worker(request.engines, request.settings, engines))
        except StoppedError as error:
            stopped = error.signum
        finally:
            for folder in folders:
                remove_stale_parts(folder)  # of a worker process that died
            result = write_reports(stopped)
    return result


def _write_reports(
    batch: CheckedBatch, jobs: list[PlannedJob], journal: Journal, stopped: int | None = None
) -> tuple[BatchReport, list[HeygemError]]:
    jobs = sorted(jobs, key=lambda job: job.row.raw.number)
    report = BatchReport(
        manifest=batch.request.name,
        run=batch.run_id,
        began=round(batch.began, 3),
        seconds=round(max(0.0, time.time() - batch.began), 3),  # the clock may have been set back
        jobs=[report_job(job, journal.states.get(job.row.id), batch.run_id) for job in jobs],
        shard=None if batch.request.shard is None else str(batch.request.shard),
        stopped=stopped,
    )
    return report, batch.request.report_files.write(report, [job.row for job in jobs])
