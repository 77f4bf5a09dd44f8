"""A folder full of modules and programs that leave a mark when they are run: nothing may be run from it."""

from __future__ import annotations

import sys
from pathlib import Path

# Every name that our children import, and some that Python itself imports at its start.
NAMES = sorted(
    {name for name in sys.stdlib_module_names if not name.startswith("_")}
    | {"numpy", "cv2", "onnxruntime", "av", "mediapipe", "torch", "PIL", "platformdirs"}
    | {"sitecustomize", "usercustomize", "imageio_ffmpeg", "heygem_cli", "typer", "rich", "yaml", "importlib_metadata"}
)
PROGRAMS = ("ffmpeg", "ffprobe", "python", "python3", "python3.8", "nvidia-smi", "conda", "docker", "sh", "gcc")


def make_trap(folder: Path) -> Path:
    """Put a module and a program of every such name into a folder, and return the file that they write to."""
    folder.mkdir(exist_ok=True)
    mark = folder.with_name(f"{folder.name}-mark")
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name + chr(10)!r})\n")
    for name in PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho program {name} >> '{mark}'\n")
        (folder / name).chmod(0o755)
    return mark
