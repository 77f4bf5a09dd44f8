"""The thread of ``heygem serve`` that runs one job after another in a worker process."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from heygem_cli.batch.attempts import time_limit
from heygem_cli.batch.watchdog import GRACE_SECONDS
from heygem_cli.batch.worker import Failure, Result, WorkItem, to_failure
from heygem_cli.batch.worker_process import ChildProcessWorker
from heygem_cli.errors import HeygemError, NotCapableError, from_os_error, write_error
from heygem_cli.files import part_file, publish, remove_stale_parts
from heygem_cli.job import Inputs, RenderJob
from heygem_cli.options import EngineOptions, RenderOptions
from heygem_cli.runtime import Settings
from heygem_cli.serve.child import ChildCall
from heygem_cli.serve.job_options import render_options
from heygem_cli.serve.queue import JobQueue
from heygem_cli.serve.statistics import Statistics
from heygem_cli.serve.store import OUTPUT, PREVIEW, Record, Store

CHECK_SECONDS = 120.0
"""Seconds that reading the files of a job may take."""
STOP_SECONDS = 1.5
"""Seconds that a worker whose job was canceled gets to clean up."""
LOAD_SECONDS = 300.0
"""Seconds that loading the engine may take."""
IDLE_SECONDS = 0.5
"""Seconds between two looks at a worker that has nothing to do."""
FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0
"""Seconds between two tries to load a worker; each pause is twice as long as the one before."""

Checked = tuple[Inputs, tuple[str, ...]]
_log = logging.getLogger(__name__)


class RendererThread:
    """Runs the jobs of a queue.

    Args:
        queue: The queue.
        store: Where the files are.
        engines: What the engine is loaded with.
        defaults: The options of a job that gives none; they name the engine.
        settings: Thread settings of the worker.
        timeout: Seconds that a job may take; None for the default.
    """

    def __init__(
        self,
        queue: JobQueue,
        store: Store,
        engines: EngineOptions,
        defaults: RenderOptions,
        *,
        settings: Settings,
        timeout: float | None,
    ) -> None:
        self.statistics = Statistics()
        self._queue = queue
        self._store = store
        self._engines = engines
        self._defaults = defaults
        self._settings = settings
        self._timeout = timeout
        self._checked: dict[str, Checked] = {}
        self._worker: ChildProcessWorker | None = None
        self._problem: HeygemError | None = None
        self._closing = threading.Event()
        self._stopping = threading.Lock()
        self._stop_current: tuple[str, Callable[[], None]] = "", lambda: None
        self._thread = threading.Thread(target=self._run, name="renderer", daemon=True)

    def start(self) -> None:
        """Load the worker and run jobs, in the background."""
        self._thread.start()

    def job_of(self, record: Record) -> RenderJob:
        """Return the job of a record.

        Raises:
            InputError: An option cannot be used.
        """
        folder = self._store.of(record.id)
        options = render_options(replace(self._defaults, overwrite=True), record.options)
        return RenderJob(
            folder / record.audio, folder / record.face, folder / OUTPUT, options, preview=folder / PREVIEW
        )

    def check(self, record: Record) -> None:
        """Check that a job can be rendered.

        Raises:
            HeygemError: An input or an option cannot be used.
        """
        job = self.job_of(record)
        self._checked[record.id] = self._inspect(ChildCall(INSPECT, job))

    @property
    def problem(self) -> str:
        """Say why no job can be rendered at the moment; empty if there is no reason."""
        if self._problem is not None:
            return f"the engine cannot be loaded: {self._problem}"
        is_ready = self._worker is not None and self._worker.is_ready
        return "" if is_ready else "the engine is being loaded"

    @property
    def start_failure(self) -> HeygemError | None:
        """Why the engine could not be loaded at the start; None once it was, or while that is not known."""
        return self._problem if self._worker is None else None

    def interrupt(self, id: str) -> None:
        """Stop what is done about a job, unless another one runs by now."""
        with self._stopping:
            current, stop = self._stop_current
            if current == id:
                stop()

    def close(self) -> None:
        """Put the job that runs back into the queue, and end the worker."""
        self._closing.set()
        self._queue.close()
        with self._stopping:
            self._stop_current[1]()
        if self._worker is not None:
            self._worker.interrupt(0)
        self._thread.join(2 * STOP_SECONDS)

    def _run(self) -> None:
        self._worker = self._until_loaded(self._start_worker)
        while self._worker is not None and not self._closing.is_set():
            record = self._queue.take(IDLE_SECONDS)
            try:
                if record is None:
                    self._prepare(self._worker)
                else:
                    self._run_job(record, self._worker)
            except Exception:  # noqa: BLE001 - the queue must go on whatever happens
                _log.exception("job %s: this is a bug in heygem", "none" if record is None else record.id)
                if self._queue.is_running:
                    hint = "This is a bug in heygem: the server's log has the details"
                    self._queue.finish(error={"code": "internal-error", "message": "internal error", "hint": hint})
        if self._worker is not None:
            self._worker.close()

    def _start_worker(self) -> ChildProcessWorker:
        began = time.monotonic()
        worker = ChildProcessWorker(
            self._engines,
            self._settings,
            [self._defaults.engine],
            adopts_orphans=False,
            load_seconds=LOAD_SECONDS,
        )
        _check_loaded(worker)
        _log.info("the engine %s is loaded after %.1f s", self._defaults.engine, time.monotonic() - began)
        return worker

    def _until_loaded(self, load: Callable[[], ChildProcessWorker]) -> ChildProcessWorker | None:
        """Load a worker, and try again until it works; None if the job is canceled, or the server ends, before that."""
        pause = FIRST_PAUSE
        while not (self._queue.was_canceled or self._closing.is_set()):
            try:
                worker = load()
            except (HeygemError, OSError) as caught:  # of the system: there are too many processes
                error = caught if isinstance(caught, HeygemError) else from_os_error(caught)
                _log.error("the engine cannot be loaded: %s", error)
                self._problem = error
                self._queue.wait_for_cancel(pause)
                pause = min(2 * pause, LAST_PAUSE)
                continue
            self._problem = None
            return worker
        return None

    def _run_job(self, record: Record, worker: ChildProcessWorker) -> None:
        _log.info("job %s begins", record.id)
        began = time.monotonic()
        outcome = self._render(record, worker)
        if self._closing.is_set() and not isinstance(outcome, dict):
            self._queue.put_back(crashed=False)
            return
        seconds = time.monotonic() - began
        if isinstance(outcome, dict) and record.copy_to is not None:
            outcome = _copied(outcome, self._store.of(record.id) / OUTPUT, Path(record.copy_to))
        remove_stale_parts(self._store.of(record.id))
        ended = self._end(record, outcome)
        waiting = {job.id for job in self._queue.jobs() if not job.has_ended}
        for id in [id for id in list(self._checked) if id not in waiting]:
            del self._checked[id]
        self.statistics.count(ended, seconds)
        error = f": {ended.error['code']}: {ended.error['message']}" if ended.error else ""
        _log.info("job %s is %s after %.1f s%s", record.id, ended.phase, seconds, error)

    def _end(self, record: Record, outcome: Result | Failure | None) -> Record:
        if outcome is None:
            return self._queue.finish()
        if not isinstance(outcome, Failure):
            return self._queue.finish(result=_without_paths(outcome, self._store, record))
        if outcome.worker_died and not self._queue.was_canceled:
            _log.warning("job %s: %s", record.id, outcome.message)
            return self._queue.put_back(crashed=True)
        if outcome.code == "disk-full":
            hint = "It goes on by itself when there is room: delete old jobs, or tell who runs the server"
            waiting = replace(outcome, hint=hint).to_dict()
            return self._queue.wait_for_room(_without_paths(waiting, self._store, record))
        return self._queue.finish(error=_without_paths(outcome.to_dict(), self._store, record))

    def _render(self, record: Record, worker: ChildProcessWorker) -> Result | Failure | None:
        """Render a job; None if it was canceled, or the server ends, before it began."""
        try:
            job = self.job_of(record)
            inputs, digests = self._checked.get(record.id) or self._check_again(record, job)
            limit = time_limit(self._timeout, self._defaults.engine, inputs.audio.duration)
            item = WorkItem(job, inputs, digests, limit)
            self._stop_current = record.id, lambda: worker.interrupt(STOP_SECONDS)
            if not self._prepare(worker):
                return None
            watchdog = threading.Timer(item.timeout + 3 * GRACE_SECONDS, worker.interrupt)
            watchdog.daemon = True
            watchdog.start()
            try:
                return worker.run(item, self._queue.report)
            finally:
                watchdog.cancel()
        except HeygemError as error:
            return to_failure(error)
        finally:
            with self._stopping:  # who stops this job must not stop the next one
                self._stop_current = "", lambda: None

    def _prepare(self, worker: ChildProcessWorker) -> bool:
        """Start the worker again if it died: a job waits for that; False if it is canceled, or the server ends."""

        def restarted() -> ChildProcessWorker:
            worker.prepare()
            _check_loaded(worker)
            return worker

        starts = worker.starts
        loaded = self._until_loaded(restarted)
        self.statistics.worker_restarts += worker.starts - starts
        return loaded is not None and not (self._queue.was_canceled or self._closing.is_set())

    def _check_again(self, record: Record, job: RenderJob) -> Checked:
        """Check a job that another server has taken."""
        call = ChildCall(INSPECT, job)
        self._stop_current = record.id, call.close
        return self._inspect(call)

    def _inspect(self, call: ChildCall) -> Checked:
        return call.result(CHECK_SECONDS)  # type: ignore[no-any-return]


INSPECT = "heygem_cli.serve.inspection:inspect_job"


def _check_loaded(worker: ChildProcessWorker) -> None:
    if (failure := worker.take_load_failure()) is not None:
        raise NotCapableError("worker-died", failure.message, hint=failure.hint)


def _copied(result: Result, output: Path, target: Path) -> Result | Failure:
    """Copy a finished video; an error is the job's."""
    try:
        target.parent.mkdir(exist_ok=True)
        with part_file(target) as part:
            shutil.copyfile(output, part.path)
            part.path.chmod(0o644)  # the client may be another user
            publish(part, target)
    except OSError as error:
        return to_failure(write_error(error, target, target.parent))
    return result


def _without_paths(content: Result, store: Store, record: Record) -> Result:
    """Return a result or an error for the user, who does not know the paths of the server."""

    def replaced(value: object) -> object:
        if isinstance(value, list):
            return [replaced(each) for each in value]
        return store.public_text(value, record) if isinstance(value, str) else value

    return {name: replaced(value) for name, value in content.items()}
