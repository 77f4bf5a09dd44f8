"""Optional dependencies, which ``pip install 'heygem-cli[NAME]'`` brings."""

from __future__ import annotations

import importlib.util

from heygem_cli.errors import NotCapableError


def require_extra(extra: str, *modules: str) -> None:
    """Check that the modules of an extra are installed, without loading them.

    Raises:
        NotCapableError: ``missing-extra``.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        names = " and ".join(missing)
        message = f"{names} is not installed" if len(missing) == 1 else f"{names} are not installed"
        raise NotCapableError("missing-extra", message, hint=f"Run: pip install 'heygem-cli[{extra}]'")
