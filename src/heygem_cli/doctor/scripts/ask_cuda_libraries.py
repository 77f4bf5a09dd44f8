"""Which of the CUDA libraries can be loaded, and where are they?

Argument: a JSON object with ``names`` (in the order in which they must be loaded), ``packages`` (folders in which
``nvidia/*/lib`` may lie) and ``places`` (folders that the loader does not search).
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path


def in_packages(name: str, packages: list[str]) -> str | None:
    """The library as an ``nvidia-*-cu11`` package brings it; None if none does."""
    return next((str(path) for folder in packages for path in sorted(Path(folder).glob(f"nvidia/*/lib/{name}"))), None)


def loaded_from(name: str) -> str:
    """The file that a loaded library came from."""
    maps = [line.split(None, 5) for line in Path("/proc/self/maps").read_text(errors="replace").splitlines()]
    # The file's own name may be longer, as in libcudart.so.11.8.89.
    stem = name.partition(".so")[0] + ".so"
    return next((each[5] for each in maps if len(each) == 6 and Path(each[5]).name.startswith(stem)), name)


def look(name: str, packages: list[str], places: list[str]) -> dict[str, str]:
    """Where a library was loaded from, or why it was not."""
    path = in_packages(name, packages)
    try:
        ctypes.CDLL(path or name, ctypes.RTLD_GLOBAL)
    except OSError as error:
        found = [str(Path(place) / name) for place in places if (Path(place) / name).exists()]
        return {"error": str(error), "elsewhere": found[0] if found else ""}
    return {"path": path or loaded_from(name)}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps({name: look(name, given["packages"], given["places"]) for name in given["names"]}))
