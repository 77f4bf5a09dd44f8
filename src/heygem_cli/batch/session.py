"""A batch from the manifest to the reports: check everything, take the lock, run the jobs, write the reports."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from heygem_cli import __version__
from heygem_cli.batch.attempts import Attempts, Observer
from heygem_cli.batch.bad_rows import unusable_jobs
from heygem_cli.batch.check import CheckedRow, check_encoders, check_rows
from heygem_cli.batch.input_files import CheckProgress
from heygem_cli.batch.journal import JobState, Journal, open_journal, receipt_path, replay
from heygem_cli.batch.lock import hold_lock, lock_path
from heygem_cli.batch.manifest import ManifestError
from heygem_cli.batch.parallel import ParallelRunner, WorkerPool, WorkerSetup
from heygem_cli.batch.plan import PlannedJob, make_plan
from heygem_cli.batch.report import BatchReport, report_job
from heygem_cli.batch.request import STDIN, BatchRequest
from heygem_cli.batch.restart import pop_continued_run, restart
from heygem_cli.batch.rows import Row
from heygem_cli.batch.runner import BatchRunner
from heygem_cli.batch.source import read_source
from heygem_cli.batch.worker import InProcessWorker
from heygem_cli.batch.worker_process import ChildProcessWorker
from heygem_cli.engines import check_engine_options, find_engine
from heygem_cli.errors import HeygemError, InputError, StoppedError, did_you_mean, from_os_error, printable
from heygem_cli.face.cache import default_cache_folder
from heygem_cli.files import remove_stale_parts
from heygem_cli.pipeline import check_current_folder
from heygem_cli.remote import RemoteFiles

PARTS_SECONDS = 3.0
"""Time in which killed workers of other nodes, and their encoders, end."""
OpenPool = Callable[[WorkerSetup], AbstractContextManager[WorkerPool]]
"""Opens the workers of a run."""


@dataclass(frozen=True)
class CheckedBatch:
    """The rows of a batch, checked.

    Attributes:
        data: The content of standard input, if that is the manifest.
        began: Start time of the run in seconds since the epoch.
        rows: The rows of this run.
        unusable: Jobs of rows with problems, if these may be skipped or have appeared since the run started.
        notes: What was left out, for the user.
    """

    request: BatchRequest
    data: bytes
    run_id: str
    began: float
    rows: list[CheckedRow]
    unusable: list[PlannedJob]
    notes: Sequence[str] = ()

    def plan(self, states: dict[str, JobState]) -> list[PlannedJob]:
        """Plan every row, see :func:`heygem_cli.batch.plan.make_plan`."""
        engines = {checked.row.options.engine for checked in self.rows}
        identities = {name: find_engine(name).identity(self.request.engines) for name in engines}
        return make_plan(self.rows, states, identities, self.run_id, self.request.options) + self.unusable


def check_batch(request: BatchRequest, on_progress: CheckProgress = lambda *_: None) -> CheckedBatch:
    """Read a manifest, or find the files that were named, and check everything; nothing is written.

    Raises:
        ManifestError: Rows have problems.
        InputError: The manifest cannot be read, files cannot be found, or an id of ``only`` does not exist.
        NotCapableError: An engine or an encoder does not work on this machine.
    """
    check_current_folder()
    own_outputs = _own_outputs(replay(_existing_journals(request)))
    source = read_source(request, [name for name, digests in own_outputs.items() if digests])
    rows = source.rows
    manifest = [] if request.manifest is None or request.manifest == STDIN else [request.manifest]
    _check_report_files(request, manifest, rows)
    check_engine_options({row.options.engine for row in rows}, request.given)
    checked, file_problems = check_rows(rows, own_outputs, request.engines, protected=manifest, on_progress=on_progress)
    if not request.elsewhere:
        check_encoders(checked)
    continued = pop_continued_run(os.environ)
    problems = [*source.problems, *file_problems]
    tolerated = problems if request.options.skip_bad else file_problems if continued else []
    if len(tolerated) < len(problems) or any(problem.row is None for problem in problems):
        raise ManifestError(request.name, problems)
    unusable = unusable_jobs(rows, source.raw_rows, tolerated)
    bad = {job.row.number for job in unusable}
    usable = [each for each in checked if each.row.number not in bad]
    chosen = _choose_ids([*(each.row for each in usable), *(job.row for job in unusable)], request)
    run_id, began = continued or (uuid.uuid4().hex[:12], time.time())
    return CheckedBatch(
        request,
        source.data,
        run_id,
        began,
        rows=[each for each in usable if chosen(each.row.id)],
        unusable=[job for job in unusable if chosen(job.row.id)],
        notes=source.notes,
    )


def dry_run(batch: CheckedBatch) -> list[PlannedJob]:
    """Return the plan; nothing is written and no lock is taken."""
    return batch.plan(replay(_existing_journals(batch.request)))


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


def _choose_ids(rows: Iterable[Row], request: BatchRequest) -> Callable[[str], bool]:
    """Return what tells by the id of a row whether it is in this run."""
    only, shard = frozenset(request.options.only), request.shard
    ids = {row.id for row in rows} if only else only
    for name in sorted(only - ids):
        hint = did_you_mean(name, ids, "`--dry-run` lists all ids")
        raise InputError("unknown-id", f"--only {printable(name)}: no row has this id", hint=hint)
    return lambda name: (not only or name in only) and (shard is None or shard.contains(name))


def _check_report_files(request: BatchRequest, manifest: Sequence[Path], rows: Sequence[Row]) -> None:
    if request.report_files.paths:
        inputs = {Path(path) for common in {row.common for row in rows} for path in common.inputs}
        own_files = [request.journal, lock_path(request.journal), receipt_path(request.journal)]
        timelines = [row.options.timeline for row in rows if row.options.timeline is not None]
        request.report_files.check([*manifest, *inputs], [*own_files, *(row.path for row in rows), *timelines])


def run_batch(
    batch: CheckedBatch, make_observer: Callable[[list[PlannedJob]], Observer], open_pool: OpenPool | None = None
) -> tuple[BatchReport, list[HeygemError]]:
    """Run the jobs of a batch that need rendering, and write its reports, whatever happens.

    Args:
        batch: The batch.
        make_observer: Makes the receiver of the progress.
        open_pool: Opens the workers that run the jobs; None to run one after another here.

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
        RemoteFiles(default_cache_folder()).delete_old()
        jobs = batch.plan(journal.states)
        folders = _output_folders(jobs)
        for folder in folders:
            remove_stale_parts(folder)
        write_reports = partial(_write_reports, batch, jobs, journal)
        stopped: int | None = None
        try:
            attempts = Attempts(jobs, journal, batch.run_id, request.options, make_observer(jobs))
            if open_pool is None:
                stopped = _run_here(batch, jobs, attempts, write_reports)
            else:
                stopped = _run_elsewhere(request, jobs, attempts, write_reports, open_pool)
        except StoppedError as error:
            stopped = error.signum
        finally:
            _remove_parts(folders, 0.0 if open_pool is None else PARTS_SECONDS)
            result = write_reports(stopped)
    return result


