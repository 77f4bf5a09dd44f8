"""Where repairs are written: into an installation of this machine, or into a running container."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePath, PurePosixPath

from heygem_cli.errors import HeygemError, InputError, printable
from heygem_cli.heygem.container.client import Container, find_container
from heygem_cli.heygem.container.conda import named_python
from heygem_cli.heygem.container.snapshot import Snapshot, take_snapshot
from heygem_cli.heygem.installation.tree import HOME_HINT
from heygem_cli.heygem.repair import write
from heygem_cli.heygem.repair.plan import Edit
from heygem_cli.options import EngineOptions


class Target:
    """An installation of this machine.

    Attributes:
        home: Its root folder; None if only a compose file is concerned.
        python: Its interpreter, if known.
        proc: The mount point of procfs.
        user_home: The user's home folder, which HeyGem's clean-up must not delete.
        name: What the user calls it.
        option: What names it on the command line.
    """

    def __init__(self, home: Path | None, python: str | None = None) -> None:
        self.home = home
        self.python = python
        self.proc = Path("/proc")
        self.user_home = Path.home()
        self.option = f"--home {shlex.quote(str(home))}"
        self.name = "" if home is None else printable(home)

    def shown(self, text: str) -> str:
        """Return a text with paths as the user knows them."""
        return text

    def apply(self, edit: Edit, now: datetime) -> PurePath | None:
        """Write an edit and return its backup; see :func:`heygem_cli.heygem.repair.write.apply`."""
        return write.apply(edit, now)


class ContainerTarget(Target):
    """An installation in a container, of which there is a copy here."""

    def __init__(
        self, container: Container, snapshot: Snapshot, home: PurePosixPath, python: str | None = None
    ) -> None:
        program = python or snapshot.program or snapshot.python
        super().__init__(snapshot.local(home), None if program is None else str(snapshot.local(program)))
        self.proc = snapshot.root / "proc"
        self.user_home = snapshot.local("/root")
        self.name = f"{home} of the container {container.name}"
        self.option = f"--container {container.name}"
        self._container, self._snapshot, self._home = container, snapshot, home

    def shown(self, text: str) -> str:
        """Return a text with the container's paths."""
        return text.replace(str(self._snapshot.root), "")

    def apply(self, edit: Edit, now: datetime) -> PurePath | None:
        """Write an edit into the container and return its backup."""
        if not edit.path.is_relative_to(self._snapshot.root):
            return super().apply(edit, now)  # a compose file of the host
        container = self._container
        path = container.real_path(self._snapshot.original(edit.path), self._home)
        if container.read(path) != edit.before:
            hint = "Run heygem fix-config again"
            name = f"{container.name}:{path}"
            raise HeygemError("changed-meanwhile", "was changed by another process", path=name, hint=hint)
        if edit.folder is not None:
            container.make_folder(self._snapshot.original(edit.folder))
        backup = None if edit.before is None else container.back_up(path, now.strftime("%Y%m%d-%H%M%S"))
        container.write(path, edit.after)
        return backup


@contextmanager
def container_target(name: str, engines: EngineOptions) -> Iterator[Target]:
    """Copy the files of a container that repairs concern, and remove the copy at the end.

    Raises:
        InputError: There is no such container, it does not run, or what was named is not in it.
    """
    container = find_container(name)
    with tempfile.TemporaryDirectory(prefix="heygem-container-") as folder:
        home = None if engines.home is None else str(engines.home)
        python = named_python(container, engines)
        snapshot = take_snapshot(container, Path(folder), home=home, python=python)
        if snapshot.home is None:
            hint = f"{HOME_HINT}: the one inside of the container"
            raise InputError("no-home", "there is no HeyGem installation in this container", path=name, hint=hint)
        yield ContainerTarget(container, snapshot, snapshot.home, python)
