"""The state of one worker: readiness, progress and failures, from its messages, its log and its output."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heygem_cli.errors import HeygemError, InputError
from heygem_cli.heygem.failures import FATAL, KNOWN, NO_CUDA, find_codes, make_error, most_specific
from heygem_cli.heygem.installation.log_events import read_event
from heygem_cli.heygem.installation.log_tail import LogTail
from heygem_cli.heygem.installation.tree import compiled_modules
from heygem_cli.heygem.job_log import JobLog
from heygem_cli.heygem.local.locate import Installation
from heygem_cli.heygem.local.worker_process import Message, WorkerProcess
from heygem_cli.heygem.staging import Tick
from heygem_cli.options import EngineOptions

POLL_INTERVAL = 0.2
SETTLE_SECONDS = 0.5
"""Time between the first sign of a failure and its error, in which more specific signs may appear."""
MIN_QUEUE_TIMEOUT = 3600.0
"""Seconds: HeyGem's own waits must outlast the time-outs of a stall and of a job."""


@dataclass
class _JobState:
    """The state of the current job, or of the start of the worker.

    Attributes:
        code: HeyGem's name of the job.
        status: HeyGem's final status, which does not prove success.
        failures: The evidence of each failure, by its code.
        hints: Codes that may explain a failure.
        failed: When the first failure was found (``time.monotonic``).
    """

    code: str = ""
    face: Path = Path()
    done: bool = False
    status: Any = None
    failures: dict[str, str] = field(default_factory=dict)
    hints: set[str] = field(default_factory=set)
    failed: float | None = None


