"""Which Python is this, which packages does it have, and can it run these scripts? Arguments: the scripts."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
from pathlib import Path

PACKAGES = ("numpy", "onnxruntime-gpu", "onnxruntime", "torch", "gradio")


def versions() -> dict[str, str]:
    """The versions of the packages that are installed."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def unreadable(paths: list[str]) -> list[str]:
    """What is wrong with the scripts that this Python cannot run; nothing is run."""
    found = []
    for path in paths:
        try:
            compile(Path(path).read_text(encoding="utf-8"), path, "exec")
        except (OSError, SyntaxError) as error:
            found.append(f"{path}: {error}")
    return found


if __name__ == "__main__":
    answer = {
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "executable": sys.executable,
        "packages": versions(),
        "unreadable": unreadable(sys.argv[1:]),
    }
    print(json.dumps(answer))
