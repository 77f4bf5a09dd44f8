"""Folders that this machine and the service's container share under different names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from heygem_cli.errors import HeygemError, InputError, printable

TEMP = PurePosixPath("/code/data/temp")
"""Where the official container puts results."""
EXAMPLE = "--map ~/heygem_data/face2face:/code/data"


@dataclass(frozen=True)
class Map:
    """A folder of this machine, and what the container calls it."""

    host: Path
    container: PurePosixPath

    def to_container(self, path: Path) -> PurePosixPath:
        """The container's name of a file below the folder."""
        return self.container / path.relative_to(self.host)

    def to_host(self, path: PurePosixPath) -> Path | None:
        """This machine's name of a file of the container; None where the map does not reach it."""
        if ".." in path.parts or not path.is_relative_to(self.container):
            return None
        return self.host / path.relative_to(self.container)


def parse_map(text: str) -> Map:
    """Read ``HOST:CONTAINER``.

    Raises:
        InputError: ``bad-map``.
    """
    host, _, container = text.rpartition(":")
    path = PurePosixPath(container)
    if not host or not path.is_absolute() or ".." in path.parts:
        message = f"--map {printable(text)}: is not HOST:CONTAINER, two folders of which the second begins with /"
        raise InputError("bad-map", message, hint=f"Like this: {EXAMPLE}")
    # os.path leaves a user that does not exist as it is, where pathlib would raise.
    return Map(Path(os.path.expanduser(host)).absolute(), path)  # noqa: PTH111


def map_problems(maps: Sequence[Map]) -> list[HeygemError]:
    """Say what keeps maps from being used."""
    if not maps:
        message = "the service needs a folder that it shares with this machine, and none was named"
        return [InputError("no-map", message, hint=f"Name the one that its container mounts: {EXAMPLE}")]
    return [problem for each in maps if (problem := _problem(each.host)) is not None]


def _problem(folder: Path) -> InputError | None:
    if not folder.is_dir():
        hint = "Name the folder that the container mounts (docker inspect shows it)"
        return InputError("bad-map", "--map: there is no such folder", hint=hint, path=folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        hint = f"Run as its owner, or: sudo chown $USER {printable(folder)}"
        return InputError("bad-map", "--map: no permission to write into this folder", hint=hint, path=folder)
    return None


def temp_folders(maps: Sequence[Map]) -> list[Path]:
    """Where results may be found: the official container's folder for them, or the mapped folders themselves."""
    reached = [folder for each in maps if (folder := each.to_host(TEMP)) is not None]
    return reached or [each.host for each in maps]


def result_places(result: str, maps: Sequence[Map]) -> list[Path]:
    """Where a result may lie that the service names: relative to its folder for results, or in full."""
    path = PurePosixPath(result)
    if ".." in path.parts or not path.name:
        return []
    full = [place for each in maps if (place := each.to_host(path)) is not None]
    return [*full, *(folder / result.lstrip("/") for folder in temp_folders(maps))]
