"""What ends a job from outside: signals, and the time limit of a job that native code does not give back."""

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
from heygem_cli.processes import SIGNALS, exit_on_next_signal, unignored_signals

GRACE = 5.0
"""Seconds that a job gets after its time to end between two frames, before the process is started anew."""
STOP_WITHIN = 3.5
"""Seconds that a job gets after a signal, before the process ends without it."""


class Watchdog(contextlib.AbstractContextManager["Watchdog"]):
    """Watches the main thread while jobs run.

    The first signal that stops a run raises :class:`StoppedError` inside a job, waits between jobs, and is kept in
    ``stopped``; the second ends the process at once. A thread steps in where the main thread does not come back from
    native code: it is the only one, and it sleeps.

    Args:
        on_signal: called by the thread at the first signal while a job runs, before the job knows.
        on_stuck: called by the thread when a job takes too long; must not return.
        on_stop: called by the thread with the signal when the main thread did not react; must not return.
    """

    def __init__(
        self, on_signal: Callable[[], None], on_stuck: Callable[[], None], on_stop: Callable[[int], None]
    ) -> None:
        self.stopped: int | None = None
        self._on_signal = on_signal
        self._on_stuck = on_stuck
        self._on_stop = on_stop
        self._in_job = False
        self._end: float | None = None
        self._stop: tuple[int, float] | None = None
        self._turn = threading.Lock()
        self._closed = False

    def __enter__(self) -> Watchdog:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._handlers = {number: signal.signal(number, self._raise) for number in unignored_signals()}
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._wake()
        self._thread.join()
        signal.set_wakeup_fd(self._wakeup)
        if self.stopped is None:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)

    @contextlib.contextmanager
    def job(self, seconds: float) -> Iterator[None]:
        """Run a job: a signal raises inside the block, and after ``seconds`` the thread steps in.

        Raises:
            StoppedError: a signal came, now or before.
        """
        try:
            with self._turn:
                self._end = time.monotonic() + seconds
            self._wake()
            self._in_job = True
            if self.stopped is not None:
                raise StoppedError(self.stopped)
            yield
        finally:
            self._in_job = False
            with self._turn:  # the thread may be stepping in at this moment: then this waits for ever
                self._end = None

    def _raise(self, signum: int, _frame: FrameType | None) -> None:
        exit_on_next_signal(self._handlers)
        self.stopped = signum
        if self._in_job:
            self._in_job = False
            raise StoppedError(signum)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # the pipe is full: the thread is awake
            os.write(self._write, b"\0")

    def _watch(self) -> None:
        while not self._closed:
            # Whoever was asked to stop does not start anew, however long the job takes.
            end = self._end if self._stop is None else self._stop[1]
            wait = None if end is None else max(0.0, end - time.monotonic())
            if select.select([self._read], [], [], wait)[0]:
                self._heed(os.read(self._read, 512))
            if self._stop is not None and time.monotonic() >= self._stop[1]:
                self._on_stop(self._stop[0])
            with self._turn:
                if self._stop is None and self._end is not None and time.monotonic() >= self._end:
                    self._on_stuck()

    def _heed(self, written: bytes) -> None:
        """Note signals; Python's own handler runs only when the main thread comes back from native code."""
        for signum in written:
            if signum in SIGNALS and self._stop is None:
                self._stop = (signum, time.monotonic() + STOP_WITHIN)
                with self._turn:
                    if self._end is not None:
                        self._on_signal()
            elif signum in SIGNALS and signum != signal.SIGHUP:
                os._exit(128 + signum)
