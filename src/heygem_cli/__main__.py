"""``heygem``, and ``python -m heygem_cli``."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the program; until the command handles signals, one ends it at once."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit)
    # Imported here because it takes a moment, in which Ctrl-C may come. Garbage collection would make it longer.
    gc.disable()
    try:
        from heygem_cli.cli.main import run

        gc.enable()
        run()
    except (ImportError, MemoryError) as error:  # commands report their own errors
        from heygem_cli.errors import from_exception

        os.write(2, f"error: {from_exception(error)}\n".encode())
        sys.exit(4)


def _exit(signum: int, _frame: FrameType | None) -> None:
    name = "Ctrl-C" if signum == signal.SIGINT else signal.Signals(signum).name
    with contextlib.suppress(OSError):  # standard error may be closed
        os.write(2, f"error: stopped by {name}\n".encode())
    os._exit(128 + signum)


if __name__ == "__main__":
    main()
