"""Little address space, and libraries that cannot be loaded: one line and exit status 4."""

import json
import os
import resource
import subprocess
import sys

import pytest

MB = 10**6


def run(*arguments, limit=resource.RLIM_INFINITY, folder=None):
    """Run a command with an address space of ``limit`` bytes, and with the modules of a folder before all others."""
    environment = os.environ if folder is None else os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "heygem_cli", *map(str, arguments)],
        env=environment, capture_output=True, text=True, check=False, timeout=100, stdin=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY)),
    )  # fmt: skip


def assert_one_line(done, text):
    assert (done.returncode, done.stderr.count("\n")) == (4, 1), done.stderr
    assert done.stderr.startswith("error: ")
    assert text in done.stderr


@pytest.fixture
def manifest(tmp_path, voice, clip):
    path = tmp_path / "list.csv"
    path.write_text(f"audio,face\n{voice},{clip}\n")
    return path


@pytest.mark.parametrize("command", ["render a.wav b.mp4", "batch list.csv", "doctor", "engines"])
@pytest.mark.parametrize("limit", [300, 1300, 2000])
def test_little_address_space(command, limit):
    done = run(*command.split(), limit=limit * MB)
    assert_one_line(done, f"the address space is limited to {limit:,} MB")
    assert "ulimit -v unlimited" in done.stderr


def test_more_threads_need_more_address_space():
    assert_one_line(run("render", "a.wav", "b.mp4", "--threads", "64", limit=6000 * MB), "limited to 6,000 MB")


def test_commands_without_native_libraries_need_little(tmp_path):
    done = run("fix-config", "--home", tmp_path / "nowhere", limit=300 * MB)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "there is no such folder" in done.stderr


@pytest.fixture
def broken(tmp_path):
    """Return a function that puts a damaged native library before a package of that name."""
    folder = tmp_path / "modules"
    folder.mkdir()

    def damage(name):
        (folder / f"{name}.abi3.so").write_bytes(b"\x7fELF" + bytes(100))
        return folder

    return damage


@pytest.mark.parametrize("name", ["numpy", "cv2", "av", "onnxruntime"])
def test_damaged_library(broken, tmp_path, voice, clip, name):
    done = run("render", voice, clip, "-o", tmp_path / "out.mp4", "--json", folder=broken(name))
    assert_one_line(done, f"a library cannot be loaded: {tmp_path}/modules/{name}.abi3.so: ")
    assert json.loads(done.stdout)["error"]["code"] == "library-broken"


def test_library_that_cannot_be_opened(tmp_path, voice, clip):
    (tmp_path / "onnxruntime.py").write_text("import ctypes\nctypes.CDLL('libnowhere.so.1')\n")
    assert_one_line(run("render", voice, clip, "-o", tmp_path / "out.mp4", folder=tmp_path), "libnowhere.so.1")


@pytest.mark.parametrize("arguments", [[], ["--isolate"]])
def test_damaged_library_in_a_batch(broken, manifest, arguments):
    done = run("batch", manifest, "--quiet", *arguments, folder=broken("onnxruntime"))
    assert_one_line(done, "onnxruntime.abi3.so")


def test_damaged_library_of_the_command_line(broken):
    assert_one_line(run("--version", folder=broken("typer")), "typer.abi3.so")


def test_no_memory_for_the_command_line(tmp_path):
    (tmp_path / "typer.py").write_text("raise MemoryError")
    assert_one_line(run("--version", folder=tmp_path), "there is not enough memory")


def test_too_few_open_files_are_no_reason_to_reinstall_ffmpeg():
    program = """
import os, resource
from heygem_cli.media.ffmpeg import running
files = len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
try:
    with running(["-version"], stdout=True):
        pass
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("NotCapableError ")
    assert "ffmpeg cannot be started (Too many open files). Close other programs, or raise the limits" in done.stdout
