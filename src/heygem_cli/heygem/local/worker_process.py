"""The worker as a process: started under its guard, spoken to over a pipe of its own, and ended without remains."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heygem_cli.errors import HeygemError, NotCapableError
from heygem_cli.heygem.local.locate import Installation, worker_environment

SCRIPTS = Path(__file__).parent / "scripts"
KEPT_LINES = 1000
END_WITHIN = 10.0
"""Seconds for the guard to end everything; more is a process that hangs in a driver, which nothing can end."""

Message = dict[str, Any]


class WorkerProcess:
    """A running worker with all the processes that it starts.

    Args:
        installation: whose worker it is.
        environment: of this process.
        lock: descriptor of a lock that the guard holds too, until all has ended.
        patience: seconds that no wait for a queue of HeyGem's may fall short of.

    Raises:
        NotCapableError: it cannot be started.
    """

    def __init__(self, installation: Installation, environment: Mapping[str, str], lock: int, patience: float) -> None:
        self._ours, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        given = worker_environment(installation.python, environment)
        given |= {"HEYGEM_WORKER_FD": str(theirs.fileno()), "HEYGEM_WORKER_QUEUE_SECONDS": str(patience)}
        command = [sys.executable, "-I", "-S", str(SCRIPTS / "supervisor.py"), str(lifeline), str(theirs.fileno())]
        command += [str(installation.python), str(SCRIPTS / "worker.py")]
        try:
            self._guard = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=installation.home,
                env=given,
                pass_fds=(lifeline, theirs.fileno(), lock),
                start_new_session=True,
            )
        except OSError as error:
            message = f"HeyGem's worker cannot be started ({error.strerror})"
            raise NotCapableError("load-failed", message, path=installation.home) from error
        finally:
            theirs.close()
            os.close(lifeline)
        self._unread = b""
        self._output: deque[str] = deque(maxlen=KEPT_LINES)
        self._drain = threading.Thread(target=self._keep_output, name="heygem-output", daemon=True)
        self._drain.start()

    def send(self, message: Message) -> None:
        """Send the worker a message; whether it is alive is seen by what it answers."""
        with contextlib.suppress(BrokenPipeError):
            self._ours.sendall((json.dumps(message) + "\n").encode())

    def messages(self, seconds: float) -> list[Message]:
        """Wait for messages of the worker.

        Args:
            seconds: to wait at most.

        Returns:
            What it has said, nothing if it said nothing. When it has ended the wait is over at once.
        """
        if select.select([self._ours], [], [], seconds)[0]:
            try:
                data = self._ours.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._guard.wait(seconds)
            *lines, self._unread = (self._unread + data).split(b"\n")
            return [json.loads(line) for line in lines]
        return []

    def output(self) -> list[str]:
        """What it and its children have printed since the last call."""
        lines = []
        with contextlib.suppress(IndexError):
            while True:
                lines.append(self._output.popleft())
        return lines

    def death(self) -> int | None:
        """Its exit status, 128 and more for a signal; None while it runs."""
        return self._guard.poll()

    def end(self) -> None:
        """End it and all that it has started, and wait for their end.

        Raises:
            HeygemError: ``worker-stuck``: the kernel does not let go of a process.
        """
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        self._ours.close()
        try:
            self._guard.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            hint = "Look at `nvidia-smi` and `dmesg`; often only a restart of the machine helps"
            message = "a process of HeyGem hangs in a driver and cannot be ended"
            raise HeygemError("worker-stuck", message, hint=hint) from None
        self._drain.join(1)

    def _keep_output(self) -> None:
        """Keep the last lines, and pass all on to where native output goes: --debug shows it."""
        assert self._guard.stdout is not None  # noqa: S101
        with self._guard.stdout as pipe:
            for line in pipe:
                with contextlib.suppress(OSError):
                    os.write(2, line)
                self._output.append(line.decode("utf-8", "replace").rstrip())
