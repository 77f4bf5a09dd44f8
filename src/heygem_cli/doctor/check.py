"""What a check is, how it is registered, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from heygem_cli.doctor.inputs import Inputs

Status = Literal["ok", "warn", "fail", "skip"]
Probe = Callable[[Inputs], Any]
"""A slow query. It runs once, and all checks that depend on it share its result."""


@dataclass(frozen=True)
class Finding:
    """The outcome of a check.

    Attributes:
        status: ``skip`` if there was nothing to check.
        found: What was found, or why the check was skipped.
        why: Why it matters; empty for ``ok`` and ``skip``.
        fix: What to do, as a shell command where possible; empty for ``ok`` and ``skip``.
    """

    status: Status
    found: str
    why: str = ""
    fix: str = ""


Judge = TypeVar("Judge", bound=Callable[..., Finding])


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        id: Stable identifier such as ``gpu.driver``; the part before the dot is the group.
        judge: Takes the inputs and the results of the probes, in their order.
        probes: The probes it depends on.
    """

    id: str
    title: str
    judge: Callable[..., Finding]
    probes: tuple[Probe, ...] = ()

    @property
    def group(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]


registered: list[Check] = []
"""Every check of the modules that have been imported; see :mod:`heygem_cli.doctor.registry`."""


def check(id: str, title: str, *probes: Probe) -> Callable[[Judge], Judge]:
    """Register the decorated function as a check; for the parameters see :class:`Check`."""

    def register(judge: Judge) -> Judge:
        registered.append(Check(id, title, judge, probes))
        return judge

    return register


def ok(found: str) -> Finding:
    """Report that everything is fine."""
    return Finding("ok", found)


def skip(reason: str) -> Finding:
    """Report that there was nothing to check."""
    return Finding("skip", reason)


def warn(found: str, why: str, fix: str) -> Finding:
    """Report something that works, but not as it should."""
    return Finding("warn", found, why, fix)


def fail(found: str, why: str, fix: str) -> Finding:
    """Report something that does not work."""
    return Finding("fail", found, why, fix)
