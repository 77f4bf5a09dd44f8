"""Conversion of signals to an exception, so that everything is closed and temporary files are deleted."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from heygem_cli.errors import StoppedError
from heygem_cli.files import delete_parts_of
from heygem_cli.processes import (
    SIGNALS,
    children,
    exit_on_next_signal,
    exit_on_second_signal,
    kill_and_reap_children,
    unignored_signals,
    write_stopped,
)

STOP_SECONDS = 3.5
"""Time for the command to end after a signal, before the process exits."""


@contextmanager
def raise_on_signal() -> Iterator[None]:
    """Raise :class:`StoppedError` on the first signal; the second one ends the process at once.

    A library may swallow the exception, or not return from native code: then the process ends after
    :data:`STOP_SECONDS`.
    """
    stopped: list[int] = []

    def stop(signum: int, _frame: FrameType | None) -> None:
        stopped.append(signum)
        exit_on_next_signal(before)
        raise StoppedError(signum)

    before = {number: signal.signal(number, stop) for number in unignored_signals()}
    try:
        with _deadline_after_signal(_exit), _hidden_tracebacks(stopped):
            yield
    except Exception as error:
        # A library that is interrupted may raise an error of its own, or none, and the command goes on to its end.
        if stopped and getattr(error, "exit_code", None) != 128 + stopped[0]:
            raise StoppedError(stopped[0]) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if stopped:  # it may have come while a file was being deleted
            delete_parts_of([os.getpid()])
    if stopped:
        raise StoppedError(stopped[0])


@contextmanager
def _hidden_tracebacks(stopped: list[int]) -> Iterator[None]:
    """Hide tracebacks that libraries print once a signal has come, as numpy does if it is interrupted while it loads.

    Args:
        stopped: The signals that have come.
    """
    hooks = sys.excepthook, sys.unraisablehook

    def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not stopped and kind is not StoppedError:
            hooks[0](kind, error, trace)

    def print_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
        if not stopped and unraisable.exc_type is not StoppedError:
            hooks[1](unraisable)

    sys.excepthook, sys.unraisablehook = print_traceback, print_unraisable
    try:
        yield
    finally:
        sys.excepthook, sys.unraisablehook = hooks


@contextmanager
def _deadline_after_signal(on_expiry: Callable[[int], None]) -> Iterator[None]:
    """Call a function in a thread if the block still runs :data:`STOP_SECONDS` after a signal."""
    read_fd, write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    previous = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)

    def watch() -> None:
        signum, deadline = 0, 0.0
        while True:
            select.select([read_fd], [], [], max(0.0, deadline - time.monotonic()) if signum else None)
            try:
                numbers = os.read(read_fd, 512)
            except BlockingIOError:
                on_expiry(signum)
                return
            if 0 in numbers:  # the block has ended
                return
            for number in (number for number in numbers if number in SIGNALS):
                if signum:
                    exit_on_second_signal(number, deadline - STOP_SECONDS)
                else:
                    signum, deadline = number, time.monotonic() + STOP_SECONDS

    thread = threading.Thread(target=watch, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        os.write(write_fd, b"\0")
        thread.join()
        os.close(read_fd)
        os.close(write_fd)


def _exit(signum: int) -> None:
    write_stopped(signum)
    delete_parts_of([os.getpid(), *children(os.getpid())])
    kill_and_reap_children()
    os._exit(128 + signum)
