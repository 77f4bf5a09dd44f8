"""Report whether torch sees CUDA and has kernels for this GPU.

``--version-only`` does not import torch, which takes seconds.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from typing import Any


def installed_version() -> str | None:
    """Return the version of torch, or None if it is not installed."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def query_cuda() -> dict[str, Any]:
    """Return what torch reports about CUDA, and the result of a small kernel."""
    import torch

    facts: dict[str, Any] = {"built_for": torch.version.cuda, "sees_cuda": torch.cuda.is_available()}
    if facts["sees_cuda"]:
        facts["capability"] = list(torch.cuda.get_device_capability(0))
        facts["kernels"] = torch.cuda.get_arch_list()
        try:
            facts["result"] = float((torch.ones(1, device="cuda") + 1).cpu()[0])
        except RuntimeError as error:
            facts["error"] = str(error).splitlines()[0]
    return facts


if __name__ == "__main__":
    version = installed_version()
    facts: dict[str, Any] = {"version": version}
    if version and "--version-only" not in sys.argv:
        facts.update(query_cuda())
    print(json.dumps(facts))
