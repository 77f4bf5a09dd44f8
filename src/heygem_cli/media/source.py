"""Open input files: only regular files on a disk, so that reading them ends and ffmpeg can open them too."""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from heygem_cli.errors import InputError, printable
from heygem_cli.media.names import url_in


@contextmanager
def open_source(path: Path) -> Iterator[BinaryIO]:
    """Open an input file for reading; nothing that may block is opened.

    Raises:
        InputError: ``not-found``, ``is-a-url``, ``is-a-directory``, ``not-a-file``, ``no-permission``, ``empty-file``,
            ``unreadable-file``.
    """
    try:
        if path.exists() and not path.is_dir() and (not path.is_file() or _is_virtual(path)):
            raise _not_a_file(path)
        # Non-blocking, in case a pipe has taken its place meanwhile.
        file = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115 - closed below
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a null byte in the name
        raise _not_found(path) from error
    except IsADirectoryError as error:
        raise InputError("is-a-directory", "this is a folder, not a file", path=path) from error
    except PermissionError as error:
        raise InputError("no-permission", "no permission to read it", path=path) from error
    except OSError as error:
        raise unreadable(error, path) from error
    with file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _not_a_file(path)
        if not status.st_size:  # also a file of the kernel whose contents appear, or block, when it is read
            raise InputError("empty-file", "the file is empty", path=path)
        yield file


def unreadable(error: OSError, path: Path) -> InputError:
    """Convert an error of the operating system that came while an input file was opened or read."""
    if error.errno == errno.ELOOP:
        return InputError("unreadable-file", "this link leads back to itself", hint="Name the file itself", path=path)
    if error.errno == errno.ENAMETOOLONG:
        return InputError("unreadable-file", "the name is too long for a file", hint="Check the path", path=path)
    hint = "Check the disk that it is on, or copy it to another one"
    return InputError("unreadable-file", f"it cannot be read ({error.strerror})", hint=hint, path=path)


def _open_without_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _not_found(path: Path) -> InputError:
    if url := url_in(path):
        hint = "Download it first; in a manifest of heygem batch, audio and face may be URLs"
        return InputError("is-a-url", f"{url}: this is a URL, not a file", hint=hint)
    usual = "In a path, write / instead of \\, and no drive letter" if "\\" in str(path) else ""
    other = _in_other_case(path)
    hint = f"Did you mean {printable(other)}? Upper and lower case differ" if other else usual
    return InputError("not-found", "there is no such file", hint=hint, path=path)


def _in_other_case(path: Path) -> str | None:
    """Return the name of the file that would be found on a system where upper and lower case do not differ."""
    try:
        names = _names(path.parent, path.parent.stat().st_mtime_ns)
    except (OSError, ValueError):  # ValueError: a null byte in the name
        return None
    other = names.get(path.name.casefold())
    return None if other == path.name else other  # the same: a link to nothing


@functools.lru_cache(maxsize=4)
def _names(folder: Path, _changed: int) -> Mapping[str, str]:
    """Return the names in a folder by what they are without upper case; a manifest may name thousands in vain."""
    return {name.casefold(): name for name in os.listdir(folder)}  # noqa: PTH208 - names, not paths


def _not_a_file(path: Path) -> InputError:
    message = "this is a pipe, a device or an open file of a process, not a file on a disk"
    return InputError("not-a-file", message, hint="Name the file itself, or save the data as one first", path=path)


def _is_virtual(path: Path) -> bool:
    """Return whether a file, or a link that it leads to, lies in /proc or /sys, as /dev/stdin does.

    Such a file may never end, and in a child process the same name stands for another one.
    """
    while True:
        folder = Path(os.path.realpath(path.parent))
        if folder.parts[1:2] in (("proc",), ("sys",)):
            return True
        path = folder / path.name
        if not path.is_symlink():
            return False
        path = folder / path.readlink()
