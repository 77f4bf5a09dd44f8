"""Calls of a function in a child process: a file from outside may crash or hang what reads it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from multiprocessing.connection import Connection, Pipe
from typing import Any

from heygem_cli.errors import HeygemError, from_exception
from heygem_cli.processes import die_with_parent, isolated_python, kill_children

_CHILD = "from heygem_cli.serve.child import answer; answer(int(sys.argv[1]), int(sys.argv[2]))"


class ChildCall:
    """A call that runs in a child process, which :meth:`close` ends whatever it does.

    Args:
        function: ``module:name``; its arguments and its value are pickled.
        arguments: Its arguments.
    """

    def __init__(self, function: str, *arguments: object) -> None:
        self._connection, connection = Pipe()
        try:
            command = isolated_python(_CHILD, str(connection.fileno()), str(os.getpid()))
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[connection.fileno()], start_new_session=True
            )
        finally:
            connection.close()
        self._connection.send((function, arguments))

    def result(self, seconds: float) -> Any:  # noqa: ANN401 - of the function
        """Return the value of the function, and end the child.

        Raises:
            HeygemError: What the function raised; ``check-crashed`` or ``check-timeout`` if it did not return.
        """
        hint = "Convert the file with ffmpeg, and try again"
        try:
            if not self._connection.poll(seconds):
                message = f"the files could not be read within {seconds:.0f} s"
                raise HeygemError("check-timeout", message, hint=hint)
            error, value = self._connection.recv()
        except (EOFError, OSError) as died:
            raise HeygemError("check-crashed", "the program that reads the files crashed", hint=hint) from died
        finally:
            self.close()
        if error is not None:
            error_class, code, message, hint = error
            raise error_class(code, message, hint=hint)
        return value

    def close(self) -> None:
        """End the child."""
        kill_children(self._process.pid)
        self._process.kill()
        self._process.wait()


def call(function: str, *arguments: object, seconds: float) -> Any:  # noqa: ANN401 - of the function
    """Call a function in a child process, see :class:`ChildCall`."""
    return ChildCall(function, *arguments).result(seconds)


def answer(descriptor: int, parent: int) -> None:
    """Run the call that the parent, given by its process id, sends to this process."""
    die_with_parent(parent)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)  # native libraries write there
    with Connection(descriptor) as connection:
        function, arguments = connection.recv()
        module, _, name = function.partition(":")
        try:
            value = getattr(importlib.import_module(module), name)(*arguments)
        except Exception as caught:
            error = caught if isinstance(caught, HeygemError) else from_exception(caught)
            if error is None:
                raise
            connection.send(((type(error), error.code, error.message, error.hint), None))
        else:
            connection.send((None, value))
    sys.stdout.flush()
    os._exit(0)  # libraries may crash or hang at the end, too
