"""Conversion of signals to an exception, so that everything is closed and temporary files are deleted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from heygem_cli.errors import HeygemError, StoppedError
from heygem_cli.processes import exit_on_next_signal, unignored_signals


@contextmanager
def raise_on_signal() -> Iterator[None]:
    """Raise :class:`StoppedError` on the first signal; the second one ends the process at once."""
    stopped: list[int] = []

    def stop(signum: int, _frame: FrameType | None) -> None:
        stopped.append(signum)
        exit_on_next_signal(before)
        raise StoppedError(signum)

    before = {number: signal.signal(number, stop) for number in unignored_signals()}
    try:
        yield
    except Exception as error:
        # A library that is interrupted while it is imported may raise an error of its own.
        if stopped and not isinstance(error, HeygemError | typer.Exit):
            raise StoppedError(stopped[0]) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
