"""Resource limits of our control group, version 2 or 1, and the processors that they leave."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CGROUP, PROC = Path("/sys/fs/cgroup"), Path("/proc")


@dataclass(frozen=True)
class Limits:
    """The strictest limits of our control group and its ancestors; None where there is no limit.

    Attributes:
        memory: Bytes.
        cpus: CPU time in processors, such as 1.5.
        oom_kills: How many processes of the group the kernel has killed because memory ran out.
    """

    memory: int | None = None
    cpus: float | None = None
    oom_kills: int = 0


def read_limits(cgroup: Path, proc: Path) -> Limits:
    """Read the limits from the mount points of the control groups (/sys/fs/cgroup) and of procfs."""
    paths = _group_paths(proc / "self/cgroup")
    memory, cpus, kills = [], [], []
    for folder in _with_ancestors(cgroup, paths.get("", "/")):
        memory += _read_number(folder / "memory.max")
        quota = _read_words(folder / "cpu.max")
        cpus += [int(quota[0]) / int(quota[1])] if len(quota) == 2 and all(map(str.isdecimal, quota)) else []
        kills += _read_field(folder / "memory.events", "oom_kill")
    for folder in _with_ancestors(cgroup / "memory", paths.get("memory", "/")):
        # Version 1 writes "no limit" as 2**63 rounded down to a page.
        memory += [size for size in _read_number(folder / "memory.limit_in_bytes") if size < 1 << 60]
        kills += _read_field(folder / "memory.oom_control", "oom_kill")
    for name in ("cpu", "cpu,cpuacct"):
        for folder in _with_ancestors(cgroup / name, paths.get("cpu", "/")):
            quota_us, period_us = (_read_number(folder / f"cpu.cfs_{each}_us") for each in ("quota", "period"))
            cpus += [quota_us[0] / period_us[0]] if quota_us and period_us and period_us[0] else []
    # The first folder is that of our own group.
    return Limits(min(memory, default=None), min(cpus, default=None), kills[0] if kills else 0)


def usable_processors(cgroup: Path = CGROUP, proc: Path = PROC) -> int:
    """Return how many processors this process can use: those of its affinity, or fewer where its CPU time is limited.

    More threads than that do not finish sooner: the kernel pauses all of them for the rest of each period.
    """
    limit, available = read_limits(cgroup, proc).cpus, available_processors()
    return available if limit is None else min(available, max(1, math.ceil(limit)))


def available_processors() -> int:
    """Return the number of processors of this process's affinity, as most libraries count them."""
    return len(os.sched_getaffinity(0))


def _group_paths(file: Path) -> dict[str, str]:
    """Return the path of our group by controller; the empty name stands for version 2."""
    try:
        lines = [line.split(":", 2) for line in file.read_text(errors="replace").splitlines()]
    except OSError:
        return {}
    return {name: parts[2] for parts in lines if len(parts) == 3 for name in parts[1].split(",")}


def _with_ancestors(root: Path, path: str) -> Iterator[Path]:
    """Yield the folder of our group and its ancestors. In a container, only the root exists, and it is ours."""
    folder = root / path.lstrip("/")
    while folder != root and root in folder.parents:
        yield folder
        folder = folder.parent
    yield root


def _read_words(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").split()
    except OSError:
        return []


def _read_number(file: Path) -> list[int]:
    """Read a number; the list is empty for ``max``, for -1 and for a missing file."""
    return [int(word) for word in _read_words(file)[:1] if word.isdecimal()]


def _read_field(file: Path, name: str) -> list[int]:
    words = _read_words(file)
    return [int(value) for key, value in zip(words[::2], words[1::2], strict=False) if key == name]
