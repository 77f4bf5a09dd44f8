"""Tests of the limits of a control group, and of what heygem makes of them; as root, in a real group."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from heygem_cli import cgroup, runtime
from heygem_cli.cgroup import Limits, read_limits, usable_processors
from heygem_cli.media import ffmpeg
from heygem_cli.media.arguments import decode_video_args, decoding_key
from heygem_cli.media.probe_video import probe_video

GIB = 1 << 30
CGROUP_2 = {
    "proc/self/cgroup": "0::/system.slice/heygem.service\n",
    "cgroup/memory.max": "max\n",
    "cgroup/system.slice/memory.max": "8589934592\n",
    "cgroup/system.slice/heygem.service/memory.max": "17179869184\n",
    "cgroup/system.slice/heygem.service/memory.events": "low 0\nhigh 0\nmax 3\noom 2\noom_kill 2\n",
    "cgroup/system.slice/memory.events": "oom_kill 9\n",
    "cgroup/system.slice/cpu.max": "max 100000\n",
    "cgroup/system.slice/heygem.service/cpu.max": "150000 100000\n",
}
CONTAINER_2 = {
    "proc/self/cgroup": "0::/../../somewhere\n",
    "cgroup/memory.max": "1073741824\n",
    "cgroup/cpu.max": "50000 100000\n",
    "cgroup/memory.events": "oom_kill 0\n",
}
CGROUP_1 = {
    "proc/self/cgroup": "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n",
    "cgroup/memory/memory.limit_in_bytes": "4294967296\n",
    "cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    "cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
    "cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
}
UNLIMITED_1 = {
    "proc/self/cgroup": "5:memory:/\n4:cpu:/\n",
    "cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "cgroup/cpu/cpu.cfs_quota_us": "-1\n",
    "cgroup/cpu/cpu.cfs_period_us": "100000\n",
}


@pytest.mark.parametrize(
    ("files", "limits"),
    [
        (CGROUP_2, Limits(8 * GIB, 1.5, 2)),
        (CONTAINER_2, Limits(1 * GIB, 0.5, 0)),
        (CGROUP_1, Limits(4 * GIB, 2.0, 1)),
        (UNLIMITED_1, Limits()),
        ({}, Limits()),
        ({"cgroup/memory.max": "", "cgroup/cpu.max": "x\n", "cgroup/memory.events": "odd"}, Limits()),
    ],
)
def test_control_group_limits(tmp_path, files, limits):
    write(tmp_path, files)
    assert read_limits(tmp_path / "cgroup", tmp_path / "proc") == limits


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


@pytest.mark.parametrize(
    ("quota", "affinity", "expected"),
    [("max", 8, 8), ("50000", 8, 1), ("150000", 8, 2), ("300000", 8, 3), ("1600000", 8, 8), ("300000", 1, 1)],
)
def test_processors_that_can_be_used(tmp_path, monkeypatch, quota, affinity, expected):
    write(tmp_path, {"cgroup/cpu.max": f"{quota} 100000\n", "proc/self/cgroup": "0::/\n"})
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(affinity)))
    assert usable_processors(tmp_path / "cgroup", tmp_path / "proc") == expected


@pytest.fixture
def limited(monkeypatch):
    """This process, as if it were in a container with three of 64 processors."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))
    monkeypatch.setattr(cgroup, "read_limits", lambda *_: Limits(cpus=2.5))


@pytest.mark.usefixtures("limited")
def test_networks_and_ffmpeg_get_as_many_threads():
    assert runtime.read_settings({}).onnx_threads == 3
    assert runtime.read_settings({}, threads=7).onnx_threads == 7
    assert runtime.ffmpeg_threads() == 3


def test_without_a_limit_ffmpeg_counts_processors_itself(monkeypatch):
    monkeypatch.setattr(cgroup, "read_limits", lambda *_: Limits())
    assert runtime.ffmpeg_threads() == 0


@pytest.mark.usefixtures("limited")
def test_every_ffmpeg_is_limited_and_tracks_stay_valid(clip, monkeypatch):
    video = probe_video(clip)
    key = decoding_key(video)
    with ffmpeg.running(decode_video_args(video), stdout=True) as process:
        command = Path(f"/proc/{process.popen.pid}/cmdline").read_bytes().decode().split("\0")
        process.stdout.read()
        assert (process.wait(), process.messages) == (0, [])
    assert command[command.index("-threads") + 1] == "3"
    assert command.index("-threads") < command.index("-i")
    monkeypatch.setattr(cgroup, "read_limits", lambda *_: Limits())
    assert decoding_key(video) == key


@pytest.fixture
def real_group():
    """The folder of a control group of this test whose processes get half a processor."""
    name = f"heygem-test-{os.getpid()}"
    version_1 = (cgroup.CGROUP / "cpu").is_dir()
    folder = cgroup.CGROUP / "cpu" / name if version_1 else cgroup.CGROUP / name
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error.strerror}")
    try:
        if version_1:
            (folder / "cpu.cfs_quota_us").write_text("50000")
        else:
            (folder / "cpu.max").write_text("50000 100000")
        yield folder
    except OSError as error:
        pytest.skip(f"a control group cannot be limited here: {error.strerror}")
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


def test_real_control_group(real_group):
    code = "import os; from heygem_cli import runtime; print(runtime.read_settings({}).onnx_threads)"
    command = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', real_group, sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")
