"""``heygem``, and ``python -m heygem_cli``."""

from __future__ import annotations

import os
import signal
from types import FrameType


def main() -> None:
    """Run the program; a signal that comes before its command heeds signals ends it without a word."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    # Here, since it takes a moment in which somebody may press Ctrl-C.
    from heygem_cli.cli.main import run

    run()


def _end(signum: int, _frame: FrameType | None) -> None:
    os._exit(128 + signum)


if __name__ == "__main__":
    main()
