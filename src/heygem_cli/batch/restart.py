"""Restart of the command in place, for native code that does not return to the main thread."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import MutableMapping
from typing import NoReturn

from heygem_cli.files import temporary_folder
from heygem_cli.processes import kill_and_reap_children

RUN_VARIABLE = "HEYGEM_BATCH_RUN"


def pop_continued_run(environment: MutableMapping[str, str]) -> tuple[str, float] | None:
    """Return id and start time of the run that a restarted process continues, and remove them from the environment."""
    run_id, _, began = environment.pop(RUN_VARIABLE, "").partition(" ")
    return (run_id, float(began)) if run_id else None


def restart(run_id: str, began: float, stdin: bytes | None) -> NoReturn:
    """Kill the child processes and replace this process with the same command, which continues the run.

    The new process reads ``stdin``, which is the manifest if it came from standard input.
    """
    kill_and_reap_children()
    sys.stdout.flush()
    if sys.stderr.fileno() != 2:  # descriptor 2 was redirected to hide native output
        os.dup2(sys.stderr.fileno(), 2)
    if stdin is not None:
        with tempfile.TemporaryFile(dir=temporary_folder()) as file:
            file.write(stdin)
            file.flush()
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            os.dup2(file.fileno(), 0)
    os.environ[RUN_VARIABLE] = f"{run_id} {began}"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
