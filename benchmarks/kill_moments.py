"""Wait for a moment in a run, and send a signal to one of its processes."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.kill_kinds import COMMAND_VICTIMS, MOMENTS, VICTIMS, Kind
from benchmarks.kill_run import KillRun, read_proc

POLL_SECONDS = 0.001


@dataclass(frozen=True)
class Sent:
    """A signal that was sent.

    Attributes:
        moment: The moment, or that heygem had not started.
        time: When, on the monotonic clock.
        ready: Whether the command handled signals: before, Python itself does; while it exits, nobody.
        finished: Whether all outputs were there.
    """

    moment: str
    time: float
    ready: bool
    finished: bool


class Moments:
    """Recognizes the moments of a run by its processes, the libraries that they have loaded, and its files.

    Args:
        run: The run.
        jobs_before: Number of jobs that must be done before.
    """

    def __init__(self, run: KillRun, jobs_before: int) -> None:
        self._run = run
        self._jobs_before = jobs_before
        self._encoder_seen = False

    def reached(self, moment: str) -> bool:
        """Return whether a moment has come."""
        if moment in ("start-up", "any"):
            return True
        if moment in ("checking", "loading"):
            return self._loaded(b"libavformat" if moment == "checking" else b"onnxruntime")
        done = self._jobs_done()
        if moment in ("between jobs", "end"):
            return done >= (len(self._run.outputs) if moment == "end" else 1)
        return done >= self._jobs_before and self._stage_reached(moment)

    def _jobs_done(self) -> int:
        made = sum(path.exists() for path in self._run.outputs)
        return made if self._run.program == "render" or not made else len(self._run.batch.events("done"))

    def _loaded(self, library: bytes) -> bool:
        return any(library in read_proc(pid, "maps") for pid, _ in self._run.processes())

    def _stage_reached(self, stage: str) -> bool:
        found = {name for _, command in self._run.processes() if (name := role(command))}
        if stage == "finishing":
            self._encoder_seen |= "encoder" in found
            return self._encoder_seen and "decoder" not in found
        wanted = {"speech": "audio decoder", "tracking": "decoder", "drawing": "encoder"}[stage]
        return wanted in found and not (stage == "tracking" and "encoder" in found)


def role(command: list[bytes]) -> str:
    """Return what a process of a run is there for, by its command line; empty for heygem itself and shells."""
    if any(b"heygem_cli.batch.worker" in word for word in command):
        return "worker"
    if b"ffmpeg" not in command[0]:
        return ""
    if (b"copy" in command and b"pipe:1" in command) or b"-xerror" in command:
        return "audio check"
    if b"pipe:1" in command:
        return "audio decoder" if b"f32le" in command else "decoder"
    return "encoder" if b"pipe:0" in command else "encoder test"


def kill(run: KillRun, kind: Kind, moment: str, chance: random.Random) -> Sent | None:
    """Send the signal once at a random time after the moment; None if the run or the victim ended before."""
    moments = Moments(run, chance.randrange(len(run.outputs)))
    child = "audio decoder" if kind.victim == "decoder" and moment == "speech" else kind.victim
    delay = chance.uniform(0, MOMENTS[moment] * VICTIMS[kind.victim].delay)
    while run.process.poll() is None:
        victim = _find(run, child)
        if victim is not None and moments.reached(moment):
            with _held(victim) as descriptor:
                return None if descriptor is None else _send(run, kind, moment, descriptor, delay)
        time.sleep(POLL_SECONDS)
    return None


def _find(run: KillRun, victim: str) -> int | None:
    if victim in ("parent shell", "timeout program"):
        return run.process.pid
    if victim in COMMAND_VICTIMS:
        return run.command_pid()
    return next((pid for pid, command in run.processes() if role(command) == victim), None)


@contextmanager
def _held(pid: int) -> Iterator[int | None]:
    """Yield a descriptor of a process, which no other process can take the place of; None if it has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _send(run: KillRun, kind: Kind, moment: str, descriptor: int, delay: float) -> Sent | None:
    if select.select([descriptor], [], [], delay)[0]:
        return None  # it has ended
    ready = _handles_signals(run)
    finished = all(path.exists() for path in run.outputs)
    shown = moment if ready else "after heygem ended" if finished else "before heygem starts"
    sent = Sent(shown, time.monotonic(), ready, finished)
    if kind.victim == "closed terminal":
        run.close_terminal()
    elif kind.victim == "process group":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.process.pid, kind.signal)
    else:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, kind.signal)
    return sent


def _handles_signals(run: KillRun) -> bool:
    pid = run.command_pid()
    lines = read_proc(pid, "status").splitlines() if pid else []
    caught = next((int(line.split()[1], 16) for line in lines if line.startswith(b"SigCgt")), 0)
    return bool(caught >> (signal.SIGTERM - 1) & 1)
