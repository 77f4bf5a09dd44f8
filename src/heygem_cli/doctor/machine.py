"""The machine that is checked: this one, or a container that runs on it."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from heygem_cli.doctor.child_process import (
    SCRIPTS,
    ProbeResult,
    parse_last_line,
    run_command,
    run_own_script,
    run_script,
)
from heygem_cli.heygem.container.advice import advice_at_host
from heygem_cli.heygem.container.client import Container, isolated_script
from heygem_cli.heygem.container.snapshot import FileSystem, Snapshot

NEEDS_PYTHON = frozenset({"installation.models", "installation.python", "system.cpu", "system.open-files"})
NO_PYTHON = "the container has no Python 3.8 or later to look with"
OF_THE_HOST = frozenset({"system.disk-output", "system.disk-cache", "system.disk-temp"})


class Machine:
    """This machine."""

    is_container = False
    library_folder = ""
    """A folder of libraries that HeyGem's interpreter there needs on its LD_LIBRARY_PATH."""

    def run(self, command: Sequence[str], *, environment: Mapping[str, str], timeout: float) -> ProbeResult:
        """Run a command."""
        return run_command(command, environment=environment, timeout=timeout)

    def run_script(
        self, python: str, script: str, *arguments: str, environment: Mapping[str, str], timeout: float
    ) -> ProbeResult:
        """Run one of the doctor's scripts in an interpreter of the machine."""
        return run_script(python, script, *arguments, environment=environment, timeout=timeout)

    def run_own_script(
        self, python: str, script: str, *arguments: str, environment: Mapping[str, str], timeout: float
    ) -> ProbeResult:
        """Run one of the doctor's scripts in the interpreter that the doctor itself uses there."""
        return run_own_script(python, script, *arguments, environment=environment, timeout=timeout)

    def file_system(self, folder: Path) -> FileSystem | None:
        """Return the file system of a folder; None if there is no such folder."""
        try:
            status = os.statvfs(folder)
        except OSError:
            return None
        size, free = status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
        return FileSystem(size, free, write_error(folder))

    def hidden(self, check: str) -> str:
        """Return why a check cannot be made here; an empty string if it can."""
        del check
        return ""

    def shown(self, text: str) -> str:
        """Return the text of a finding as the user of the machine knows its paths."""
        return text

    def advice(self, text: str) -> str:
        """Return what to do, as it works where heygem runs."""
        return self.shown(text)


class ContainerMachine(Machine):
    """A running container: what it runs goes through ``exec``, its files are in a copy."""

    is_container = True

    def __init__(self, container: Container, snapshot: Snapshot, library_folder: str = "") -> None:
        self.container = container
        self.snapshot = snapshot
        self.library_folder = library_folder

    def run(self, command: Sequence[str], *, environment: Mapping[str, str], timeout: float) -> ProbeResult:
        """Run a command in the container."""
        return self._exec(command, environment, timeout)

    def run_script(
        self, python: str, script: str, *arguments: str, environment: Mapping[str, str], timeout: float
    ) -> ProbeResult:
        """Run one of the doctor's scripts in an interpreter of the container, which reads it from its input."""
        if self.snapshot.python is None:
            return ProbeResult(failure=NO_PYTHON)
        text = isolated_script((SCRIPTS / f"{script}.py").read_text(encoding="utf-8"))
        return parse_last_line(self._exec([python, "-", *arguments], environment, timeout, text))

    run_own_script = run_script

    def _exec(
        self, command: Sequence[str], environment: Mapping[str, str], timeout: float, text: str | None = None
    ) -> ProbeResult:
        line = self.container.exec_command(command, environment)
        return run_command(line, environment=os.environ, timeout=timeout, text=text)

    def file_system(self, folder: Path) -> FileSystem | None:
        """Return the file system of a folder, as the container sees it."""
        return self.snapshot.file_systems.get(str(self.snapshot.original(folder)))

    def hidden(self, check: str) -> str:
        """Checks of the host, and those that only a Python in the container can make."""
        if check in OF_THE_HOST:
            return "not a matter of the container"
        return NO_PYTHON if self.snapshot.python is None and check in NEEDS_PYTHON else ""

    def shown(self, text: str) -> str:
        """Return text with the container's paths, and with commands that repair it from here."""
        here = f"--container {self.container.name}"
        text = re.sub(r"\bheygem (doctor|fix-config|restart)\b(?: --home \S+)?", rf"heygem \1 {here}", text)
        return text.replace(str(self.snapshot.root), "")

    def advice(self, text: str) -> str:
        """Return what to do on the host; what is to be done inside of the container says so."""
        return advice_at_host(self.container, self.shown(text))


def write_error(folder: Path) -> str:
    """Return why no file can be created in a folder; an empty string if one can."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)
