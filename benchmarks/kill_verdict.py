"""What must hold after a kill, and after the next run of the same command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from signal import Signals

import av

from benchmarks.kill_kinds import CRASHES, FFMPEGS, STOPS, Kind
from benchmarks.kill_moments import Sent
from benchmarks.kill_run import KillRun
from heygem_cli.files import file_digest

STOP_SECONDS = 5.0
PROCESS_SECONDS = 5.0
"""Time for child processes to end after their parent died."""

FAULTS = {
    "lost": "outputs missing, incomplete or different from those of an uninterrupted run",
    "left": "files or processes left behind",
    "status": "wrong exit statuses",
    "message": "ends without a message that says why, or with a traceback",
    "slow": f"stops that took longer than {STOP_SECONDS:g} s",
    "redone": "jobs rendered again although they were done",
    "stuck": "runs that did not end",
    "unsent": "kills for which there was no victim",
}
Fault = tuple[str, str]
"""A key of :data:`FAULTS`, and details."""


def judge_end(run: KillRun, kind: Kind, sent: Sent, status: int | None, seconds: float) -> Iterator[Fault]:
    """Yield what is wrong with the end of a run that got a signal."""
    if status is None:
        yield "stuck", f"it still runs after {seconds:.0f} s"
        return
    expected = expected_statuses(kind, sent)
    if status not in expected:
        yield "status", f"{status} instead of {' or '.join(map(str, sorted(expected)))}"
    elif status == 1 and kind.hits_command and not sent.ready:
        return  # Python itself was starting
    elif status > 0 and kind.victim != "closed terminal" and not _says_why(kind, run.stderr()):
        yield "message", f"status {status} with {run.stderr()!r}"
    elif status < 0 and sent.ready and kind.signal in STOPS:
        yield "message", "ended by the signal itself, without a message"
    if "Traceback" in run.stderr() and sent.ready:
        yield "message", run.stderr()
    if kind.hits_command and kind.signal in STOPS and seconds > STOP_SECONDS:
        yield "slow", f"{seconds:.1f} s"


def expected_statuses(kind: Kind, sent: Sent) -> set[int]:
    """Return the exit statuses that are right; that of a process killed by a signal is negative."""
    if kind.hits_command:
        if kind.signal in CRASHES:
            # A process that is exiting does not get it any more.
            return {-kind.signal, *([0] if sent.finished and not sent.ready else [])}
        early = {} if sent.ready else {-kind.signal, 1}
        return {128 + kind.signal, *early, *([0] if sent.finished else [])}
    # A batch tries a job again, but not the check of the manifest.
    if kind.victim in FFMPEGS and (kind.program == "render" or kind.victim == "encoder test"):
        return {0, 1}
    return {0}


def _says_why(kind: Kind, stderr: str) -> bool:
    lines = [line for line in stderr.splitlines() if line.startswith("error: ")]
    if not kind.hits_command:
        # ffmpeg itself handles the other two, and does not always say so.
        told = "ffmpeg" if kind.signal in (Signals.SIGINT, Signals.SIGTERM) else f"by signal {kind.signal}"
        return len(lines) == 1 and told in lines[0]
    name = "Ctrl-C" if kind.signal == Signals.SIGINT else kind.signal.name
    return lines == [f"error: stopped by {name}"]


def judge_files(run: KillRun, kind: Kind, status: int | None, expected: Mapping[str, str]) -> Iterator[Fault]:
    """Yield what is wrong with the files after the end of a run that got a signal."""
    for path in run.outputs:
        if path.exists() and file_digest(path) != expected[path.name]:
            yield "lost", f"{path.name} has {_frames(path)} frames"
        if not path.exists() and status == 0:
            yield "lost", f"{path.name} is missing after status 0"
    if not (kind.hits_command and kind.signal in CRASHES):
        yield from _stray_files(run)


def judge_processes(run: KillRun) -> Iterator[Fault]:
    """Wait for the child processes to end, and yield those that do not."""
    for command in run.wait_for_processes(PROCESS_SECONDS):
        yield "left", f"process {command}"


def judge_next_run(run: KillRun, status: int | None, expected: Mapping[str, str]) -> Iterator[Fault]:
    """Yield what is wrong after the next run of the same command."""
    if status is None:
        yield "stuck", "the next run did not end"
    elif status:
        yield "status", f"the next run exited with {status}: {run.stderr()}"
    for path in run.outputs:
        if not path.exists():
            yield "lost", f"{path.name} is missing after the next run"
        elif file_digest(path) != expected[path.name]:
            yield "lost", f"{path.name} has {_frames(path)} frames after the next run"
    yield from _stray_files(run)
    yield from judge_processes(run)
    done = Counter(event["id"] for event in run.batch.events("done"))
    for job in (job for job, count in done.items() if count > 1):
        yield "redone", job


def _stray_files(run: KillRun) -> Iterator[Fault]:
    known = run.inputs | {path.name for path in run.outputs} | {"m.csv.journal.jsonl", "m.csv.journal.lock"}
    stray = [path for path in run.batch.folder.iterdir() if path.name not in known]
    stray += run.temporary.iterdir()
    stray += [path for path in run.batch.cache.rglob("*") if path.is_file() and path.suffix not in (".track", ".lock")]
    for path in stray:
        yield "left", str(path.relative_to(run.batch.folder.parent))


def _frames(path: Path) -> int:
    """Decode a video and count its frames; -1 if it is damaged."""
    try:
        with av.open(str(path)) as container:
            return sum(1 for _ in container.decode(video=0))
    except av.FFmpegError:
        return -1
