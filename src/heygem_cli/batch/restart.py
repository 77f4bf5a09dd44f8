"""Starting the same command anew in place, when native code does not give the main thread back."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import MutableMapping
from typing import NoReturn

from heygem_cli.processes import kill_and_reap_children

RUN_VARIABLE = "HEYGEM_BATCH_RUN"


def run_continued(environment: MutableMapping[str, str]) -> tuple[str, float] | None:
    """The run that this process continues after a restart, and when it began; asked once."""
    run, _, began = environment.pop(RUN_VARIABLE, "").partition(" ")
    return (run, float(began)) if run else None


def restart(run: str, began: float, stdin: bytes | None) -> NoReturn:
    """End the ffmpeg children and replace this process by the same command, which goes on with the run.

    Args:
        run: that goes on.
        began: when it did, in seconds since 1970.
        stdin: the manifest, if it came that way: it is there again for the new process.
    """
    kill_and_reap_children()
    sys.stdout.flush()
    if sys.stderr.fileno() != 2:  # native output was hidden: what is shown goes to a copy of the descriptor
        os.dup2(sys.stderr.fileno(), 2)
    if stdin is not None:
        with tempfile.TemporaryFile() as file:
            file.write(stdin)
            file.flush()
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            os.dup2(file.fileno(), 0)
    os.environ[RUN_VARIABLE] = f"{run} {began}"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
