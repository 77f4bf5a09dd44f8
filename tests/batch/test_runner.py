"""What a run records of jobs that it does not do."""

import os
import signal
import time
from pathlib import Path

import pytest

from heygem_cli.batch.journal import open_journal
from heygem_cli.batch.manifest import RawRow
from heygem_cli.batch.plan import PlannedJob
from heygem_cli.batch.rows import Row
from heygem_cli.batch.runner import Policy, Run
from heygem_cli.batch.worker import Failure
from heygem_cli.errors import StoppedError
from heygem_cli.job import RenderJob
from heygem_cli.processes import SIGNALS

ROW = Row("a", "a.mp4", RawRow(1, None, {}), RenderJob(Path("a.wav"), Path("f.mp4"), Path("a.mp4")))


@pytest.mark.parametrize(
    ("events", "status", "code"),
    [
        (["started", "done"], "done", None),  # its input has gone since
        (["started", "interrupted"], "interrupted", None),
        (["started", "started"], "failed", "process-died"),
    ],
)
def test_only_jobs_that_killed_the_process_twice_are_recorded_as_failed(tmp_path, events, status, code):
    def none(*_):
        pytest.fail("there is nothing to do")

    with open_journal(tmp_path / "journal") as journal:
        for event in events:
            journal.write(event, run="before", id="a", key="k", output="a.mp4")
        job = PlannedJob(ROW, 1.0, "", "", "", "failed", "the reason")
        assert Run([job], journal, Policy("now"), None, restart=none, give_up=none).do(none) is None
        state = journal.states["a"]
    assert (state.status, (state.error or {}).get("code")) == (status, code)


def test_a_job_has_300_seconds_and_ten_times_its_audio():
    assert Policy("r").seconds_for(PlannedJob(ROW, 60.0, "", "", "", "do", "")) == 900


class Quiet:
    """Hears of everything and says nothing."""

    def job_started(self, job):
        """Hear."""

    def job_finished(self, job, state, failure):
        """Hear."""


class Swallowing:
    """Does jobs with a library that makes an error of its own of a signal."""

    grace_seconds = 0.0

    def prepare(self):
        """It is always ready."""

    def close(self):
        """There is nothing to let go of."""

    def render(self, *_):
        """Be interrupted."""
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except StoppedError:
            return Failure("internal-error", "ImportError: numpy failed to import")


def test_what_a_job_fails_with_after_a_signal_is_the_signal(tmp_path):
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with open_journal(tmp_path / "journal") as journal:
            job = PlannedJob(ROW, 1.0, "", "", "key", "do", "new")
            assert Run([job], journal, Policy("now"), Quiet(), restart=None, give_up=None).do(Swallowing) == 15
            assert (journal.states["a"].status, journal.states["a"].error) == ("interrupted", None)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
