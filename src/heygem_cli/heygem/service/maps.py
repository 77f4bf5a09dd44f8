"""Folders that this machine shares with the service's container under different paths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from heygem_cli.errors import HeygemError, InputError, printable
from heygem_cli.folder_map import MAP_EXAMPLE, FolderMap
from heygem_cli.heygem.installation.files import is_folder

TEMP = PurePosixPath("/code/data/temp")
"""Where the official container writes results."""


def map_problems(maps: Sequence[FolderMap]) -> list[HeygemError]:
    """Return what prevents the maps from being used."""
    if not maps:
        message = "the service needs a folder that it shares with this machine"
        return [InputError("no-map", message, hint=f"Name the folder that its container mounts: {MAP_EXAMPLE}")]
    return [problem for each in maps if (problem := _folder_problem(each.host)) is not None]


def _folder_problem(folder: Path) -> InputError | None:
    if not is_folder(folder):
        hint = "Name the folder that the container mounts (see docker inspect)"
        return InputError("bad-map", "--map: there is no such folder", hint=hint, path=folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        hint = f"Run as its owner, or: sudo chown $USER {printable(folder)}"
        return InputError("bad-map", "--map: no permission to write into this folder", hint=hint, path=folder)
    return None


def temp_folders(maps: Sequence[FolderMap]) -> list[Path]:
    """Return the folders that results may appear in: the official container's, else all mapped folders."""
    official = [folder for each in maps if (folder := each.to_host(TEMP)) is not None]
    return official or [each.host for each in maps]


def result_candidates(result: str, maps: Sequence[FolderMap]) -> list[Path]:
    """Return the possible paths of a result, whose name is absolute or relative to the temp folder."""
    path = PurePosixPath(result)
    if ".." in path.parts or not path.name:
        return []
    absolute = [candidate for each in maps if (candidate := each.to_host(path)) is not None]
    return [*absolute, *(folder / result.lstrip("/") for folder in temp_folders(maps))]
