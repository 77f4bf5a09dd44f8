"""Shared memory, limits of the container, disk space and open files."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.doctor.cgroup import read_limits
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.result import Finding, fail, ok, skip, warn

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class SharedMemory:
    """A file system for shared memory: bytes, and why it cannot be written (empty if it can)."""

    size: int
    free: int
    closed: str = ""


def shared_memory(inputs: Inputs) -> Finding:
    """The size and the free space of /dev/shm."""
    return judge_shared_memory(inputs.dev / "shm", read_shared_memory(inputs.dev / "shm"))


def read_shared_memory(folder: Path) -> SharedMemory | None:
    """Look at a folder; None if it is not there."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    size, free = status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
    return SharedMemory(size, free, unwritable(folder))


def judge_shared_memory(folder: Path, memory: SharedMemory | None) -> Finding:
    """Below 2 GiB is a warning; below 64 MiB, nearly full, missing or not writable a failure."""
    broken = "semaphores and DataLoader workers cannot start"
    mount = f"mount -o remount,rw,size=2g {folder}  # or: docker run --shm-size=2g …"
    if memory is None:
        return fail(f"{folder} is missing", broken, f"mkdir -p {folder} && mount -t tmpfs -o size=2g shm {folder}")
    if memory.closed:
        return fail(f"{folder} cannot be written: {memory.closed}", broken, mount)
    found = f"{_size(memory.size)}, {_size(memory.free)} free"
    # Docker's default is 64 MiB to the byte, so its free space is a little below that from the first use.
    if memory.size < 64 * MIB or memory.free < min(64 * MIB, memory.size // 2):
        return fail(found, broken, mount if memory.size < 2 * GIB else f"ls -lS {folder}")
    needed = "DataLoader workers pass their data through it; HeyGem's own queues are pipes and do without"
    if memory.size < 2 * GIB:
        return warn(found, needed, "docker run --shm-size=2g …   # compose: heygem fix-config --compose FILE")
    if memory.free < 2 * GIB:
        return warn(found, needed, f"ls -lS {folder}")
    return ok(found)


def memory(inputs: Inputs) -> Finding:
    """Memory that is free, of the machine and within the limit of the control group."""
    limit = read_limits(inputs.cgroup, inputs.proc).memory
    free = _available(inputs.proc / "meminfo")
    parts = [f"limit {_size(limit)}"] if limit else ["no limit"]
    parts += [f"{_size(free)} available"] if free is not None else []
    found = ", ".join(parts)
    least = min(size for size in (limit, free, 1 << 62) if size is not None)
    why = "a render of 1080p takes up to 1.2 GB, HeyGem several times that; the kernel kills what takes too much"
    fix = "docker run --memory=8g …   # Kubernetes: resources.limits.memory"
    if least < GIB:
        return fail(found, why, fix)
    return warn(found, why, fix) if least < 2 * GIB else ok(found)


def _available(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def cpus(inputs: Inputs) -> Finding:
    """Processors, and the limit of the control group."""
    allowed = len(os.sched_getaffinity(0))
    limit = read_limits(inputs.cgroup, inputs.proc).cpus
    if limit is None or limit >= allowed:
        return ok(f"{allowed}, no limit")
    found = f"limit {limit:g} of {allowed}"
    if limit >= 1:
        return ok(found)
    return warn(found, "everything stops again and again until the next period", "docker run --cpus=2 …")


def oom_kills(inputs: Inputs) -> Finding:
    """Whether the kernel has killed processes here for want of memory."""
    kills = read_limits(inputs.cgroup, inputs.proc).oom_kills
    if not kills:
        return ok("none")
    why = "a worker that was killed leaves its job hanging and its queue full"
    return warn(
        f"{kills} since the start", why, "Give the container more memory (docker run --memory=8g …) and restart it"
    )


def disk(place: Callable[[Inputs], Path], option: str) -> Callable[[Inputs], Finding]:
    """Make the check of a folder's free space.

    Args:
        place: the folder.
        option: how another one is chosen.
    """

    def check(inputs: Inputs) -> Finding:
        wanted = place(inputs).absolute()
        folder = next(each for each in (wanted, *wanted.parents) if each.exists())
        why = "a full disk ends every render, and HeyGem leaves its temporary files behind"
        fix = f"df -h {shlex.quote(str(folder))}   # or {option}"
        closed = unwritable(folder)
        if closed:
            return fail(f"{wanted} cannot be written: {closed}", "nothing can be kept there", fix)
        free = shutil.disk_usage(folder).free
        found = f"{_size(free)} free in {wanted}"
        if free < GIB:
            return fail(found, why, fix)
        return warn(found, why, fix) if free < 5 * GIB else ok(found)

    return check


def open_files(inputs: Inputs) -> Finding:
    """The limit of open files."""
    try:
        lines = (inputs.proc / "self/limits").read_text().splitlines()
    except OSError as error:
        return skip(f"cannot be read: {error.strerror}")
    soft = next((line[len("Max open files") :].split()[0] for line in lines if line.startswith("Max open files")), "")
    if not soft.isdecimal() or int(soft) >= 1024:
        return ok(soft or "unknown")
    why = "queues, models and pipes take some hundred; beyond the limit every open fails"
    fix = "ulimit -n 4096   # systemd: LimitNOFILE=4096, docker run --ulimit nofile=4096 …"
    return fail(soft, why, fix) if int(soft) < 256 else warn(soft, why, fix)


def unwritable(folder: Path) -> str:
    """Why nothing can be written to a folder, by trying it; empty if it can be."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _size(size: int) -> str:
    return f"{size / GIB:,.1f} GiB" if size >= GIB else f"{size / MIB:,.0f} MiB"
