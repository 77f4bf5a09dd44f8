"""Load CUDA libraries and report where each of them is.

The argument is a JSON object: ``names`` in the order in which they must be loaded, ``packages`` (folders that may
contain ``nvidia/*/lib``, those of this interpreter if null) and ``folders`` (folders that the loader does not search).
The names are those of CUDA 11; an ONNX Runtime for CUDA 12 needs their successors.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import json
import sys
from pathlib import Path

CUDA_12 = {
    "libcudart.so.11.0": "libcudart.so.12",
    "libcublasLt.so.11": "libcublasLt.so.12",
    "libcublas.so.11": "libcublas.so.12",
    "libcufft.so.10": "libcufft.so.11",
    "libcudnn.so.8": "libcudnn.so.9",
}


def needed(name: str) -> str:
    """Return the library that the installed ONNX Runtime needs in place of one of CUDA 11."""
    try:
        version = importlib.metadata.version("onnxruntime-gpu").split(".")
    except importlib.metadata.PackageNotFoundError:
        return name
    return CUDA_12.get(name, name) if [int(version[0]), int(version[1])] >= [1, 19] else name


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


def main() -> None:
    """Load the libraries, and print the facts of each."""
    options = json.loads(sys.argv[1])
    packages = [each for each in sys.path if each] if options["packages"] is None else options["packages"]
    names = {name: name if options["packages"] is not None else needed(name) for name in options["names"]}
    facts = {name: {"name": real, **load(real, packages, options["folders"])} for name, real in names.items()}
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