class Session:
    """A running worker. After any error it must be closed and replaced.

    Raises:
        NotCapableError: The worker cannot be started.
    """

    def __init__(
        self, installation: Installation, settings: EngineOptions, environment: Mapping[str, str], lock: int
    ) -> None:
        self._installation = installation
        self._settings = settings
        self._job = _JobState()
        self._python_started = False
        self._loaded = False
        self._state = JobLog(ready=False)
        self._encoder_seconds = 0.0
        self.provider: str | None = None
        self.jobs = 0
        self._log = LogTail(installation.log)
        queue_timeout = max(MIN_QUEUE_TIMEOUT, 10 * settings.stall_timeout)
        self._process = WorkerProcess(installation, environment, lock, queue_timeout)

    def is_usable(self) -> bool:
        """Return whether the worker and its child processes are alive."""
        self._poll(0.0)
        return self._process.exit_status() is None and not self._job.failures

    @property
    def frames(self) -> int:
        """The number of frames drawn."""
        return self._state.frames

    @property
    def total(self) -> int | None:
        """The number of all frames if HeyGem tells it."""
        return self._state.total

    @property
    def stage(self) -> str:
        """What HeyGem does with the job."""
        return self._state.description

    def wait_until_checked(self, tick: Tick) -> None:
        """Wait until the worker has checked its Python and its ONNX Runtime.

        Raises:
            NotCapableError: ``wrong-python``, ``cuda-missing``, …
            HeygemError: ``startup-timeout``, …
        """
        self._wait(lambda: self.provider is not None, tick)

    def wait_until_loaded(self, tick: Tick) -> None:
        """Wait until HeyGem is loaded and both its processes have logged their start."""
        self._wait(lambda: self._loaded and self._state.ready, tick)

    def render(self, code: str, message: Message, face: Path, tick: Tick) -> object:
        """Send the worker a job, which HeyGem calls ``code``, and return HeyGem's final status when it is done.

        Raises:
            HeygemError: See :data:`heygem_cli.heygem.failures.KNOWN`.
        """
        self.jobs += 1
        self._job = job = _JobState(code, face)
        self._state.new_job()
        self._process.send({"code": code, **message})
        self._wait(lambda: job.done, tick)
        return job.status

    def explain(self, error: HeygemError) -> HeygemError:
        """Return the error that explains a bad result, or ``error`` itself."""
        if not self._job.hints:
            return error
        self._job.failures.setdefault(error.code, error.message)
        return self._error()

    def close(self) -> None:
        """Stop the worker and all its processes.

        Raises:
            HeygemError: ``worker-stuck``.
        """
        self._log.close()
        self._process.stop()

    def _wait(self, is_done: Callable[[], bool], tick: Tick) -> None:
        last_progress = time.monotonic()
        while not is_done():
            if self._poll(POLL_INTERVAL):
                last_progress = time.monotonic()
            job, now = self._job, time.monotonic()
            if job.failed is not None and now - job.failed >= SETTLE_SECONDS:
                raise self._error()
            status = self._process.exit_status()
            if status is not None:
                self._poll(0.0)
                raise self._exit_error(status)
            if now - last_progress >= self._settings.stall_timeout and self._encoder_works():
                last_progress = now
            elif now - last_progress >= self._settings.stall_timeout:
                detail = f"no progress in {self._installation.log} for {now - last_progress:.0f} s"
                self._fail("stalled" if self._state.faces_detected else "startup-timeout", detail)
                raise self._error()
            tick()
        if self._job.failures:
            # HeyGem's console may name the cause a little later than the status that says that the job failed.
            while (
                set(self._job.failures) == {"job-failed"}
                and time.monotonic() < (self._job.failed or 0) + SETTLE_SECONDS
            ):
                self._poll(POLL_INTERVAL)
            raise self._error()

    def _poll(self, timeout: float) -> bool:
        """Read what is new; return whether it is progress."""
        # The log after the messages: lines that HeyGem wrote before its last message must be read, too.
        progress = [self._handle_message(message) for message in self._process.read_messages(timeout)]
        progress += [self._handle_log_line(line) for line in self._log.lines()]
        for line in self._process.read_output():
            if "[line:" in line:  # HeyGem may log to its console only
                progress.append(self._handle_log_line(line))
                continue
            codes = find_codes(line)
            self._job.hints |= codes
            for code in codes & NO_CUDA:
                self._fail(code, line)
        return any(progress)

    def _handle_message(self, message: Message) -> bool:
        event = message["event"]
        if event == "hello":
            self._python_started = True
            self._check_python(message["version"])
        elif event == "provider":
            self.provider = message["provider"]
            if self.provider != "CUDAExecutionProvider":
                self._fail("cuda-missing", f"it uses {self.provider}")
        elif event == "loaded":
            self._loaded = True
        elif event == "child-died":
            status = message["exitcode"] or 0
            self._fail(*_death(-status if status < 0 else None, f"a child process exited with status {status}"))
        elif event == "failed":
            self._fail_with_text(message["error"], "job-failed" if message["stage"] == "job" else "load-failed")
        elif event == "status":
            self._check_status(message["status"])
        elif event == "done" and message["code"] == self._job.code:
            self._check_status(message["status"])
            self._job.done, self._job.status = True, message["status"]
        return True

    def _check_python(self, version: list[int]) -> None:
        required = compiled_modules(self._installation.home)
        name = ".".join(map(str, version))
        if required and name not in required:
            versions = " or ".join(sorted(required))
            self._fail("wrong-python", f"{self._installation.python} is {name}, HeyGem needs {versions}")

    def _check_status(self, status: object) -> None:
        if isinstance(status, list) and status[:1] == [3]:
            self._fail_with_text(" ".join(map(str, status[2:])).strip())

    def _handle_log_line(self, line: str) -> bool:
        """Read a line of the log; return whether it is a step of HeyGem or mentions the job."""
        job = self._job
        is_step = self._state.read(line)
        codes = find_codes(line)
        job.hints |= codes
        for code in codes & FATAL:
            event = read_event(line)
            self._fail(code, event.text if event else line)
        return is_step or (job.code != "" and job.code in line)

    def _encoder_works(self) -> bool:
        """Return whether ffmpeg has used the processor since the last call: encoding logs nothing, for minutes even."""
        seconds, self._encoder_seconds = self._encoder_seconds, self._process.cpu_seconds("ffmpeg")
        return self._encoder_seconds not in (0.0, seconds)

    def _fail_with_text(self, text: str, default: str = "job-failed") -> None:
        for code in find_codes(text) or {default}:
            self._fail(code, text)

    def _fail(self, code: str, detail: str) -> None:
        if code in NO_CUDA and self._settings.allow_cpu:
            return
        job = self._job
        job.failures.setdefault(code, " ".join(detail.split())[:200])
        job.failed = job.failed or time.monotonic()

    def _exit_error(self, status: int) -> HeygemError:
        if not self._python_started and status < 128:
            self._fail("wrong-python", f"{self._installation.python} exited with status {status}")
        else:
            signum = status - 128 if status >= 128 else None
            self._fail(*_death(signum, f"the worker exited with status {status}"))
        return self._error()

    def _error(self) -> HeygemError:
        job = self._job
        hints = job.hints - (NO_CUDA if self._settings.allow_cpu else frozenset())
        code = most_specific({*job.failures, *hints})
        path = job.face if KNOWN[code].kind is InputError else self._installation.home
        return make_error(code, path, job.failures.get(code) or "; ".join(job.failures.values()))


def _death(signum: int | None, otherwise: str) -> tuple[str, str]:
    """Return the code and the detail of a dead process; only the kernel's out-of-memory killer sends SIGKILL."""
    if signum is None:
        return "worker-died", otherwise
    name = signal.Signals(signum).name
    return ("out-of-memory" if signum == signal.SIGKILL else "worker-died"), f"a process was killed by {name}"
