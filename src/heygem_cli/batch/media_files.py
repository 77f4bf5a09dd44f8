"""Find the audio and video files that the command line names: as files, patterns or folders."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError
from heygem_cli.media.names import FileFinder

LISTS = frozenset({".csv", ".tsv", ".json", ".jsonl"})
_AUDIO = (
    "aac ac3 aif aifc aiff alac amr ape au awb caf dts eac3 flac m4a m4b mka mp2 mp3 mpga oga ogg opus ra spx tta w64 "
    "wav wave weba wma wv"
)
_VIDEO = (
    "3g2 3gp asf avi divx f4v flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv qt rm rmvb ts vob webm wmv y4m"  # and
    " avif bmp gif heic heif icns ico jfif jpe jpeg jpg png tga tif tiff webp"  # still images
)
AUDIO = frozenset(f".{name}" for name in _AUDIO.split())
VIDEO = frozenset(f".{name}" for name in _VIDEO.split())
"""The types of files that a folder is searched for; a file that is named itself may have any type."""


@dataclass(frozen=True)
class FoundFiles:
    """What names stand for.

    Attributes:
        paths: The files, each once, as they were named or found.
        made: Files that were left out, since the batch made them.
    """

    paths: tuple[Path, ...]
    made: tuple[Path, ...]


def is_list(name: str) -> bool:
    """Return whether a name is that of a manifest."""
    return name == "-" or Path(name).suffix.lower() in LISTS


def is_media(name: str) -> bool:
    """Return whether a name is that of an audio or video file, of a folder, or a pattern."""
    return Path(name).suffix.lower() in AUDIO | VIDEO or Path(name).is_dir() or _is_pattern(name)


def find_media(names: Sequence[str], types: Collection[str], outputs: Collection[Path]) -> FoundFiles:
    """Find files.

    Args:
        names: Files, whether or not they exist; patterns (``*``, ``?``, ``[…]``, ``**``), which stand for files that
            are not hidden; and folders, which stand for the files of these types in them.
        types: Extensions in lower case, :data:`AUDIO` or :data:`VIDEO`.
        outputs: Files that the batch has made, as absolute paths without links: they are no inputs.

    Raises:
        InputError: ``no-match``, ``no-media``, ``unreadable-folder``.
    """
    finder = FileFinder()
    found: dict[str, Path] = {}
    for name in names:
        for path in _expand(name, types, finder):
            found.setdefault(os.path.abspath(path), path)  # noqa: PTH100 - a link is another name
    made = {path for path in found.values() if Path(os.path.realpath(path)) in outputs}
    return FoundFiles(tuple(path for path in found.values() if path not in made), tuple(sorted(made)))


def _expand(name: str, types: Collection[str], finder: FileFinder) -> Iterator[Path]:
    path = finder.find(name)
    if os.path.lexists(path) or not _is_pattern(name):
        found = list_media(path, types) if path.is_dir() else [path]
        if not found:
            raise _no_media(path, types)
        yield from found
        return
    # expanduser of os.path raises nothing for an unknown user.
    matches = map(Path, sorted(glob.glob(os.path.expanduser(name), recursive=True)))  # noqa: PTH111, PTH207
    files = [match for match in matches if not match.name.startswith(".") and not match.is_dir()]
    if not files:
        message = "no file has a name of this form"
        raise InputError("no-match", message, hint="Check the folder and the pattern", path=name)
    yield from files


def _is_pattern(name: str) -> bool:
    return re.search(r"[*?[]", name) is not None and not os.path.lexists(name)


def list_media(folder: Path, types: Collection[str]) -> list[Path]:
    """Return the files of these types in a folder, without hidden ones, sorted.

    Raises:
        InputError: ``unreadable-folder``.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        message = f"this folder cannot be read ({error.strerror})"
        hint = "Check that it exists, and that this user may read it"
        raise InputError("unreadable-folder", message, hint=hint, path=folder) from error
    return [path for path in paths if path.suffix.lower() in types and path.name[0] != "." and path.is_file()]


def _no_media(folder: Path, types: Collection[str]) -> InputError:
    hint = "Name the files"
    if types == AUDIO and list_media(folder, VIDEO):
        hint = f"If the sound of its videos is meant, give a pattern in quotes: '{folder}/*.mp4'"
    kind = "audio file" if types == AUDIO else "video or picture"
    return InputError("no-media", f"there is no {kind} in this folder", hint=hint, path=folder)
