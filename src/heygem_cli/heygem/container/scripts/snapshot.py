"""Print, as JSON, what the checks read in a container. Argument: JSON with the keys homes, files, log_bytes, python.

It changes nothing. Contents of files are in base64: small ones as a whole, large ones by their beginning and end.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SMALL = 1 << 20
EDGE = 1 << 16
PARTS = ("run.py", "app.py", "app_local.py", "config/config.ini")
PLACES = ("/code", "/app", "/workspace")
SKIPPED = {"site-packages", "node_modules", "result", "results", "temp", "venv", "__pycache__"}
TEXTS = (".py", ".sh", ".ini", ".txt", ".env", ".yml", ".yaml", ".json")
MODELS = (".onnx", ".pth", ".pt")
KERNEL = ("self/cgroup", "meminfo", "version", "driver/nvidia/version", "net/tcp", "net/tcp6", "uptime")
PROCESS = ("cmdline", "environ", "limits", "stat", "status", "cgroup")
LIMITS = (
    "memory.max",
    "cpu.max",
    "memory.events",
    "memory/memory.limit_in_bytes",
    "memory/memory.oom_control",
    "cpu/cpu.cfs_quota_us",
    "cpu/cpu.cfs_period_us",
    "cpu,cpuacct/cpu.cfs_quota_us",
    "cpu,cpuacct/cpu.cfs_period_us",
)


def encode(data: bytes) -> str:
    """Return bytes as text."""
    return base64.b64encode(data).decode("ascii")


def read(path: Path, limit: int = SMALL) -> dict[str, Any] | None:
    """Return mode, size, time, beginning and end of a file; None if it is not a regular one."""
    status = path.stat()
    if not path.is_file():
        return None
    found: dict[str, Any] = {"size": status.st_size, "mode": status.st_mode & 0o7777, "time": status.st_mtime}
    if limit == 0:
        return {**found, "size": 0}
    with path.open("rb") as file:
        if status.st_size <= limit:  # also the files of procfs, whose size is 0
            return {**found, "start": encode(file.read(limit))}
        if path.suffix in MODELS:
            found["start"] = encode(file.read(EDGE))
            limit = EDGE
        file.seek(-limit, os.SEEK_END)
        return {**found, "end": encode(file.read(limit))}


def processes() -> dict[str, dict[str, str]]:
    """Return the processes of this container, except this one."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            found[folder.name] = process(folder)
    return found


def process(folder: Path) -> dict[str, str]:
    """Return a process by its folder in procfs: what it runs, where, with which environment and limits."""
    found = {}
    for name in PROCESS:
        try:
            found[name] = encode((folder / name).read_bytes())
        except OSError:
            continue
    for name in ("cwd", "exe"):
        try:
            found[name] = os.readlink(str(folder / name))  # noqa: PTH115 - Path.readlink needs Python 3.9
        except OSError:
            continue
    try:
        program = (folder / "cmdline").read_bytes().split(b"\0")[0].decode()
        pairs = dict(pair.split(b"=", 1) for pair in (folder / "environ").read_bytes().split(b"\0") if b"=" in pair)
        found["program"] = shutil.which(program, path=pairs.get(b"PATH", b"").decode() or None) or ""
    except (OSError, ValueError):
        pass
    return found


def packages(running: dict[str, dict[str, str]], python: str) -> list[str]:
    """Return where an interpreter and the programs of processes keep the description of Gradio: its version."""
    programs = [python, *(entry.get("program", "") for entry in running.values())]
    prefixes = {Path(each).parent.parent for each in programs if each.startswith("/")}
    pattern = "lib/python3*/site-packages/gradio-*.dist-info/METADATA"
    return [str(path) for prefix in prefixes for path in prefix.glob(pattern)]


def is_home(folder: Path) -> bool:
    """Return whether a folder has HeyGem's service, or its network and a script."""
    if any((folder / "service").glob("trans_dh_service.*")):
        return True
    return (folder / "landmark2face_wy").is_dir() and any((folder / part).exists() for part in PARTS)


def relevant_files(folder: Path, depth: int = 8) -> Iterator[Path]:
    """Yield the files of an installation that the checks look for, none of its data."""
    with os.scandir(str(folder)) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if depth and entry.name not in SKIPPED and not entry.name.startswith("."):
                    yield from relevant_files(Path(entry.path), depth - 1)
            elif entry.name.endswith((".so", *TEXTS, *MODELS)) or ".log" in entry.name:
                yield Path(entry.path)


def file_system(folder: Path) -> list[Any] | None:
    """Return the size and the free space of a file system in bytes, and why it cannot be written to."""
    try:
        status = os.statvfs(str(folder))
    except OSError:
        return None
    try:
        with tempfile.TemporaryFile(dir=str(folder)):
            error = ""
    except OSError as caught:
        error = caught.strerror or str(caught)
    return [status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize, error]


def bytes_to_read(path: Path, home: Path | None, log_bytes: int) -> int:
    """Return how much of a file matters; 0 if only its name does, as that of a compiled module or of HeyGem's code."""
    if ".log" in path.name:
        return log_bytes
    if path.suffix == ".so":
        return 0
    is_code = path.suffix == ".py" and home is not None and path.parent not in (home, home / "service")
    return 0 if is_code else SMALL


def main(wanted: dict[str, Any]) -> None:
    """Print the snapshot."""
    running = processes()
    folders = [entry["cwd"] for entry in running.values() if "python" in entry.get("exe", "") and "cwd" in entry]
    candidates = [Path(each) for each in (*wanted["homes"], *folders, *PLACES)]
    home = next((each for each in candidates if is_home(each)), None)
    named = [Path(each) for each in wanted["files"]]
    kernel = [*(Path("/proc") / each for each in KERNEL), *(Path("/sys/fs/cgroup") / each for each in LIMITS)]
    files = {}
    for path in [*kernel, *named, *(relevant_files(home) if home else ())]:
        try:
            limit = wanted["log_bytes"] if path in named else bytes_to_read(path, home, wanted["log_bytes"])
            content = read(path, limit)
        except OSError:
            continue
        if content is not None:
            files[str(path)] = content
    systems = {str(each): file_system(each) for each in (Path("/dev/shm"), home) if each is not None}  # noqa: S108
    devices = [each.name for each in Path("/dev").iterdir() if each.name.startswith("nvidia") or each.name == "dxg"]
    facts = {"python": sys.executable, "home": None if home is None else str(home)}
    for name in packages(running, wanted["python"] or ""):
        files[name] = {"size": 0, "mode": 0o644, "time": 0}
    print(json.dumps({**facts, "files": files, "processes": running, "devices": devices, "file_systems": systems}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
