"""The watchdog, which stops jobs on signals and when native code does not return in time."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from heygem_cli.errors import StoppedError
from heygem_cli.processes import SIGNALS, exit_on_next_signal, exit_on_second_signal, unignored_signals

GRACE_SECONDS = 5.0
"""Time for a job to end between two frames after its limit, before the process is restarted."""
STOP_SECONDS = 3.5
"""Time for a job to end after a signal, before the process exits."""


class Watchdog(contextlib.AbstractContextManager["Watchdog"]):
    """Watches the main thread while jobs run.

    The first signal raises :class:`StoppedError` inside the current job, or at the start of the next one, and is kept
    in ``stopped``; the second ends the process at once. A thread acts when the main thread does not return from native
    code.

    Args:
        on_signal: Called by the thread at the first signal during a job, before the job notices it.
        on_timeout: Called by the thread when a job exceeds its time; must not return.
        on_unresponsive: Called by the thread with the signal if the main thread does not react; must not return.
    """

    def __init__(
        self,
        on_signal: Callable[[], None],
        on_timeout: Callable[[], None],
        on_unresponsive: Callable[[int], None],
    ) -> None:
        self.stopped: int | None = None
        self._on_signal = on_signal
        self._on_timeout = on_timeout
        self._on_unresponsive = on_unresponsive
        self._in_job = False
        self._deadline: float | None = None
        self._signal: int | None = None
        self._stop_deadline = 0.0
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Watchdog:
        self._read_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._handlers = {number: signal.signal(number, self._stop_job) for number in unignored_signals()}
        self._wakeup_fd = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._wake()
        self._thread.join()
        signal.set_wakeup_fd(self._wakeup_fd)
        if self.stopped is None:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        os.close(self._read_fd)
        os.close(self._write_fd)

    @contextlib.contextmanager
    def job(self, seconds: float) -> Iterator[None]:
        """Watch a job while the block runs: signals raise in it, and the thread acts after ``seconds``.

        Raises:
            StoppedError: A signal arrived, during the job or before.
        """
        try:
            with self._lock:
                self._deadline = time.monotonic() + seconds
            self._wake()
            self._in_job = True
            if self.stopped is not None:
                raise StoppedError(self.stopped)
            yield
        finally:
            self._in_job = False
            with self._lock:  # blocks for ever if the thread is in a callback that does not return
                self._deadline = None

    def _stop_job(self, signum: int, _frame: FrameType | None) -> None:
        exit_on_next_signal(self._handlers)
        self.stopped = signum
        if self._in_job:
            self._in_job = False
            raise StoppedError(signum)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # the pipe is full, so the thread is awake
            os.write(self._write_fd, b"\0")

    def _watch(self) -> None:
        while not self._closed:
            # A run that was asked to stop is not restarted, however long its job takes.
            deadline = self._deadline if self._signal is None else self._stop_deadline
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            if select.select([self._read_fd], [], [], wait)[0]:
                self._note_signals(os.read(self._read_fd, 512))
            if self._signal is not None and time.monotonic() >= self._stop_deadline:
                self._on_unresponsive(self._signal)
            with self._lock:
                if self._signal is None and self._deadline is not None and time.monotonic() >= self._deadline:
                    self._on_timeout()

    def _note_signals(self, numbers: bytes) -> None:
        """Note signals in the thread: Python runs its handlers only when the main thread returns from native code."""
        for number in numbers:
            if number in SIGNALS and self._signal is None:
                self._signal, self._stop_deadline = number, time.monotonic() + STOP_SECONDS
                with self._lock:
                    if self._deadline is not None:
                        self._on_signal()
            elif number in SIGNALS:
                exit_on_second_signal(number, self._stop_deadline - STOP_SECONDS)
