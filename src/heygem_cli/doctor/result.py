"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail", "skip"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        status: ``skip`` where there was nothing to look at.
        found: what was found, or why the check was skipped.
        why: why it matters; empty unless something is wrong.
        fix: what to do, to be pasted into a shell where that is possible; empty unless something is wrong.
    """

    status: Status
    found: str
    why: str = ""
    fix: str = ""


@dataclass(frozen=True)
class CheckResult:
    """A finding under its check's stable name."""

    id: str
    group: str
    title: str
    status: Status
    found: str
    why: str
    fix: str


def ok(found: str) -> Finding:
    """All is well."""
    return Finding("ok", found)


def skip(reason: str) -> Finding:
    """There was nothing to look at."""
    return Finding("skip", reason)


def warn(found: str, why: str, fix: str) -> Finding:
    """Something that works, but not as it should."""
    return Finding("warn", found, why, fix)


def fail(found: str, why: str, fix: str) -> Finding:
    """Something that does not work."""
    return Finding("fail", found, why, fix)
