"""A copy of what the checks read in a container: its small files, and its processes as files of procfs.

The copy is a folder with the container's paths below it, so that whatever reads an installation and procfs here reads
those of a container there. Large files, such as models, have their size but only their beginning and end.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from heygem_cli.heygem.container.client import NOT_EXECUTED, TIMEOUT, Container, isolated_script
from heygem_cli.heygem.installation import tree

SCRIPT = Path(__file__).parent / "scripts/snapshot.py"
PYTHONS = ("/usr/local/python3/bin/python3", "python3", "python", "/opt/conda/bin/python")
"""Where a container may have a Python; the first is the official image's."""
PRINTED_LOG = PurePosixPath("/.heygem/printed.log")
"""Where the copy keeps what the container's command has printed."""
LOG_BYTES = 8 << 20
DEFAULT_SHM = 64 << 20

_KNOWN_FILES = (
    tree.CONFIG_INI,
    tree.OPT_TXT,
    tree.APP,
    Path("app_local.py"),
    Path("run.py"),
    Path("heygem.env"),
    tree.LOG,
)


@dataclass(frozen=True)
class FileSystem:
    """The size and the free space of a file system in bytes, and why it cannot be written to (empty if it can)."""

    size: int
    free: int
    error: str = ""


@dataclass(frozen=True)
class Snapshot:
    """The copy.

    Attributes:
        root: The folder that stands for the root folder of the container.
        python: The Python that helped to make it; None if the container has none.
        home: HeyGem's root folder in the container; None if there is none.
        program: The interpreter that HeyGem runs in, if it runs.
        file_systems: The file systems by their folders.
    """

    root: Path
    python: str | None = None
    home: PurePosixPath | None = None
    program: str | None = None
    file_systems: Mapping[str, FileSystem] = field(default_factory=dict)

    def local(self, path: PurePosixPath | str) -> Path:
        """Return the copy of a file of the container."""
        return self.root / str(path).lstrip("/")

    def original(self, path: Path) -> PurePosixPath:
        """Return the container's name of a copy."""
        return PurePosixPath("/") / path.relative_to(self.root)


def take_snapshot(
    container: Container, root: Path, *, home: str | None, python: str | None, files: Sequence[str] = ()
) -> Snapshot:
    """Copy what the checks read.

    Args:
        container: The container.
        root: An empty folder for the copy.
        home: HeyGem's root folder in the container; None to search for it.
        python: HeyGem's interpreter there, if the user named one.
        files: Further files to copy, such as a log.

    Raises:
        HeygemError: The container does not answer.
    """
    root = root.resolve()
    facts = _facts(container, home, python, files) or _facts_without_python(container, home, files)
    for path, content in facts["files"].items():
        _write(root / path.lstrip("/"), content)
    for pid, entry in facts["processes"].items():
        _write_process(root, pid, entry)
        if entry.get("program"):
            _write(root / entry["program"].lstrip("/"), {"size": 0, "mode": 0o755, "time": 0})
    for name in facts["devices"]:
        _write(root / "dev" / name, {"size": 0, "mode": 0o666, "time": 0})
    _write(root / str(PRINTED_LOG).lstrip("/"), {"start": base64.b64encode(container.logs()).decode()})
    _copy_own_limits(root)
    found = None if facts["home"] is None else PurePosixPath(facts["home"])
    systems = {name: FileSystem(*values) for name, values in facts["file_systems"].items() if values is not None}
    program = None if found is None else _program(root, found, facts["processes"])
    return Snapshot(root, facts["python"], found, program, systems)


def _facts(container: Container, home: str | None, python: str | None, files: Sequence[str]) -> dict[str, Any] | None:
    """Run the script in the container; return None if it has no Python that can."""
    homes = [home] if home else [container.environment.get(tree.HOME_VARIABLE, ""), str(container.working_folder)]
    wanted = {"homes": [each for each in homes if each], "files": list(files), "log_bytes": LOG_BYTES, "python": python}
    argument = json.dumps(wanted)
    script = isolated_script(SCRIPT.read_text(encoding="utf-8")).encode()
    for program in ([python] if python else []) + list(PYTHONS):
        result = container.run(program, "-", argument, data=script, timeout=3 * TIMEOUT)
        if result.returncode not in NOT_EXECUTED:
            try:
                facts = json.loads(result.stdout)
            except ValueError:
                continue  # older than 3.8
            return facts if isinstance(facts, dict) else None
    return None