def _output_folders(jobs: Sequence[PlannedJob]) -> set[Path]:
    known = [job.row for job in jobs if job.row.output]
    timelines = {row.options.timeline for row in known}
    return {Path(folder) for folder in {row.folder for row in known}} | {path.parent for path in timelines if path}


def _remove_parts(folders: Iterable[Path], seconds: float) -> None:
    """Delete the part files of worker processes that died; on other nodes that may take some seconds."""
    deadline = time.monotonic() + seconds
    left = list(folders)
    while (left := [folder for folder in left if remove_stale_parts(folder)]) and time.monotonic() < deadline:
        time.sleep(0.1)


def _run_here(
    batch: CheckedBatch, jobs: Sequence[PlannedJob], attempts: Attempts, write_reports: Callable[[int], object]
) -> int | None:
    request = batch.request
    stdin = batch.data if request.manifest == STDIN else None
    restart_command = partial(restart, batch.run_id, batch.began, stdin)
    worker = ChildProcessWorker if request.options.isolate else InProcessWorker
    runner = BatchRunner(attempts, restart=restart_command, write_reports=write_reports)
    return runner.run(lambda: worker(request.engines, request.settings, _engines(jobs)))


def _run_elsewhere(
    request: BatchRequest,
    jobs: Sequence[PlannedJob],
    attempts: Attempts,
    write_reports: Callable[[int], object],
    open_pool: OpenPool,
) -> int | None:
    identities = {name: find_engine(name).identity(request.engines) for name in _engines(jobs)}
    encodings = {job.row.options.encode for job in jobs if job.needs_rendering}
    setup = WorkerSetup(request.engines, request.settings, identities, encodings, Path.cwd())
    return ParallelRunner(attempts, write_reports=write_reports).run(lambda: open_pool(setup))


def _engines(jobs: Iterable[PlannedJob]) -> list[str]:
    return sorted({job.row.options.engine for job in jobs if job.needs_rendering})


def _write_reports(
    batch: CheckedBatch, jobs: list[PlannedJob], journal: Journal, stopped: int | None = None
) -> tuple[BatchReport, list[HeygemError]]:
    jobs = sorted(jobs, key=lambda job: job.row.number)
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
