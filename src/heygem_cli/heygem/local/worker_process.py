"""The worker process: started under its supervisor, driven through a socket, and stopped with all its children."""

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
from heygem_cli.processes import children

SCRIPTS = Path(__file__).parent / "scripts"
MAX_OUTPUT_LINES = 1000
STOP_TIMEOUT = 10.0
"""Seconds for the supervisor to kill all processes; one that takes longer hangs in a driver, where nothing kills it."""

Message = dict[str, Any]


class WorkerProcess:
    """A running worker and its child processes.

    Args:
        installation: The installation to run.
        environment: The variables that the worker inherits.
        lock: The descriptor of a lock that the supervisor holds, too, until all processes have ended.
        queue_timeout: Seconds that HeyGem's own waits for its queues last at least.

    Raises:
        NotCapableError: The worker cannot be started.
    """

    def __init__(
        self, installation: Installation, environment: Mapping[str, str], lock: int, queue_timeout: float
    ) -> None:
        self._socket, worker_socket = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        descriptor = worker_socket.fileno()
        command = [sys.executable, "-I", "-S", str(SCRIPTS / "supervisor.py"), str(lifeline), str(descriptor)]
        command += [str(installation.python), str(SCRIPTS / "worker.py")]
        variables = {"HEYGEM_WORKER_FD": str(descriptor), "HEYGEM_WORKER_QUEUE_SECONDS": str(queue_timeout)}
        try:
            self._supervisor = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=installation.home,
                env=worker_environment(installation.python, environment) | variables,
                pass_fds=(lifeline, descriptor, lock),
                start_new_session=True,
            )
        except OSError as error:
            message = f"HeyGem's worker cannot be started ({error.strerror})"
            raise NotCapableError("load-failed", message, path=installation.home) from error
        finally:
            worker_socket.close()
            os.close(lifeline)
        self._incomplete = b""
        self._output: deque[str] = deque(maxlen=MAX_OUTPUT_LINES)
        self._output_thread = threading.Thread(target=self._copy_output, name="heygem-output", daemon=True)
        self._output_thread.start()

    def send(self, message: Message) -> None:
        """Send the worker a message, which a dead one ignores."""
        with contextlib.suppress(BrokenPipeError):
            self._socket.sendall((json.dumps(message) + "\n").encode())

    def read_messages(self, timeout: float) -> list[Message]:
        """Wait for messages of the worker, and return them.

        Args:
            timeout: Seconds to wait at most; the wait ends early if the worker does.
        """
        if not select.select([self._socket], [], [], timeout)[0]:
            return []
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._supervisor.wait(timeout)
        *lines, self._incomplete = (self._incomplete + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def read_output(self) -> list[str]:
        """Return the lines that the worker and its children have printed since the last call."""
        lines = []
        with contextlib.suppress(IndexError):
            while True:
                lines.append(self._output.popleft())
        return lines

    def exit_status(self) -> int | None:
        """Return the exit status of the worker, 128 + n for signal n; None while it runs."""
        return self._supervisor.poll()

    def cpu_seconds(self, program: str) -> float:
        """Return the processor time of all running processes of the worker that run a program."""
        seconds = 0.0
        pids = children(self._supervisor.pid)
        while pids:
            pid = pids.pop()
            pids += children(pid)
            with contextlib.suppress(OSError):  # it has ended
                name, _, rest = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")
                if name.partition("(")[2] == program:
                    seconds += sum(map(int, rest.split()[11:13])) / os.sysconf("SC_CLK_TCK")
        return seconds

    def stop(self) -> None:
        """Kill the worker and all its children, and wait for their end.

        Raises:
            HeygemError: ``worker-stuck``: a process cannot be killed.
        """
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        self._socket.close()
        try:
            self._supervisor.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            hint = "Check `nvidia-smi` and `dmesg`; often only a reboot helps"
            message = "a process of HeyGem hangs in a driver and cannot be killed"
            raise HeygemError("worker-stuck", message, hint=hint) from None
        self._output_thread.join(1)

    def _copy_output(self) -> None:
        """Keep the last lines, and copy all of them to stderr's descriptor, which --debug shows."""
        assert self._supervisor.stdout is not None  # noqa: S101
        with self._supervisor.stdout as pipe:
            for line in pipe:
                with contextlib.suppress(OSError):
                    os.write(2, line)
                self._output.append(line.decode("utf-8", "replace").rstrip())
