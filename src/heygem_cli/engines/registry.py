"""The engines by name; nothing of an engine is imported before it is asked for."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping

from heygem_cli.engines.protocol import Engine, EngineEntry
from heygem_cli.engines.settings import EngineSettings
from heygem_cli.errors import HeygemError, InputError


def _mesh_problems(_settings: EngineSettings) -> list[HeygemError]:
    from heygem_cli.engines.mesh.models import model_problems

    return model_problems(os.environ)


def _mesh_identity(_settings: EngineSettings) -> str:
    from heygem_cli.engines.mesh.models import models_digest

    return models_digest(os.environ)


def _mesh(settings: EngineSettings) -> Engine:
    from heygem_cli.engines.mesh.render import MeshEngine

    return MeshEngine(settings.device, settings.process)


_ENTRIES = (
    EngineEntry(
        name="mesh",
        summary="built in: moves the person's own pixels, on a CPU, at the video's own resolution",
        needs=("nothing beyond heygem itself",),
        problems=_mesh_problems,
        identity=_mesh_identity,
        make=_mesh,
    ),
)

ENGINES: Mapping[str, EngineEntry] = {entry.name: entry for entry in _ENTRIES}


def find_engine(name: str) -> EngineEntry:
    """Find an engine.

    Raises:
        InputError: there is no engine of this name.
    """
    if name not in ENGINES:
        near = difflib.get_close_matches(name, ENGINES, 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(ENGINES)}"
        raise InputError("unknown-engine", f"--engine {name!r} is not known", hint=hint)
    return ENGINES[name]


def check_engine(name: str, settings: EngineSettings) -> None:
    """See whether an engine would work here, without loading anything.

    Raises:
        InputError: there is no engine of this name, or what it was told cannot be used.
        NotCapableError: it does not work here.
    """
    for problem in find_engine(name).problems(settings):
        raise problem
