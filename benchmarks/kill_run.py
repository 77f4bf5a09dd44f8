"""Start a command in a folder of its own, and find all its processes."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.batch_folder import FAST, BatchFolder
from heygem_cli.processes import children

JOBS = ("job0", "job1")

_OUTER_SHELL = ("sh", "-c", '"$@"; :', "sh")
# It outlives the outer one and keeps the status of the command.
_INNER_SHELL = ("sh", "-c", '"$@"; echo $? >"$STATUS_FILE"', "sh")
# A session leader that opens a terminal gets it as its controlling terminal.
_ON_TERMINAL = ("sh", "-c", 'exec "$@" <"$0" >"$0" 2>"$0"')


class KillRun:
    """Runs of one command; ``list`` has its inputs and outputs, its cache and temporary folder are beside it.

    Args:
        folder: A new folder.
        program: ``render``, or ``batch`` with options.
        inputs: A folder with the inputs, which are copied.
    """

    def __init__(self, folder: Path, program: str, inputs: Path) -> None:
        self.program = program
        self.batch = BatchFolder(folder / "list", folder / "cache")
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        shutil.copytree(inputs, self.batch.folder)
        self.inputs = {path.name for path in inputs.iterdir()}
        self.outputs = [self.batch.folder / f"{job}.mp4" for job in (JOBS[:1] if program == "render" else JOBS)]
        self._log, self._status = folder / "stderr", folder / "status"
        self._terminal: Terminal | None = None
        self._in_shells = False
        self.process: subprocess.Popen[bytes]

    def start(self, victim: str = "command", *options: str) -> None:
        """Start the command; a program around it or its terminal may be the victim."""
        name, *given = self.program.split()
        arguments = ["0.wav", "face0.mp4", "-o", self.outputs[0].name] if name == "render" else ["m.csv"]
        command = [sys.executable, "-m", "heygem_cli", name, *arguments, *FAST, *given, *options]
        self._in_shells = victim == "parent shell"
        self._terminal = Terminal() if victim == "closed terminal" else None
        if self._in_shells:
            command = [*_OUTER_SHELL, *_INNER_SHELL, *command]
        if victim == "timeout program":
            command = ["timeout", "600", *command]
        if self._terminal:
            command = [*_ON_TERMINAL, self._terminal.name, *command]
        self._status.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.batch.folder,
                env=os.environ | self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        folders = {"HEYGEM_CACHE_DIR": self.batch.cache, "TMPDIR": self.temporary, "STATUS_FILE": self._status}
        return {name: str(folder) for name, folder in folders.items()} | {"TERM": "xterm"}

    def wait(self, seconds: float) -> int | None:
        """Wait for the end of the command and return its status, negative for a signal; None if it does not end."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        if not self._in_shells:
            return status
        self.wait_for_processes(seconds)
        with contextlib.suppress(OSError, ValueError):
            return int(self._status.read_text())
        return None

    def stderr(self) -> str:
        """Return what the command wrote to standard error or the terminal."""
        return self._terminal.text() if self._terminal else self._log.read_text("utf-8", "replace")

    def close_terminal(self) -> None:
        """Close the terminal, as a window is closed; the kernel sends SIGHUP."""
        if self._terminal:
            self._terminal.close()

    def processes(self) -> Iterator[tuple[int, list[bytes]]]:
        """Yield the ids and command lines of the process and its descendants."""
        left = [self.process.pid]
        while left:
            pid = left.pop()
            yield pid, read_proc(pid, "cmdline").split(b"\0")
            left += children(pid)

    def command_pid(self) -> int | None:
        """Return the id of heygem's main process."""
        python = sys.executable.encode()
        return next((pid for pid, command in self.processes() if command[0] == python), None)

    def _all_pids(self) -> list[int]:
        """Return everything that the runs started, whoever the parent is by now."""
        mark = f"HEYGEM_CACHE_DIR={self.batch.cache}".encode()
        pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
        return [pid for pid in pids if mark in read_proc(pid, "environ").split(b"\0")]

    def wait_for_processes(self, seconds: float) -> list[str]:
        """Wait until all processes have ended, and return the command lines of those that have not."""
        end = time.monotonic() + seconds
        while (pids := self._all_pids()) and time.monotonic() < end:
            time.sleep(0.02)
        return [read_proc(pid, "cmdline").replace(b"\0", b" ").decode("utf-8", "replace") for pid in pids]

    def kill_all(self) -> None:
        """Kill everything that is left."""
        for pid in self._all_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.close_terminal()


class Terminal:
    """A pseudo-terminal that keeps what is written to it."""

    def __init__(self) -> None:
        self._end, other = os.openpty()
        self.name = os.ttyname(other)
        self._other = other
        self._written = bytearray()
        self._open = True
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while self._open:
            if select.select([self._end], [], [], 0.01)[0]:
                with contextlib.suppress(OSError):
                    self._written += os.read(self._end, 1 << 16)

    def text(self) -> str:
        """Return what was written."""
        return self._written.decode("utf-8", "replace")

    def close(self) -> None:
        """Hang up."""
        if self._open:
            self._open = False
            self._reader.join()
            os.close(self._end)
            os.close(self._other)


def read_proc(pid: int, name: str) -> bytes:
    """Return a file of a process, empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
