"""Which Python is this, and which packages does it have?"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys

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


if __name__ == "__main__":
    answer = {
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "executable": sys.executable,
        "packages": versions(),
    }
    print(json.dumps(answer))
