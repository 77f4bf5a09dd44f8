"""Load CUDA libraries and report where each of them is.

The argument is a JSON object: ``names`` in the order in which they must be loaded, ``packages`` (folders that may
contain ``nvidia/*/lib``) and ``folders`` (folders that the loader does not search).
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path


def loaded_path(name: str) -> str:
    """Return the path of a library that the loader has found itself."""
    maps = [line.split(None, 5) for line in Path("/proc/self/maps").read_text(errors="replace").splitlines()]
    # The name of the file may be longer, as in libcudart.so.11.8.89.
    stem = name.partition(".so")[0] + ".so"
    return next((each[5] for each in maps if len(each) == 6 and Path(each[5]).name.startswith(stem)), name)


def load(name: str, packages: list[str], folders: list[str]) -> dict[str, str]:
    """Load a library; return its path, or why it cannot be loaded and where else it is."""
    path = next((str(path) for folder in packages for path in sorted(Path(folder).glob(f"nvidia/*/lib/{name}"))), None)
    try:
        ctypes.CDLL(path or name, ctypes.RTLD_GLOBAL)
    except OSError as error:
        elsewhere = [str(Path(folder) / name) for folder in folders if (Path(folder) / name).exists()]
        return {"error": str(error), "elsewhere": elsewhere[0] if elsewhere else ""}
    return {"path": path or loaded_path(name)}


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    print(json.dumps({name: load(name, options["packages"], options["folders"]) for name in options["names"]}))
