"""Folders that this machine shares with the service's container under different paths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from heygem_cli.errors import HeygemError, InputError, printable

TEMP = PurePosixPath("/code/data/temp")
"""Where the official container writes results."""
EXAMPLE = "--map ~/heygem_data/face2face:/code/data"


@dataclass(frozen=True)
class Map:
    """A folder of this machine and its path in the container."""

    host: Path
    container: PurePosixPath

    def to_container(self, path: Path) -> PurePosixPath:
        """Return the container's path of a file below ``host``."""
        return self.container / path.relative_to(self.host)

    def to_host(self, path: PurePosixPath) -> Path | None:
        """Return this machine's path of a container's file, or None if it is outside of the folder."""
        if ".." in path.parts or not path.is_relative_to(self.container):
            return None
        return self.host / path.relative_to(self.container)


def parse_map(text: str) -> Map:
    """Parse ``HOST:CONTAINER``.

    Raises:
        InputError: ``bad-map``.
    """
    host, _, container = text.rpartition(":")
    path = PurePosixPath(container)
    if not host or not path.is_absolute() or ".." in path.parts:
        message = f"--map {printable(text)}: not of the form HOST:CONTAINER, where CONTAINER begins with /"
        raise InputError("bad-map", message, hint=f"Example: {EXAMPLE}")
    # os.path keeps the name of a user that does not exist, where pathlib raises.
    return Map(Path(os.path.expanduser(host)).absolute(), path)  # noqa: PTH111


def map_problems(maps: Sequence[Map]) -> list[HeygemError]:
    """Return what prevents the maps from being used."""
    if not maps:
        message = "the service needs a folder that it shares with this machine"
        return [InputError("no-map", message, hint=f"Name the folder that its container mounts: {EXAMPLE}")]
    return [problem for each in maps if (problem := _folder_problem(each.host)) is not None]


def _folder_problem(folder: Path) -> InputError | None:
    if not folder.is_dir():
        hint = "Name the folder that the container mounts (see docker inspect)"
        return InputError("bad-map", "--map: there is no such folder", hint=hint, path=folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        hint = f"Run as its owner, or: sudo chown $USER {printable(folder)}"
        return InputError("bad-map", "--map: no permission to write into this folder", hint=hint, path=folder)
    return None


def temp_folders(maps: Sequence[Map]) -> list[Path]:
    """Return the folders that results may appear in: the official container's, else all mapped folders."""
    official = [folder for each in maps if (folder := each.to_host(TEMP)) is not None]
    return official or [each.host for each in maps]


def result_candidates(result: str, maps: Sequence[Map]) -> list[Path]:
    """Return where a result may be that the service gives as an absolute path or relative to its temp folder."""
    path = PurePosixPath(result)
    if ".." in path.parts or not path.name:
        return []
    absolute = [candidate for each in maps if (candidate := each.to_host(path)) is not None]
    return [*absolute, *(folder / result.lstrip("/") for folder in temp_folders(maps))]
