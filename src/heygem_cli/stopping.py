"""The signals that stop a run: Ctrl-C, a request to end, a terminal that was closed."""

from __future__ import annotations

import signal
from collections.abc import Iterable

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def heeded() -> list[signal.Signals]:
    """The signals, without what the parent lets this process ignore: a shell's ``&`` keeps Ctrl-C from it."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def let_the_next_end(signals: Iterable[int]) -> None:
    """From now on one more of these signals ends the process at once.

    Not SIGHUP: when a terminal closes, the kernel says it, and the shell once more.
    """
    for number in signals:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