def _facts_without_python(container: Container, home: str | None, files: Sequence[str]) -> dict[str, Any]:
    """Collect what ``inspect``, ``top`` and ``cat`` tell."""
    folders = [home] if home else [str(container.working_folder), "/code"]
    contents: dict[str, Any] = {}
    found = None
    for folder in dict.fromkeys(folders):
        paths = [PurePosixPath(folder) / each for each in _KNOWN_FILES]
        texts = _read_all(container, [str(path) for path in paths])
        if len(texts) >= 2:
            found = folder
            contents.update(texts)
            break
    system = ("/proc/meminfo", "/proc/driver/nvidia/version", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cpu.max")
    contents.update(_read_all(container, [*system, "/sys/fs/cgroup/memory.events", *files]))
    running = {}
    for pid, line in container.command_lines():
        environ = "\0".join(f"{name}={value}" for name, value in container.environment.items())
        running[str(pid)] = {"cmdline": _encode(line.replace(" ", "\0") + "\0"), "environ": _encode(environ)}
        if found is not None:
            running[str(pid)]["cwd"] = found
    names = container.run("ls", "/dev").stdout.decode(errors="replace").split()
    return {
        "python": None,
        "home": found,
        "files": {path: {"start": base64.b64encode(text).decode()} for path, text in contents.items()},
        "processes": running,
        "devices": [each for each in names if each.startswith("nvidia") or each == "dxg"],
        "file_systems": {"/dev/shm": _shared_memory(container)},  # noqa: S108
    }


def _read_all(container: Container, paths: list[str]) -> dict[str, bytes]:
    with ThreadPoolExecutor(max_workers=8) as pool:
        texts = pool.map(container.read, paths)
        return {path: text for path, text in zip(paths, texts, strict=True) if text is not None}


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _shared_memory(container: Container) -> tuple[int, int]:
    lines = container.run("df", "-Pk", "/dev/shm").stdout.decode(errors="replace").splitlines()  # noqa: S108
    words = lines[-1].split() if lines else []
    if len(words) >= 6 and words[1].isdecimal() and words[3].isdecimal():
        return int(words[1]) * 1024, int(words[3]) * 1024
    size = int(container.facts.get("HostConfig", {}).get("ShmSize") or DEFAULT_SHM)
    return size, size


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    start, end = (base64.b64decode(content.get(key, "")) for key in ("start", "end"))
    with path.open("wb") as file:
        file.write(start)
        if end:
            file.seek(max(len(start), content["size"] - len(end)))
            file.write(end)
    path.chmod(0o600 | content.get("mode", 0o644))
    if content.get("time"):
        os.utime(path, (content["time"], content["time"]))


def _write_process(root: Path, pid: str, entry: Mapping[str, str]) -> None:
    folder = root / "proc" / pid
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in entry.items():
        if name in ("cwd", "exe"):
            (folder / name).symlink_to(root / value.lstrip("/"))
        elif name != "program":
            (folder / name).write_bytes(base64.b64decode(value))


def _copy_own_limits(root: Path) -> None:
    """Let the limits of the container's first process stand for "self"."""
    source, target = root / "proc/1/limits", root / "proc/self/limits"
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _program(root: Path, home: PurePosixPath, running: Mapping[str, Mapping[str, str]]) -> str | None:
    """Return the interpreter of the running HeyGem."""
    for process in tree.processes(root / str(home).lstrip("/"), root / "proc"):
        entry = running.get(str(process.pid), {})
        if program := entry.get("program") or entry.get("exe"):
            return program
    return None


def main_processes(snapshot: Snapshot) -> Iterator[tree.Process]:
    """Yield HeyGem's processes in the container, under their numbers there."""
    if snapshot.home is not None:
        yield from tree.processes(snapshot.local(snapshot.home), snapshot.root / "proc")
