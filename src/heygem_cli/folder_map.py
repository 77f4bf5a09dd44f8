"""A folder of this machine that a container mounts under another name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from heygem_cli.errors import InputError, printable

MAP_EXAMPLE = "--map ~/heygem_data/face2face:/code/data"


@dataclass(frozen=True)
class FolderMap:
    """A folder of this machine, and what a container calls it."""

    host: Path
    container: PurePosixPath

    def to_container(self, path: Path) -> PurePosixPath:
        """Return the container's name of a file below the folder."""
        return self.container / path.relative_to(self.host)

    def to_host(self, path: PurePosixPath) -> Path | None:
        """Return this machine's name of a file of the container; None where it is not below the folder."""
        if ".." in path.parts or not path.is_relative_to(self.container):
            return None
        return self.host / path.relative_to(self.container)


def parse_map(text: str) -> FolderMap:
    """Read ``HOST:CONTAINER``.

    Raises:
        InputError: ``bad-map``.
    """
    host, _, container = text.rpartition(":")
    path = PurePosixPath(container)
    if not host or not path.is_absolute() or ".." in path.parts:
        message = f"--map {printable(text)}: not of the form HOST:CONTAINER, where CONTAINER begins with /"
        raise InputError("bad-map", message, hint=f"Example: {MAP_EXAMPLE}")
    # os.path leaves a user that does not exist as it is, where pathlib would raise.
    return FolderMap(Path(os.path.expanduser(host)).absolute(), path)  # noqa: PTH111
