"""Checks of shared memory, limits and disks, with fake /dev, /proc and /sys/fs/cgroup."""

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from heygem_cli.doctor import system_checks
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.system_checks import GIB, MIB
from unprivileged import public_folder, unprivileged


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("size", "free", "status"),
    [
        (2 * GIB, 2 * GIB, "ok"),
        (16 * GIB, 1 * GIB, "warn"),
        (16 * GIB, 63 * MIB, "fail"),
        (2 * GIB - 4096, 2 * GIB - 4096, "warn"),
        # Docker's default, a little of which is always used.
        (64 * MIB, 64 * MIB, "warn"),
        (64 * MIB, 60 * MIB, "warn"),
        (64 * MIB, 1 * MIB, "fail"),
        # Podman's default.
        (64_000 << 10, 64_000 << 10, "warn"),
        ((64_000 << 10) - 4096, (64_000 << 10) - 4096, "fail"),
    ],
)
def test_shared_memory(tmp_path, monkeypatch, size, free, status):
    (tmp_path / "shm").mkdir()
    measured = SimpleNamespace(f_frsize=1024, f_blocks=size // 1024, f_bavail=free // 1024)
    monkeypatch.setattr(os, "statvfs", lambda _folder: measured)
    assert system_checks.shared_memory(Inputs(dev=tmp_path)).status == status


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no writable shared memory")  # noqa: S108
def test_real_shared_memory():
    found = system_checks.shared_memory(Inputs()).found
    (size, unit), (free, free_unit) = re.findall(r"([\d,.]+) ([GM])iB", found)
    assert found == f"{size} {unit}iB, {free} {free_unit}iB free"
    bytes_of = {"G": GIB, "M": MIB}
    assert 0 <= float(free.replace(",", "")) * bytes_of[free_unit] <= float(size.replace(",", "")) * bytes_of[unit]


@pytest.mark.parametrize(
    ("total", "limit", "version", "status", "words"),
    [
        (31, None, "Linux", "ok", "31.0 GiB in all"),
        (15.6, None, "Linux", "ok", "15.6 GiB"),
        (8, None, "Linux", "warn", "8.0 GiB in all"),
        (64, 8, "Linux", "warn", "8.0 GiB in all"),
        (7.6, None, "Linux 5.15-microsoft-standard-WSL2", "warn", "the limit of WSL"),
    ],
)
def test_memory_for_heygem(tmp_path, total, limit, version, status, words):
    write(tmp_path, {"proc/meminfo": f"MemTotal: {int(total * (1 << 20))} kB\n", "proc/version": version})
    if limit:
        write(tmp_path, {"cgroup/memory.max": f"{limit * GIB}\n", "proc/self/cgroup": "0::/\n"})
    inputs = Inputs(proc=tmp_path / "proc", cgroup=tmp_path / "cgroup", home=tmp_path)
    finding = system_checks.memory_for_heygem(inputs)
    assert finding.status == status
    assert words in finding.found
    assert (".wslconfig" in finding.fix) == ("WSL" in version)
    assert system_checks.memory_for_heygem(Inputs(proc=tmp_path / "proc")).status == "skip"


def test_missing_or_read_only_shared_memory(tmp_path):
    finding = system_checks.shared_memory(Inputs(dev=tmp_path))
    assert (finding.status, finding.found) == ("fail", f"{tmp_path}/shm is missing")
    # Even root cannot create a file there.
    (tmp_path / "shm").symlink_to("/proc/self")
    finding = system_checks.shared_memory(Inputs(dev=tmp_path))
    assert finding.status == "fail"
    assert "is not writable" in finding.found


@pytest.mark.parametrize(
    ("limit", "available_kib", "status", "found"),
    [
        ("max", 8 << 20, "ok", "no limit, 8.0 GiB available"),
        (str(1536 << 20), 8 << 20, "warn", "limit 1.5 GiB, 8.0 GiB available"),
        (str(512 << 20), 8 << 20, "fail", "limit 512 MiB, 8.0 GiB available"),
        ("max", 512 << 10, "fail", "no limit, 512 MiB available"),
    ],
)
def test_memory(tmp_path, limit, available_kib, status, found):
    meminfo = f"MemTotal: 99 kB\nMemAvailable:   {available_kib} kB\n"
    write(tmp_path, {"cgroup/memory.max": limit, "proc/meminfo": meminfo})
    finding = system_checks.memory(Inputs(cgroup=tmp_path / "cgroup", proc=tmp_path / "proc"))
    assert (finding.status, finding.found) == (status, found)


@pytest.mark.parametrize(
    ("quota", "status", "found"),
    [
        ("50000 100000", "warn", "limit 0.5 of 8: heygem uses 1 thread"),
        ("150000 100000", "ok", "limit 1.5 of 8: heygem uses 2 threads"),
        ("max 100000", "ok", "8, no limit"),
    ],
)
def test_cpus(tmp_path, monkeypatch, quota, status, found):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    write(tmp_path, {"cgroup/cpu.max": quota})
    finding = system_checks.cpus(Inputs(cgroup=tmp_path / "cgroup", proc=tmp_path))
    assert (finding.status, finding.found) == (status, found)


def test_oom_kills(tmp_path):
    inputs = Inputs(cgroup=tmp_path, proc=tmp_path)
    assert system_checks.oom_kills(inputs).status == "ok"
    write(tmp_path, {"memory.events": "oom_kill 7\n"})
    finding = system_checks.oom_kills(inputs)
    assert (finding.status, finding.found) == ("warn", "7 since the start of the container")


def test_disk_of_a_folder_that_does_not_exist(tmp_path):
    finding = system_checks.disk_cache(Inputs(cache=tmp_path / "a" / "b"))
    assert f"free in {tmp_path}/a/b" in finding.found
    assert not list(tmp_path.iterdir())


def test_full_or_read_only_disk():
    with public_folder() as folder:
        folder.chmod(0o555)
        with unprivileged():
            finding = system_checks.disk_output(Inputs(output=folder, cache=folder))
        assert (finding.status, finding.found) == ("fail", f"{folder} is not writable: Permission denied")
    # A file system without space.
    finding = system_checks.disk_output(Inputs(output=Path("/proc/self")))
    assert finding.status == "fail"


@pytest.mark.parametrize(
    ("soft", "status"), [("1024", "ok"), ("unlimited", "ok"), ("1023", "warn"), ("256", "warn"), ("255", "fail")]
)
def test_open_files(tmp_path, soft, status):
    text = f"Limit                     Soft Limit  Hard Limit  Units\nMax open files            {soft}  524288  files\n"
    write(tmp_path, {"self/limits": text})
    assert system_checks.open_files(Inputs(proc=tmp_path)).status == status


def test_open_files_are_unknown(tmp_path):
    assert system_checks.open_files(Inputs(proc=tmp_path)).status == "skip"
