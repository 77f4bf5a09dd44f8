"""Signals become an error, so that everything that is open is closed and removed on the way out."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from heygem_cli.errors import StoppedError


def heeded() -> list[signal.Signals]:
    """SIGINT and SIGTERM, without what the parent lets this process ignore: a shell's ``&`` keeps Ctrl-C from it."""
    return [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]


@contextmanager
def signals_raised() -> Iterator[None]:
    """Raise :class:`StoppedError` on the first SIGINT or SIGTERM; the second one ends the process at once."""

    def stop(signum: int, _frame: FrameType | None) -> None:
        for number in before:
            signal.signal(number, signal.SIG_DFL)
        raise StoppedError(signum)

    before = {number: signal.signal(number, stop) for number in heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
