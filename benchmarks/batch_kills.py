"""Kill render, batch and their child processes at random moments, and run the same command again."""

from __future__ import annotations

import random
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from resource import RLIMIT_CORE, setrlimit

from benchmarks.batch_folder import BatchFolder, make_face, make_voice
from benchmarks.kill_kinds import Kind, all_kinds
from benchmarks.kill_moments import Sent, kill
from benchmarks.kill_run import JOBS, KillRun
from benchmarks.kill_verdict import FAULTS, Fault, judge_end, judge_files, judge_next_run, judge_processes
from benchmarks.report import Target, print_table
from heygem_cli.errors import HeygemError
from heygem_cli.files import file_digest
from heygem_cli.processes import SIGNALS

ATTEMPTS = 20
"""A run that ends before its moment comes is started again, with another moment."""
END_SECONDS = 60.0
"""Limit of the time from a signal to the end of the command, and of the next run."""


@dataclass(frozen=True)
class KillPlan:
    """How many runs to kill.

    Attributes:
        first: Number of the first kill, from 0; it determines, with the seed, everything but the timing.
        jobs: Kills at a time.
    """

    count: int = 100
    first: int = 0
    seed: int = 1
    jobs: int = 2


@dataclass
class KillRecord:
    """A kill and what was wrong after it.

    Attributes:
        attempts: Number of runs until the signal could be sent.
        status: Exit status of the command, negative for a signal; None if it did not end.
        seconds: Time from the signal to the end of the command.
        next_status: Exit status of the next run of the same command.
        faults: Keys of :data:`benchmarks.kill_verdict.FAULTS`, and details.
        stderr: What the command that was killed wrote to standard error.
        events: The journal after the kill.
    """

    number: int
    program: str
    victim: str
    signal: str
    moment: str = ""
    attempts: int = 0
    status: int | None = None
    seconds: float = 0.0
    next_status: int | None = None
    faults: list[Fault] = field(default_factory=list)
    stderr: str = ""
    events: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        text = f"{self.number}: {self.program}, {self.signal} to {self.victim} at {self.moment} of run {self.attempts}"
        verdict = "; ".join(f"{kind}: {details}" for kind, details in self.faults) or "good"
        return f"{text}: status {self.status} after {self.seconds:.1f} s, then {self.next_status}: {verdict}"


def measure_kills(folder: Path, plan: KillPlan) -> tuple[list[Target], list[KillRecord]]:
    """Kill runs, and return the targets and a record of each kill."""
    _let_children_die()
    inputs = _make_inputs(folder / "inputs")
    expected = _run_uninterrupted(folder / "reference", inputs)
    kinds = all_kinds(plan.seed)
    records: list[KillRecord] = []

    def one(number: int) -> KillRecord:
        return _kill_one(folder / f"kill{number}", inputs, expected, kinds[number % len(kinds)], (plan.seed, number))

    pool = ThreadPoolExecutor(plan.jobs)
    try:
        for future in as_completed(pool.submit(one, plan.first + n) for n in range(plan.count)):
            records.append(future.result())
            print(f"[{len(records)}/{plan.count}] {records[-1]}", file=sys.stderr, flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    records.sort(key=lambda record: record.number)
    _print_tables(records)
    print(f"{sum(record.attempts for record in records)} runs were started", file=sys.stderr)
    faults = Counter(fault for record in records for fault, _ in record.faults)
    return [Target(f"{text}, in {plan.count} kills", faults[fault], 0) for fault, text in FAULTS.items()], records


def _let_children_die() -> None:
    """Undo what ``nohup`` and ``&`` do for this program, since its children would inherit it; allow no core files."""
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    setrlimit(RLIMIT_CORE, (0, 0))


def _make_inputs(folder: Path) -> Path:
    folder.mkdir()
    for n in range(len(JOBS)):
        make_face(folder / f"face{n}.mp4", n, size=320)
        make_voice(folder / f"{n}.wav", n, 1 + n / 5)
    rows = [{"audio": f"{n}.wav", "face": f"face{n}.mp4", "id": job} for n, job in enumerate(JOBS)]
    BatchFolder(folder, folder).write_manifest(rows)
    return folder


def _run_uninterrupted(folder: Path, inputs: Path) -> dict[str, str]:
    """Return the digests of the outputs by name."""
    run = KillRun(folder, "batch", inputs)
    run.start()
    if (status := run.wait(END_SECONDS)) != 0:
        raise HeygemError("batch-failed", f"the uninterrupted batch exited with status {status}: {run.stderr()}")
    return {path.name: file_digest(path) for path in run.outputs}


def _kill_one(folder: Path, inputs: Path, expected: Mapping[str, str], kind: Kind, seed: tuple[int, int]) -> KillRecord:
    record = KillRecord(seed[1], kind.program, kind.victim, kind.signal.name)
    while record.attempts < ATTEMPTS:
        chance = random.Random(f"{seed} {record.attempts}")  # noqa: S311
        moment = chance.choice(kind.moments)
        record.attempts += 1
        run = KillRun(folder, kind.program, inputs)
        run.start(kind.victim)
        try:
            if sent := kill(run, kind, moment, chance):
                _judge(run, kind, sent, expected, record)
                return record
        finally:
            run.kill_all()
            shutil.rmtree(folder)
    record.faults.append(("unsent", "all runs ended before"))
    return record


def _judge(run: KillRun, kind: Kind, sent: Sent, expected: Mapping[str, str], record: KillRecord) -> None:
    """Wait for the end of the run that got the signal, run the command again, and record both."""
    record.moment, record.status = sent.moment, run.wait(END_SECONDS)
    record.seconds = round(time.monotonic() - sent.time, 2)
    record.faults += judge_end(run, kind, sent, record.status, record.seconds)
    record.faults += judge_processes(run)
    record.faults += judge_files(run, kind, record.status, expected)
    record.stderr = run.stderr()
    record.events = [f"{event['event']} {event.get('id', '')}".strip() for event in run.batch.events()]
    run.kill_all()
    run.start("command", *(["--overwrite"] if kind.program == "render" and run.outputs[0].exists() else []))
    record.next_status = run.wait(END_SECONDS)
    record.faults += judge_next_run(run, record.next_status, expected)


def _print_tables(records: Sequence[KillRecord]) -> None:
    views: dict[str, Callable[[KillRecord], str]] = {
        "victim": lambda record: f"{record.program}: {record.victim}, {record.signal}",
        "moment": lambda record: record.moment,
    }
    for name, key in views.items():
        groups: dict[str, list[KillRecord]] = defaultdict(list)
        for record in records:
            groups[key(record)].append(record)
        rows = [
            (
                label,
                str(len(group)),
                str(sum(bool(record.faults) for record in group)),
                f"{max(record.seconds for record in group):.1f}",
                ", ".join(f"{status} × {n}" for status, n in Counter(str(r.status) for r in group).most_common()),
            )
            for label, group in sorted(groups.items())
        ]
        print_table(f"{len(records)} kills by {name}", (name, "kills", "bad", "longest end, s", "exit status"), rows)
