"""Does torch see CUDA, and has it kernels for this GPU?

``--version-only`` does not import it, which takes seconds.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from typing import Any


def installed() -> str | None:
    """The version of torch; None if it is not installed."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def about_cuda() -> dict[str, Any]:
    """What torch says of CUDA, after a real kernel has run."""
    import torch

    answer: dict[str, Any] = {"built_for": torch.version.cuda, "sees_cuda": torch.cuda.is_available()}
    if answer["sees_cuda"]:
        answer["capability"] = list(torch.cuda.get_device_capability(0))
        answer["kernels"] = torch.cuda.get_arch_list()
        try:
            answer["result"] = float((torch.ones(1, device="cuda") + 1).cpu()[0])
        except RuntimeError as error:
            answer["error"] = str(error).splitlines()[0]
    return answer


if __name__ == "__main__":
    version = installed()
    facts: dict[str, Any] = {"version": version}
    if version and "--version-only" not in sys.argv:
        facts.update(about_cuda())
    print(json.dumps(facts))
