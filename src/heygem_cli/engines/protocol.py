"""What an engine is: it renders whole jobs, one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from heygem_cli.engines.settings import EngineSettings
from heygem_cli.errors import HeygemError
from heygem_cli.job import Inputs, RenderJob, RenderResult, Report


class Engine(Protocol):
    """Renders jobs; what costs time to load is loaded once, when it is made or at the first job."""

    name: str

    def render(self, job: RenderJob, inputs: Inputs, report: Report) -> RenderResult:
        """Render one job.

        Args:
            job: checked: its output can be made there; one that appears meanwhile is kept without ``overwrite``.
            inputs: of the job.
            report: is told how far it is, at least once a second: it ends jobs whose time is up by raising.

        Raises:
            InputError: an input cannot be used; nothing was written.
            NotCapableError: no job can be rendered here.
            HeygemError: it failed on the way; nothing half-written stays behind, and the next job can be rendered.
        """
        ...

    def close(self) -> None:
        """Let go of everything, whatever state it is in; nothing that it started goes on."""
        ...


@dataclass(frozen=True)
class EngineEntry:
    """An engine that can be chosen.

    Attributes:
        name: of the engine.
        summary: one line for a person.
        needs: what must be there, a few words each.
        problems: says all that keeps it from working here, as far as that can be seen without loading anything;
            exit codes and hints are the errors' own.
        identity: names what outputs depend on besides inputs and options, such as models; asked for every engine
            of a batch before it begins.
        make: makes it.
        refuses: options that it cannot heed, by their names in :class:`heygem_cli.job.RenderOptions`, and that must
            therefore be as they are by default.
    """

    name: str
    summary: str
    needs: tuple[str, ...]
    problems: Callable[[EngineSettings], list[HeygemError]]
    identity: Callable[[EngineSettings], str]
    make: Callable[[EngineSettings], Engine]
    refuses: tuple[str, ...] = ()
