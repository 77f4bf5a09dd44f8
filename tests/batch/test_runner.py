"""Tests of the runner."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from batch_program import make_packed_inputs, make_row
from heygem_cli.batch.attempts import Attempts, job_timeout
from heygem_cli.batch.journal import open_journal
from heygem_cli.batch.plan import PlannedJob
from heygem_cli.batch.runner import BatchRunner
from heygem_cli.batch.worker import Failure
from heygem_cli.errors import StoppedError
from heygem_cli.job import RenderJob
from heygem_cli.options import BatchOptions, RenderOptions
from heygem_cli.processes import SIGNALS

JOB = RenderJob(Path("a.wav"), Path("f.mp4"), Path("a.mp4"))
ROW = make_row(JOB, "a")


@pytest.mark.parametrize(
    ("events", "status", "code"),
    [
        (["started", "done"], "done", None),  # its input has been deleted since
        (["started", "interrupted"], "interrupted", None),
        (["started", "started"], "failed", "process-died"),
    ],
)
def test_only_jobs_that_crashed_twice_are_recorded_as_failed(tmp_path, events, status, code):
    def never(*_):
        pytest.fail("there is nothing to do")

    with open_journal(tmp_path / "journal") as journal:
        for event in events:
            journal.write(event, run="before", id="a", key="k", output="a.mp4")
        job = PlannedJob(ROW, None, "failed", "the reason")
        attempts = Attempts([job], journal, "now", BatchOptions(), None)
        assert BatchRunner(attempts, restart=never, write_reports=never).run(never) is None
        state = journal.states["a"]
    assert (state.status, (state.error or {}).get("code")) == (status, code)


def test_default_timeout_is_300_seconds_plus_ten_times_the_audio():
    assert job_timeout(BatchOptions(), PlannedJob(ROW, make_packed_inputs(60), "do", "")) == 900


@pytest.mark.parametrize("engine", ["heygem", "heygem-http"])
def test_default_timeout_of_heygem_is_60_times_the_audio(engine):
    row = make_row(replace(JOB, options=RenderOptions(engine=engine)), "a")
    assert job_timeout(BatchOptions(), PlannedJob(row, make_packed_inputs(60), "do", "")) == 3900


class NullObserver:
    """Ignores everything."""

    def job_started(self, job):
        """Ignore it."""

    def job_finished(self, job, state, failure):
        """Ignore it."""


class SwallowingWorker:
    """Runs jobs with a library that converts the exception of a signal to an error of its own."""

    grace_seconds = 0.0

    def prepare(self):
        """Do nothing."""

    def close(self):
        """Do nothing."""

    def run(self, *_):
        """Fail after a signal."""
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except StoppedError:
            return Failure("internal-error", "ImportError: numpy failed to import")


def test_failure_after_a_signal_is_an_interruption(tmp_path):
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with open_journal(tmp_path / "journal") as journal:
            job = PlannedJob(ROW, make_packed_inputs(1), "do", "new", "key")
            attempts = Attempts([job], journal, "now", BatchOptions(), NullObserver())
            runner = BatchRunner(attempts, restart=None, write_reports=None)
            assert runner.run(SwallowingWorker) == signal.SIGTERM
            assert (journal.states["a"].status, journal.states["a"].error) == ("interrupted", None)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
