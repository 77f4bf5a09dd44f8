"""The engines by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from heygem_cli.engines.protocol import Engine
from heygem_cli.errors import InputError


def _mesh() -> Engine:
    from heygem_cli.engines.mesh.engine import MeshEngine

    return MeshEngine()


ENGINES: Mapping[str, Callable[[], Engine]] = {"mesh": _mesh}


def make_engine(name: str) -> Engine:
    """Make an engine.

    Raises:
        InputError: there is no engine of this name.
    """
    if name not in ENGINES:
        near = difflib.get_close_matches(name, ENGINES, 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(ENGINES)}"
        raise InputError("unknown-engine", f"--engine {name!r} is not known", hint=hint)
    return ENGINES[name]()
