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

import os
from pathlib import Path
from typing import ClassVar


def shown(path: str | os.PathLike[str]) -> str:
    """Write a path for a person: control characters (a newline in a name) are escaped, the rest stays as it is."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in os.fspath(path))


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
        self.message = message if path is None else f"{shown(path)}: {message}"
        self.hint = hint
        super().__init__(f"{self.message}. {hint}".rstrip() if hint else self.message)

    def as_object(self) -> dict[str, object]:
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


def from_system(error: OSError, hint: str = "", path: Path | None = None) -> HeygemError:
    """Word an error of the operating system as one of ours: what it is about, and what is wrong.

    Args:
        error: of the operating system.
        hint: what to do about it.
        path: what it is about if it does not say so itself: one that comes while a file is read does not.
    """
    about = error.filename if isinstance(error.filename, str) else path
    return HeygemError("system-error", error.strerror or str(error), path=about, hint=hint)
