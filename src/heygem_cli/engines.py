"""The engines: what an engine is, and which ones there are; an engine is imported when it is first used."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from heygem_cli.errors import HeygemError, InputError, did_you_mean
from heygem_cli.job import Inputs, ProgressCallback, RenderJob, RenderOptions, RenderResult
from heygem_cli.options import EngineSettings


class Engine(Protocol):
    """Renders jobs; what costs time to load is loaded once, when it is made or at the first job."""

    name: str

    def render(self, job: RenderJob, inputs: Inputs, on_progress: ProgressCallback) -> RenderResult:
        """Render one job.

        Args:
            job: checked: its output can be made there; one that appears meanwhile is kept without ``overwrite``.
            inputs: of the job.
            on_progress: is told how far it is, at least once a second: it ends jobs whose time is up by raising.

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


def _mesh_problems(_settings: EngineSettings) -> list[HeygemError]:
    from heygem_cli.mesh.models import model_problems

    return model_problems(os.environ)


def _mesh_identity(_settings: EngineSettings) -> str:
    from heygem_cli.mesh.models import models_digest

    return models_digest(os.environ)


def _mesh(settings: EngineSettings) -> Engine:
    from heygem_cli.mesh.engine import MeshEngine

    return MeshEngine(settings.device, settings.process)


def _heygem_problems(settings: EngineSettings) -> list[HeygemError]:
    from heygem_cli.heygem.local.locate import problems

    return problems(settings.heygem, os.environ)


def _heygem_identity(settings: EngineSettings) -> str:
    from heygem_cli.heygem.local.locate import identity

    return identity(settings.heygem, os.environ)


def _heygem(settings: EngineSettings) -> Engine:
    from heygem_cli.heygem.local.engine import HeygemEngine

    return HeygemEngine(settings.heygem, os.environ)


def _service_problems(settings: EngineSettings) -> list[HeygemError]:
    from heygem_cli.heygem.service.engine import service_problems

    return service_problems(settings.service)


def _service_identity(_settings: EngineSettings) -> str:
    return ""  # it does not tell what models it has


def _service(settings: EngineSettings) -> Engine:
    from heygem_cli.heygem.service.engine import ServiceEngine

    return ServiceEngine(settings.service)


_ENTRIES = (
    EngineEntry(
        name="mesh",
        summary="built in: moves the person's own pixels, on a CPU, at the video's own resolution",
        needs=("nothing beyond heygem itself",),
        problems=_mesh_problems,
        identity=_mesh_identity,
        make=_mesh,
    ),
    EngineEntry(
        name="heygem",
        summary="drives an existing HeyGem installation with its own weights, and without its hangs",
        needs=(
            "HeyGem's root folder (--home)",
            "its weights",
            "its Python (--python, --conda-env)",
            "ffmpeg on the PATH",
            "an NVIDIA GPU, or --allow-cpu",
        ),
        problems=_heygem_problems,
        identity=_heygem_identity,
        make=_heygem,
        refuses=("face", "on_missing_face"),
    ),
    EngineEntry(
        name="heygem-http",
        summary="HeyGem's official service (the container of Duix.Heygem), asked over HTTP",
        needs=("the running service (--url)", "a folder that its container shares with this machine (--map)"),
        problems=_service_problems,
        identity=_service_identity,
        make=_service,
        refuses=("face", "on_missing_face"),
    ),
)

ENGINES: Mapping[str, EngineEntry] = {entry.name: entry for entry in _ENTRIES}


def find_engine(name: str) -> EngineEntry:
    """Find an engine.

    Raises:
        InputError: there is no engine of this name.
    """
    if name not in ENGINES:
        hint = did_you_mean(name, ENGINES, f"There are: {', '.join(ENGINES)}")
        raise InputError("unknown-engine", f"--engine {name!r} is not known", hint=hint)
    return ENGINES[name]


def check_options(options: RenderOptions) -> None:
    """Make sure that an engine can do what is asked of it.

    Raises:
        InputError: there is no engine of this name, or it cannot heed an option.
    """
    usual = RenderOptions()
    for name in find_engine(options.engine).refuses:
        if getattr(options, name) != getattr(usual, name):
            option = f"--{name.replace('_', '-')} {getattr(options, name)}"
            hint = "Leave it out, or use --engine mesh"
            raise InputError("unheeded-option", f"{option}: the engine {options.engine} cannot heed it", hint=hint)


def check_engine(name: str, settings: EngineSettings) -> None:
    """See whether an engine would work here, without loading anything.

    Raises:
        InputError: there is no engine of this name, or what it was told cannot be used.
        NotCapableError: it does not work here.
    """
    for problem in find_engine(name).problems(settings):
        raise problem
