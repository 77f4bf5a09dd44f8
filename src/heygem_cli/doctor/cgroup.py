"""The limits of the control group that we run in, of version 2 or 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """What the control group allows, the strictest of all levels above us; None where there is no limit.

    Attributes:
        memory: bytes.
        cpus: processors' worth of time, such as 1.5.
        oom_kills: how often the kernel has killed a process of the group for want of memory.
    """

    memory: int | None = None
    cpus: float | None = None
    oom_kills: int = 0


def read_limits(cgroup: Path, proc: Path) -> Limits:
    """Read the limits.

    Args:
        cgroup: where the control groups are mounted, usually /sys/fs/cgroup.
        proc: usually /proc.
    """
    paths = _own_paths(proc / "self/cgroup")
    memory, cpus, kills = [], [], []
    for folder in _levels(cgroup, paths.get("", "/")):
        memory += _number(folder / "memory.max")
        quota = _words(folder / "cpu.max")
        cpus += [int(quota[0]) / int(quota[1])] if len(quota) == 2 and quota[0].isdecimal() else []
        kills += _field(folder / "memory.events", "oom_kill")
    for folder in _levels(cgroup / "memory", paths.get("memory", "/")):
        # Without a limit version 1 says 2**63 rounded down to a page.
        memory += [size for size in _number(folder / "memory.limit_in_bytes") if size < 1 << 60]
        kills += _field(folder / "memory.oom_control", "oom_kill")
    for name in ("cpu", "cpu,cpuacct"):
        for folder in _levels(cgroup / name, paths.get("cpu", "/")):
            quota_us, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
            cpus += [quota_us[0] / period_us[0]] if quota_us and period_us and period_us[0] else []
    # The kills of our own group are those of its innermost folder that tells.
    return Limits(min(memory, default=None), min(cpus, default=None), kills[0] if kills else 0)


def _own_paths(file: Path) -> dict[str, str]:
    """Our group by controller, and by an empty name that of version 2."""
    try:
        lines = [line.split(":", 2) for line in file.read_text(errors="replace").splitlines()]
    except OSError:
        return {}
    return {name: parts[2] for parts in lines if len(parts) == 3 for name in parts[1].split(",")}


def _levels(root: Path, path: str) -> Iterator[Path]:
    """Our group's folder and those above it; in a container only the root is there, and is ours."""
    folder = root / path.lstrip("/")
    while folder != root and root in folder.parents:
        yield folder
        folder = folder.parent
    yield root


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").split()
    except OSError:
        return []


def _number(file: Path) -> list[int]:
    """The number that a file holds; none for ``max``, for -1 and for a file that is not there."""
    return [int(word) for word in _words(file)[:1] if word.isdecimal()]


def _field(file: Path, name: str) -> list[int]:
    words = _words(file)
    return [int(value) for key, value in zip(words[::2], words[1::2], strict=False) if key == name]
