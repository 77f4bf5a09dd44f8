"""Tests of the parallel runner, with a pool whose workers report what a test says."""

import contextlib
import signal

import pytest

from batch_program import make_packed_inputs, make_row
from heygem_cli.batch import parallel
from heygem_cli.batch.attempts import MAX_LOST_NODES, Attempts
from heygem_cli.batch.journal import open_journal, replay
from heygem_cli.batch.parallel import ParallelRunner, PoolWorker, Publishing
from heygem_cli.batch.plan import PlannedJob
from heygem_cli.batch.worker import Failure
from heygem_cli.errors import NotCapableError
from heygem_cli.job import Progress, RenderJob
from heygem_cli.options import BatchOptions
from heygem_cli.processes import SIGNALS

DONE = {"frames": 1}
DIED = Failure("process-died", "x", worker_died=True)
LOST = Failure("node-lost", "x", worker_died=True, node_lost=True)
BAD = Failure("no-face", "x")
BUSY = Failure("disk-full", "x", retryable=True)


class Pool:
    """Runs jobs by a script: for each attempt of a job, what its worker reports; None for a worker that hangs."""

    def __init__(self, script, workers=2):
        self.script = {name: list(attempts) for name, attempts in script.items()}
        self.free = [PoolWorker(f"w{n}", "node") for n in range(workers)]
        self.events, self.killed, self.permitted, self.most = [], [], [], 0

    def idle(self):
        return list(self.free)

    def run(self, worker, item):
        self.free.remove(worker)
        self.most = max(self.most, 2 - len(self.free))
        for event in self.script[item.job.output.stem].pop(0) or ():
            self.events.append((worker, event))

    def permit(self, worker):
        self.permitted.append(worker)

    def wait(self, *_):
        events, self.events = self.events, []
        self.free += [worker for worker, event in events if isinstance(event, dict | Failure)]
        return events

    def warnings(self):
        return ()

    def kill(self, worker):
        self.killed.append(worker)
        self.free.append(worker)


class Observer:
    def __init__(self):
        self.seen = []

    def __getattr__(self, name):
        return lambda *_: self.seen.append(name)


@pytest.fixture
def run(tmp_path):
    handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def run(script, options=BatchOptions(), pool=None):  # noqa: B008
        jobs = []
        for name in script:
            job = RenderJob(tmp_path / "a.wav", tmp_path / "f.mp4", tmp_path / f"{name}.mp4")
            jobs.append(PlannedJob(make_row(job, name), make_packed_inputs(1), "do", "", "key"))
        pool = pool or Pool(script)
        with open_journal(tmp_path / "j.jsonl") as journal:
            attempts = Attempts(jobs, journal, "now", options, Observer())
            stopped = ParallelRunner(attempts, write_reports=None).run(lambda: contextlib.nullcontext(pool))
            return {name: state.status for name, state in journal.states.items()}, pool, stopped

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def events(tmp_path, name):
    lines = (tmp_path / "j.jsonl").read_text().splitlines()
    return [line.split('"')[3] for line in lines if f'"id": "{name}"' in line]


def test_jobs_run_side_by_side(run, tmp_path):
    progress = Progress("render", 1, 2)
    statuses, pool, stopped = run({"a": [[progress, Publishing("ab" * 32), DONE]], "b": [[DONE]]})
    assert (statuses, pool.most, stopped) == ({"a": "done", "b": "done"}, 2, None)
    assert pool.permitted == [PoolWorker("w0", "node")]
    assert events(tmp_path, "a") == ["started", "publishing", "done"]
    assert replay([tmp_path / "j.jsonl"])["a"].made == {"ab" * 32}


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([[DIED], [DONE]], ["started", "died", "started", "done"]),
        ([[DIED], [DIED]], ["started", "died", "started", "died", "failed"]),
        ([[DIED], [LOST], [DONE]], ["started", "died", "started", "interrupted", "started", "done"]),
        ([[LOST]] * (MAX_LOST_NODES + 1), ["started", "interrupted"] * 4 + ["started", "died"] * 2 + ["failed"]),
        ([[BUSY], [DONE]], ["started", "retrying", "started", "done"]),
        ([[BUSY], [BUSY]], ["started", "retrying", "started", "failed"]),
        ([[BAD]], ["started", "failed"]),
    ],
)
def test_outcomes_have_the_consequences_of_a_plain_batch(run, tmp_path, attempts, expected):
    run({"a": attempts})
    assert events(tmp_path, "a") == expected


def test_batch_that_is_killed_blames_none_of_the_jobs_of_its_workers(tmp_path):
    with open_journal(tmp_path / "j.jsonl") as journal:
        for _ in range(3):
            journal.write("started", run="r", id="a", key="k", output="a.mp4", worker="host 1")
    state = replay([tmp_path / "j.jsonl"])["a"]
    assert (state.crashed_too_often, state.crashes, state.attempts) == (False, 0, 3)


def test_receipt_of_a_plain_batch_is_no_business_of_other_workers(tmp_path):
    with open_journal(tmp_path / "j.jsonl") as journal:
        journal.write("started", run="r", id="a", key="k", output="a.mp4", worker="host 1")
        journal.write("started", run="r", id="b", key="k", output="b.mp4")
        journal.receipt.write_text("ab" * 32)
    with open_journal(tmp_path / "j.jsonl") as journal:
        assert (journal.states["a"].status, journal.states["a"].made) == ("started", frozenset())
        assert (journal.states["b"].status, journal.states["b"].made) == ("died", {"ab" * 32})


def test_after_too_many_failures_running_jobs_are_finished(run):
    script = {"a": [[BAD]], "b": [[Progress("render", 1, 2), DONE]], "c": [[DONE]]}
    assert run(script, BatchOptions(fail_fast=True))[0] == {"a": "failed", "b": "done"}


def test_worker_that_hangs_is_killed(run, monkeypatch):
    monkeypatch.setattr(parallel, "KILL_AFTER", 0)
    statuses, pool, _ = run({"a": [None], "b": [[DONE]]}, BatchOptions(timeout=1e-9))
    assert statuses["a"] == "failed"
    assert pool.killed[0] == PoolWorker("w0", "node")


def test_jobs_are_interrupted_if_there_are_no_workers_any_more(run, tmp_path):
    class Empty(Pool):
        def wait(self, *_):
            raise NotCapableError("other-version", "x")

    with pytest.raises(NotCapableError):
        run({"a": [None]}, pool=Empty({"a": [None]}))
    assert events(tmp_path, "a") == ["started", "interrupted"]
