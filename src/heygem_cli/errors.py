"""Every error that a user can see.

::

    HeygemError              1    anything that failed while it ran
    ├── InputError           2    an input or an option cannot be used; nothing was started
    ├── PartialFailureError  3    some jobs of a batch failed
    ├── NotCapableError      4    this machine cannot do it: no model, no GPU that was asked for
    ├── LockedError          5    another run holds the lock
    └── StoppedError         130  SIGINT; 143 for SIGTERM, 129 for SIGHUP

An error is one line: what it is about, what is wrong, and what to do. ``code`` is stable and meant for programs.
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar


def printable(path: str | os.PathLike[str]) -> str:
    """Write a path for a person: control characters (a newline in a name) are escaped, the rest stays as it is."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in os.fspath(path))


def plural(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 job``, ``2 jobs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class HeygemError(Exception):
    """The root of all errors.

    Args:
        code: stable name such as ``no-audio-stream``.
        message: what is wrong, beginning with the file if there is one.
        hint: what to do about it.
        path: the file that it is about; put in front of the message.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, message: str, *, hint: str = "", path: str | Path | None = None) -> None:
        self.code = code
        self.path = None if path is None else Path(path)
        self.message = message if path is None else f"{printable(path)}: {message}"
        self.hint = hint
        super().__init__(f"{self.message}. {hint}".rstrip() if hint else self.message)

    def to_dict(self) -> dict[str, object]:
        """What ``--json`` prints of it."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class InputError(HeygemError):
    """An input or an option cannot be used; nothing was started and nothing was written."""

    exit_code = 2


class PartialFailureError(HeygemError):
    """Some jobs of a batch failed, others are done."""

    exit_code = 3


class NotCapableError(HeygemError):
    """This machine or this installation cannot do what was asked."""

    exit_code = 4


class LockedError(HeygemError):
    """Another run holds the lock."""

    exit_code = 5


class StoppedError(HeygemError):
    """A signal ended the run."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        self.exit_code = 128 + signum  # type: ignore[misc]
        super().__init__("stopped", f"stopped by signal {signum}")


def from_os_error(error: OSError, hint: str = "", path: Path | None = None) -> HeygemError:
    """Word an error of the operating system as one of ours: what it is about, and what is wrong.

    Args:
        error: of the operating system.
        hint: what to do about it.
        path: what it is about if it does not say so itself: one that comes while a file is read does not.
    """
    about = error.filename if isinstance(error.filename, str) else path
    return HeygemError("system-error", error.strerror or str(error), path=about, hint=hint)


def write_error(error: OSError, path: Path, folder: Path) -> HeygemError:
    """Convert an error of the operating system that came while a file was created, written or renamed.

    Args:
        error: The error.
        path: The file that was to be written.
        folder: The folder that it is in.
    """
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        message = "no permission to write into this folder"
        return InputError("no-permission", message, hint="Make it writable, or choose another folder", path=folder)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HeygemError("disk-full", "the disk is full", hint="Free some space", path=path)
    if error.errno == errno.ENAMETOOLONG:
        return InputError("bad-name", "the name is too long", hint="Choose a shorter one", path=path)
    return HeygemError("writing-failed", f"it cannot be written ({error.strerror})", path=path)


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Give the hint for a name that does not exist: the nearest one that does, else ``otherwise``."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"Did you mean {printable(near[0])}?" if near else otherwise
