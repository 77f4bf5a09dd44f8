"""Every error that a user can see.

::

    HeygemError          1    something failed while it ran
    ├── InputError       2    an input or an option cannot be used; nothing was started
    ├── NotCapableError  4    this machine cannot do it: a model is missing, or the GPU that was asked for
    ├── LockedError      5    another run holds the lock
    └── StoppedError     130  SIGINT; 143 for SIGTERM, 129 for SIGHUP

Exit status 3, some jobs of a batch failed, is no error. docs/errors.md lists all codes.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar


def printable(path: str | os.PathLike[str]) -> str:
    """Return a path or other text for a person: control characters, such as a newline in a name, are escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in os.fspath(path))


def plural(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 job``, ``2 jobs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class HeygemError(Exception):
    """The base class of all errors.

    Args:
        code: A stable name for programs, such as ``no-audio-stream``.
        message: What is wrong.
        hint: What to do about it.
        path: The file that is concerned; put in front of the message.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, message: str, *, hint: str = "", path: str | Path | None = None) -> None:
        self.code = code
        self.path = None if path is None else Path(path)
        # What a user, a file or another program wrote must not send commands to the terminal.
        self.message = printable(message if path is None else f"{os.fspath(path)}: {message}")
        self.hint = printable(hint)
        super().__init__(code, message)

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}".rstrip() if self.hint else self.message

    def to_dict(self) -> dict[str, object]:
        """Return what ``--json`` prints."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class InputError(HeygemError):
    """An input or an option cannot be used; nothing was started and nothing was written."""

    exit_code = 2


class NotCapableError(HeygemError):
    """This machine or this installation cannot do what was asked."""

    exit_code = 4


class LockedError(HeygemError):
    """Another run holds the lock."""

    exit_code = 5

    def held_by(self, holder: object) -> LockedError:
        """Return the error, which says who holds the lock if that is known."""
        if holder:
            self.message += f": {holder}"
        return self


class StoppedError(HeygemError):
    """A signal stopped the run."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        self.exit_code = 128 + signum  # type: ignore[misc]
        cause = "Ctrl-C" if signum == signal.SIGINT else signal.Signals(signum).name
        super().__init__("stopped", f"stopped by {cause}")


def from_os_error(error: OSError, hint: str = "", path: Path | None = None) -> HeygemError:
    """Convert an error of the operating system; ``path`` is the file where the error names none."""
    named = error.filename if isinstance(error.filename, str) else path
    return HeygemError("system-error", error.strerror or str(error), path=named, hint=hint)


def current_folder_error() -> InputError | None:
    """Return the error if the current folder has been deleted, in which no file can be found; else None."""
    try:
        Path.cwd()
    except FileNotFoundError:
        message = "the current folder has been deleted"
        return InputError("no-current-folder", message, hint="Change into one that exists: cd ~")
    return None


def from_exception(error: BaseException) -> HeygemError | None:
    """Convert an exception that says what the machine lacks, or is an error of the operating system; else None."""
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "can't start new thread" in str(error)):
        message = "there is not enough memory" if isinstance(error, MemoryError) else "no thread can be started"
        return NotCapableError("out-of-memory", message, hint="Close other programs, or raise the limits (ulimit -a)")
    if isinstance(error, ImportError) or (isinstance(error, OSError) and error.errno is None and ".so" in str(error)):
        while isinstance(error.__cause__, ImportError | OSError):  # libraries put advice of their own around it
            error = error.__cause__
        reason = str(error).strip().partition("\n")[0]
        message = f"a library cannot be loaded: {reason}"
        return NotCapableError("library-broken", message, hint="Install heygem-cli again")
    encoding = sys.getfilesystemencoding()
    if isinstance(error, UnicodeEncodeError) and error.encoding == encoding and encoding != "utf-8":
        message = f"this locale encodes the names of files in {encoding}, which lacks characters of one of them"
        return NotCapableError("bad-locale", message, hint="Set PYTHONUTF8=1, or LC_ALL=C.UTF-8")
    if isinstance(error, FileNotFoundError) and error.filename is None and (gone := current_folder_error()):
        return gone
    return from_os_error(error) if isinstance(error, OSError) else None


def write_error(error: OSError, path: Path, folder: Path) -> HeygemError:
    """Convert an error of the operating system that came while a file of a folder was created, written or renamed."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        message = "no permission to write into this folder"
        return InputError("no-permission", message, hint="Make it writable, or choose another folder", path=folder)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HeygemError("disk-full", "the disk is full", hint="Free some space", path=path)
    if error.errno == errno.ENAMETOOLONG:
        return InputError("bad-name", "the name is too long", hint="Choose a shorter one", path=path)
    message = f"it cannot be written ({error.strerror})"
    return HeygemError("writing-failed", message, hint="Check the disk, or choose another folder", path=path)


def did_you_mean(name: str, known: Iterable[str], otherwise: str, prefix: str = "") -> str:
    """Return the hint for a name that does not exist: the nearest one that does, else ``otherwise``.

    Args:
        name: The name.
        known: Those that exist.
        otherwise: The hint if none is near.
        prefix: What all of them begin with, which makes none nearer.
    """
    import difflib

    names = [each.removeprefix(prefix) for each in known]
    near = difflib.get_close_matches(name.removeprefix(prefix), names, 1)
    return f"Did you mean {printable(prefix + near[0])}?" if near else otherwise
