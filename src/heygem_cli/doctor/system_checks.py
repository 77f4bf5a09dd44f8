"""Checks of shared memory, memory, processors, disk space and open files, including limits of the container."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from heygem_cli.cgroup import available_processors, read_limits, usable_processors
from heygem_cli.doctor.check import Finding, check, fail, ok, skip, warn
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.machine import write_error
from heygem_cli.errors import plural

MIB = 1 << 20
GIB = 1 << 30
DEFAULT_SHARED_MEMORY = 64_000 << 10


@check("system.shared-memory", "shared memory (/dev/shm)")
def shared_memory(inputs: Inputs) -> Finding:
    """Warn if /dev/shm is below 2 GiB; fail below 64 MiB, or if it is nearly full, missing or not writable."""
    folder = inputs.dev / "shm"
    broken = "semaphores and DataLoader workers cannot start"
    run = "docker run --shm-size=2g …"
    mount = run if inputs.machine.is_container else f"mount -o remount,rw,size=2g {folder}  # or: {run}"
    system = inputs.machine.file_system(folder)
    if system is None:
        return fail(f"{folder} is missing", broken, f"mkdir -p {folder} && mount -t tmpfs -o size=2g shm {folder}")
    if system.error:
        return fail(f"{folder} is not writable: {system.error}", broken, mount)
    size, free = system.size, system.free
    found = f"{_size(size)}, {_size(free)} free"
    # The default is 64 MiB in Docker and 62.5 MiB in Podman, so slightly less is free as soon as it is used.
    if size < DEFAULT_SHARED_MEMORY or free < min(64 * MIB, size // 2):
        return fail(found, broken, mount if size < 2 * GIB else f"ls -lS {folder}")
    why = "DataLoader workers pass their data through it (HeyGem's own queues are pipes and do not need it)"
    if size < 2 * GIB:
        return warn(found, why, f"{run}   # compose: heygem fix-config --compose FILE")
    return warn(found, why, f"ls -lS {folder}") if free < 2 * GIB else ok(found)


@check("system.memory", "memory and its limit")
def memory(inputs: Inputs) -> Finding:
    """Check the memory that is available on the machine and allowed by the control group."""
    limit = read_limits(inputs.cgroup, inputs.proc).memory
    available = _meminfo(inputs.proc, "MemAvailable")
    parts = [f"limit {_size(limit)}"] if limit else ["no limit"]
    parts += [f"{_size(available)} available"] if available is not None else []
    found = ", ".join(parts)
    least = min(size for size in (limit, available, 1 << 62) if size is not None)
    why = "a render in 1080p takes up to 1.2 GB, HeyGem several times that; the kernel kills processes beyond the limit"
    fix = "docker run --memory=8g …   # Kubernetes: resources.limits.memory"
    if least < GIB:
        return fail(found, why, fix)
    return warn(found, why, fix) if least < 2 * GIB else ok(found)


@check("system.memory-for-heygem", "memory that HeyGem needs")
def memory_for_heygem(inputs: Inputs) -> Finding:
    """Check whether the whole memory is enough for HeyGem, if there is one here."""
    if inputs.home is None and inputs.compose is None:
        return skip("no HeyGem here")
    sizes = (_meminfo(inputs.proc, "MemTotal"), read_limits(inputs.cgroup, inputs.proc).memory)
    total = min((size for size in sizes if size is not None), default=None)
    if total is None:
        return skip("unknown")
    # A machine with 16 GiB shows a little less.
    if total >= 15 * GIB:
        return ok(f"{_size(total)} in all")
    found, why = f"{_size(total)} in all", "HeyGem needs 16 GiB (upstream asks for 32): below, its processes are killed"
    if in_wsl(inputs.proc):
        fix = "printf '[wsl2]\\nmemory=32GB\\n' >> /mnt/c/Users/NAME/.wslconfig && wsl.exe --shutdown"
        return warn(f"{found}: the limit of WSL, half of the memory by default", why, fix)
    return warn(found, why, "docker run --memory=32g …   # or a machine with more memory")


def in_wsl(proc: Path) -> bool:
    """Return whether this is Linux in Windows."""
    try:
        return "microsoft" in (proc / "version").read_text(errors="replace").lower()
    except OSError:
        return False


def _meminfo(proc: Path, field: str) -> int | None:
    try:
        lines = (proc / "meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)


@check("system.cpu", "processors and their limit")
def cpus(inputs: Inputs) -> Finding:
    """Check whether the control group allows less than one processor, and say what heygem makes of it."""
    available = available_processors()
    limit = read_limits(inputs.cgroup, inputs.proc).cpus
    if limit is None or limit >= available:
        return ok(f"{available}, no limit")
    used = usable_processors(inputs.cgroup, inputs.proc)
    found = f"limit {limit:g} of {available}: heygem uses {plural(used, 'thread')}"
    why = "every process is paused many times a second"
    return ok(found) if limit >= 1 else warn(found, why, "docker run --cpus=2 …")


@check("system.oom-kills", "processes killed because memory ran out")
def oom_kills(inputs: Inputs) -> Finding:
    """Check whether the kernel has killed processes of the control group because memory ran out."""
    kills = read_limits(inputs.cgroup, inputs.proc).oom_kills
    if not kills:
        return ok("none")
    why = "the job of a killed worker hangs, and its queue fills up"
    fix = "Give the container more memory (docker run --memory=8g …) and restart it"
    return warn(f"{kills} since the start of the container", why, fix)


def _access_error(path: Path) -> str:
    """Return why a path leads neither to something nor to nothing, such as that its name is too long."""
    try:
        path.lstat()
    except OSError as error:
        return "" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
    return ""


def disk_space(folder: Path, option: str) -> Finding:
    """Check the free space for a folder, which need not exist; ``option`` is how the user chooses another one."""
    target = folder.absolute()
    existing = next(each for each in (target, *target.parents) if os.path.lexists(each))
    fix = f"df -h {shlex.quote(str(existing))}   # or {option}"
    if error := _access_error(target) or write_error(existing):
        return fail(f"{target} is not writable: {error}", "heygem cannot save files there", fix)
    free = shutil.disk_usage(existing).free
    found = f"{_size(free)} free in {target}"
    why = "renders fail when the disk is full, and HeyGem does not delete its temporary files"
    if free < GIB:
        return fail(found, why, fix)
    return warn(found, why, fix) if free < 5 * GIB else ok(found)


@check("system.disk-output", "disk space for outputs")
def disk_output(inputs: Inputs) -> Finding:
    """Check the output folder."""
    return disk_space(inputs.output, "heygem render -o")


@check("system.disk-cache", "disk space for the cache")
def disk_cache(inputs: Inputs) -> Finding:
    """Check the folder of cached face tracks."""
    return disk_space(inputs.cache, "HEYGEM_CACHE_DIR")


@check("system.disk-temp", "disk space for temporary files")
def disk_temp(inputs: Inputs) -> Finding:
    """Check the folder for temporary files."""
    return disk_space(inputs.temporary, "TMPDIR")


@check("system.open-files", "limit of open files")
def open_files(inputs: Inputs) -> Finding:
    """Check the soft limit of open files."""
    try:
        lines = (inputs.proc / "self/limits").read_text().splitlines()
    except OSError as error:
        return skip(f"cannot be read: {error.strerror}")
    soft = next((line[len("Max open files") :].split()[0] for line in lines if line.startswith("Max open files")), "")
    if not soft.isdecimal() or int(soft) >= 1024:
        return ok(soft or "unknown")
    why = "queues, models and pipes need several hundred; beyond the limit, files cannot be opened"
    fix = "ulimit -n 4096   # systemd: LimitNOFILE=4096, docker run --ulimit nofile=4096 …"
    return fail(soft, why, fix) if int(soft) < 256 else warn(soft, why, fix)


def _size(size: int) -> str:
    return f"{size / GIB:,.1f} GiB" if size >= GIB else f"{size / MIB:,.0f} MiB"
