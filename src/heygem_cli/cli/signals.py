"""Signals become an error, so that everything that is open is closed and removed on the way out."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from heygem_cli.errors import StoppedError
from heygem_cli.stopping import heeded, let_the_next_end


@contextmanager
def signals_raised() -> Iterator[None]:
    """Raise :class:`StoppedError` on the first signal that stops a run; the second one ends the process at once."""

    def stop(signum: int, _frame: FrameType | None) -> None:
        let_the_next_end(before)
        raise StoppedError(signum)

    before = {number: signal.signal(number, stop) for number in heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
