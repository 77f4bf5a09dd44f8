"""``heygem``, and ``python -m heygem_cli``."""

from __future__ import annotations

import os
import signal
from types import FrameType


def main() -> None:
    """Run the program; until the command handles signals, one ends it at once."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit)
    # Imported here because it takes a moment, in which Ctrl-C may come.
    from heygem_cli.cli.main import run

    run()


def _exit(signum: int, _frame: FrameType | None) -> None:
    os._exit(128 + signum)


if __name__ == "__main__":
    main()
