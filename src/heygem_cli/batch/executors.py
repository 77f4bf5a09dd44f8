"""Where jobs are done: in this process, or in one child process that may die without taking the batch along."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Protocol

from heygem_cli.batch.children import adopt_orphans, children, die_with_parent, kill_children, outlive_orphans
from heygem_cli.batch.guard import GRACE, STOP_WITHIN
from heygem_cli.batch.perform import Facts, Failure, Task, TimeoutExceededError, failure_of, perform
from heygem_cli.engines.settings import EngineSettings
from heygem_cli.errors import HeygemError
from heygem_cli.job import Progress, Report
from heygem_cli.pipeline import Pipeline

TOLD_EVERY = 0.2
"""Seconds between two messages of progress from the child."""


class Executor(Protocol):
    """Does one job after another with models that are loaded once."""

    patience: float
    """Seconds that a job may take beyond its time before the batch is started anew."""

    def prepare(self) -> None:
        """Make ready for the next job.

        Raises:
            HeygemError: it cannot be made ready for any job.
        """
        ...

    def render(self, task: Task, report: Report) -> Facts | Failure:
        """Do a job, see :func:`heygem_cli.batch.perform.perform`."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class Local:
    """Does jobs in this process.

    Raises:
        InputError: what an engine was told cannot be used.
        NotCapableError: an engine does not work here.
    """

    patience = GRACE

    def __init__(self, settings: EngineSettings, engines: Sequence[str]) -> None:
        self._pipeline = loaded(settings, engines)

    def prepare(self) -> None:
        """It is always ready."""

    def render(self, task: Task, report: Report) -> Facts | Failure:
        """Do a job."""
        return perform(self._pipeline, task, report)

    def close(self) -> None:
        """Close the engines."""
        self._pipeline.close()


def loaded(settings: EngineSettings, engines: Sequence[str]) -> Pipeline:
    """Make a pipeline with engines that are loaded before the first job begins."""
    pipeline = Pipeline(settings)
    for name in engines:
        pipeline.engine(name)
    return pipeline


class Isolated:
    """Does jobs in one spawned child process, loaded once and started anew only after a death.

    Raises:
        NotCapableError: an engine does not work here.
        HeygemError: as the engine raised it, or ``worker-died`` while it loaded.
    """

    # The child's own limit comes first, then this process kills it; the batch itself never has to start anew.
    patience = 4 * GRACE

    def __init__(self, settings: EngineSettings, engines: Sequence[str]) -> None:
        self._args = (settings, engines)
        adopt_orphans()
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._child = context.Process(target=_serve, args=(theirs, *self._args), name="heygem-worker", daemon=True)
        resource_tracker.ensure_running()  # which would lift the mask
        self._known = children(os.getpid())
        signals = {signal.SIGINT, signal.SIGHUP}
        # They wait until the child, which inherits the mask, has learnt to ignore them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            self._child.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        try:
            error = self._ours.recv()
        except EOFError as died:
            hint = "Run `heygem doctor`; --debug shows what it printed"
            raise HeygemError("worker-died", f"the child process {self._death()} while it loaded", hint=hint) from died
        if error is not None:
            kind, code, text, hint = error
            raise kind(code, text, hint=hint)

    def prepare(self) -> None:
        """Start the child anew if it is dead."""
        if not self._child.is_alive():
            self._start()

    def render(self, task: Task, report: Report) -> Facts | Failure:
        """Do a job in the child; its death is a failure of the job."""
        end = time.monotonic() + task.timeout + GRACE
        try:
            self._ours.send(task)
            while self._ours.poll(max(0.0, end - time.monotonic())):
                message = self._ours.recv()
                if not isinstance(message, Progress):
                    return message  # type: ignore[no-any-return]
                report(message)
        except (EOFError, OSError):
            hint = "Try it with `heygem render --debug`; look into the kernel's log for the out-of-memory killer"
            return Failure("process-died", f"the process {self._death()} during this job", hint, died=True)
        kill_children(self._child.pid or 0)
        self._child.kill()
        self._bury()
        return failure_of(TimeoutExceededError(task.timeout))

    def close(self) -> None:
        """End the child; it is given time to remove what it was writing."""
        self._child.terminate()
        self._child.join(STOP_WITHIN)
        self._child.kill()
        self._bury()

    def _death(self) -> str:
        self._bury()
        code = self._child.exitcode or 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def _bury(self) -> None:
        self._child.join()
        outlive_orphans(self._known)


def _serve(connection: Connection, settings: EngineSettings, engines: Sequence[str]) -> None:
    """The child: load, then do what is asked until nobody asks any more."""
    parent = multiprocessing.parent_process()
    die_with_parent(parent.pid if parent and parent.pid else 0)
    for number in (signal.SIGINT, signal.SIGHUP):  # they reach both; the parent decides
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGHUP})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        pipeline = loaded(settings, engines)
    except HeygemError as error:
        connection.send((type(error), error.code, error.message, error.hint))
        return
    connection.send(None)
    with contextlib.closing(pipeline):
        while True:
            try:
                task = connection.recv()
            except EOFError:
                return
            connection.send(perform(pipeline, task, _throttled(connection.send)))


def _throttled(send: Callable[[Progress], None]) -> Report:
    told = 0.0

    def report(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= TOLD_EVERY:
            told = time.monotonic()
            send(progress)

    return report
