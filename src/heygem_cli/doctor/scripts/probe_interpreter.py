"""Report the version and the packages of this interpreter, and which of the scripts in the arguments do not compile."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
import sys
from pathlib import Path

PACKAGES = ("numpy", "onnxruntime-gpu", "onnxruntime", "torch", "gradio")


def versions() -> dict[str, str]:
    """Return the versions of the packages that are installed."""
    installed: dict[str, str] = {}
    for name in PACKAGES:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed


def distributions() -> list[str]:
    """Return the names of all packages, in their normalised form."""
    names = (each.metadata["Name"] for each in importlib.metadata.distributions())
    return sorted({re.sub(r"[-_.]+", "-", name).lower() for name in names if name})


def compile_errors(paths: list[str]) -> list[str]:
    """Compile scripts without running them, and return the errors."""
    errors = []
    for path in paths:
        try:
            compile(Path(path).read_text(encoding="utf-8"), path, "exec")
        except (OSError, SyntaxError) as error:
            errors.append(f"{path}: {error}")
    return errors


if __name__ == "__main__":
    facts = {
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "packages": versions(),
        "installed": distributions(),
        "compile_errors": compile_errors(sys.argv[1:]),
    }
    print(json.dumps(facts))
