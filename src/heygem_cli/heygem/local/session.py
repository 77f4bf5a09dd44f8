"""One life of HeyGem's worker: readiness, progress and failures, from what it says, logs and prints."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heygem_cli.errors import HeygemError, InputError
from heygem_cli.heygem.failures import FATAL, KNOWN, find_codes, make_error, most_specific
from heygem_cli.heygem.installation.log_messages import (
    JOB_ANSWERED,
    JOB_END,
    JOB_FRAME,
    JOB_MOVES,
    JOB_START,
    JOB_TOTAL,
    READY_PARTS,
)
from heygem_cli.heygem.installation.tree import compiled_modules
from heygem_cli.heygem.local.locate import Installation
from heygem_cli.heygem.local.log_tail import LogTail
from heygem_cli.heygem.local.worker_process import Message, WorkerProcess
from heygem_cli.options import HeygemSettings

TICK = 0.2
"""Seconds between two looks at the log."""
SETTLE = 0.5
"""Seconds that a failure is given to say more about itself."""
PATIENCE = 3600.0
"""Seconds that HeyGem may wait for its own queues: the watchdog is the one that ends a job."""

_STEPS = re.compile("|".join([*READY_PARTS, *(each.pattern for each in (JOB_START, JOB_ANSWERED, JOB_MOVES, JOB_END))]))
_LOGGED = re.compile(r"^\[[^\]]*\] \[.*?\[line:\d+\]\] \[\w+\] \[(.*)\]$")

Tick = Callable[[], None]


@dataclass
class _Job:
    """The job that is done; an empty one while the worker starts.

    Attributes:
        code: its name in the log.
        face: the user's face video.
        answered: the face has been looked for.
        frames: that were drawn, of ``total``.
        status: what the worker said at the end, in a tuple of one, since it may say None.
        failures: what is wrong, by code, with what was seen.
        hints: codes of what may explain a failure.
        failed: when the first failure was seen.
    """

    code: str = ""
    face: Path = Path()
    answered: bool = False
    frames: int = 0
    total: int | None = None
    status: tuple[Any] | None = None
    failures: dict[str, str] = field(default_factory=dict)
    hints: set[str] = field(default_factory=set)
    failed: float | None = None


class Session:
    """Starts a worker; after any error it must be closed, and another one made.

    Args:
        installation: whose worker it is.
        settings: how to treat it.
        environment: of this process.
        lock: descriptor of the installation's lock.

    Raises:
        NotCapableError: it cannot be started.
    """

    def __init__(
        self, installation: Installation, settings: HeygemSettings, environment: Mapping[str, str], lock: int
    ) -> None:
        self._installation = installation
        self._settings = settings
        self._job = _Job()
        self._greeted = False
        self._loaded = False
        self._missing = set(READY_PARTS)
        self.provider: str | None = None
        self.jobs = 0
        self._log = LogTail(installation.log)
        self._process = WorkerProcess(installation, environment, lock, max(PATIENCE, 10 * settings.stall_timeout))

    def usable(self) -> bool:
        """Whether it can take another job: it is alive, and so are its children."""
        self._listen(0.0)
        return self._process.death() is None and not self._job.failures

    @property
    def progress(self) -> tuple[int, int | None]:
        """Frames of the job that were drawn, and how many there are if that is known."""
        return self._job.frames, self._job.total

    def check(self, tick: Tick) -> None:
        """Wait until the worker has said that its Python and its ONNX Runtime are right.

        Args:
            tick: called often; what it raises ends the wait.

        Raises:
            NotCapableError: ``wrong-python``, ``cuda-missing``, …
            HeygemError: ``startup-timeout``, …
        """
        self._until(lambda: self.provider is not None, tick)

    def ready(self, tick: Tick) -> None:
        """Wait until HeyGem is loaded and both its processes have logged that they are there.

        Raises:
            HeygemError: as :meth:`check`.
        """
        self._until(lambda: self._loaded and not self._missing, tick)

    def render(self, code: str, message: Message, face: Path, tick: Tick) -> object:
        """Do a job.

        Args:
            code: its name in the log.
            message: for the worker.
            face: the user's face video, for errors.
            tick: called often; what it raises ends the wait.

        Returns:
            The status that HeyGem gave it, which proves nothing.

        Raises:
            HeygemError: see :data:`heygem_cli.heygem.failures.KNOWN`.
        """
        self.jobs += 1
        self._job = job = _Job(code, face)
        self._process.send({"code": code, **message})
        self._until(lambda: job.status is not None, tick)
        return None if job.status is None else job.status[0]

    def explained(self, error: HeygemError) -> HeygemError:
        """The error of a job whose result was found wanting, or the one that lies behind it."""
        if not self._job.hints:
            return error
        self._job.failures.setdefault(error.code, error.message)
        return self._failure()

    def close(self) -> None:
        """End the worker and all that it has started.

        Raises:
            HeygemError: ``worker-stuck``.
        """
        self._log.close()
        self._process.end()

    def _until(self, done: Callable[[], bool], tick: Tick) -> None:
        moved = time.monotonic()
        while not done():
            if self._listen(TICK):
                moved = time.monotonic()
            job, now = self._job, time.monotonic()
            if job.failed is not None and now - job.failed >= SETTLE:
                raise self._failure()
            death = self._process.death()
            if death is not None:
                self._listen(0.0)
                raise self._died(death)
            if now - moved >= self._settings.stall_timeout:
                detail = f"{now - moved:.0f} s without a step in {self._installation.log}"
                self._fail("stalled" if job.answered else "startup-timeout", detail)
                raise self._failure()
            tick()
        if self._job.failures:
            raise self._failure()

    def _listen(self, seconds: float) -> bool:
        """Take in what there is to hear; say whether it is progress."""
        # The log after the messages: what HeyGem has logged before it was done counts.
        moved = [self._hear(message) for message in self._process.messages(seconds)]
        moved += [self._read(line) for line in self._log.lines()]
        for line in self._process.output():
            codes = find_codes(line)
            self._job.hints |= codes
            if "cuda-missing" in codes:
                self._fail("cuda-missing", line)
        return any(moved)

    def _hear(self, message: Message) -> bool:
        event = message["event"]
        if event == "hello":
            self._greeted = True
            self._check_python(message["version"])
        elif event == "provider":
            self.provider = message["provider"]
            if self.provider != "CUDAExecutionProvider":
                self._fail("cuda-missing", f"its session has {self.provider}")
        elif event == "loaded":
            self._loaded = True
        elif event == "child-died":
            exitcode = message["exitcode"] or 0
            self._fail(*_death(-exitcode if exitcode < 0 else None, f"a child process ended with status {exitcode}"))
        elif event == "failed":
            self._fail_of(message["error"], "job-failed" if message["doing"] == "job" else "load-failed")
        elif event == "status":
            self._take_status(message["status"])
        elif event == "done" and message["code"] == self._job.code:
            self._take_status(message["status"])
            self._job.status = (message["status"],)
        return True

    def _check_python(self, version: list[int]) -> None:
        wanted = compiled_modules(self._installation.home)
        name = ".".join(map(str, version))
        if wanted and name not in wanted:
            self._fail(
                "wrong-python", f"{self._installation.python} is {name}, they need {' or '.join(sorted(wanted))}"
            )

    def _take_status(self, status: object) -> None:
        if isinstance(status, list) and status[:1] == [3]:
            self._fail_of(" ".join(map(str, status[2:])).strip())

    def _read(self, line: str) -> bool:
        """Take in a line of the log; only steps, and what is said of the job, are progress."""
        job = self._job
        self._missing = {part for part in self._missing if part not in line}
        if total := JOB_TOTAL.search(line):
            job.total = int(total[1])
        if frame := JOB_FRAME.search(line):
            job.answered = True
            job.frames = max(job.frames, min(int(frame[2]), job.total or int(frame[2])))
        job.answered = job.answered or bool(JOB_ANSWERED.search(line))
        codes = find_codes(line)
        job.hints |= codes
        for code in codes & FATAL:
            logged = _LOGGED.match(line)
            self._fail(code, logged[1] if logged else line)
        return bool(_STEPS.search(line)) or (job.code != "" and job.code in line)

    def _fail_of(self, text: str, otherwise: str = "job-failed") -> None:
        for code in find_codes(text) or {otherwise}:
            self._fail(code, text)

    def _fail(self, code: str, detail: str) -> None:
        if code == "cuda-missing" and self._settings.allow_cpu:
            return
        job = self._job
        job.failures.setdefault(code, " ".join(detail.split())[:200])
        job.failed = job.failed or time.monotonic()

    def _died(self, status: int) -> HeygemError:
        if not self._greeted and status < 128:
            self._fail("wrong-python", f"{self._installation.python} ended with status {status}")
        else:
            number = status - 128 if status >= 128 else None
            self._fail(*_death(number, f"the worker ended with status {status}"))
        return self._failure()

    def _failure(self) -> HeygemError:
        job = self._job
        hints = job.hints - ({"cuda-missing"} if self._settings.allow_cpu else set())
        code = most_specific({*job.failures, *hints})
        about = job.face if KNOWN[code].kind is InputError else self._installation.home
        return make_error(code, about, job.failures.get(code) or "; ".join(job.failures.values()))


def _death(signum: int | None, otherwise: str) -> tuple[str, str]:
    """The failure that a process has died: the out-of-memory killer is the one that sends SIGKILL."""
    if signum is None:
        return "worker-died", otherwise
    name = signal.Signals(signum).name
    return ("out-of-memory" if signum == signal.SIGKILL else "worker-died"), f"a process was killed by {name}"
