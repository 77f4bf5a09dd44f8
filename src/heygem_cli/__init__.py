"""Batch rendering of lip-synced video."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heygem_cli.api import Renderer, render
    from heygem_cli.job import RenderResult

__version__ = "0.2.0"
__all__ = ["RenderResult", "Renderer", "render"]


def __getattr__(name: str) -> object:
    """Import the API when it is first used: it loads numpy, which reads the thread limits of the process."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "RenderResult":
        from heygem_cli.job import RenderResult

        return RenderResult
    from heygem_cli import api

    return getattr(api, name)
