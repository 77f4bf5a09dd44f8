"""Tests that nothing is imported or run from the current folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from heygem_cli.processes import find_program, isolated_python
from portrait import make_face_video, make_voice, scene
from trap import make_trap


@pytest.fixture
def trap(tmp_path):
    """A folder full of traps, and the mark that they leave."""
    folder = tmp_path / "trap"
    return folder, make_trap(folder)


def run_in(folder, *args, **environment):
    """Run heygem as its script does: without the current folder."""
    environment = os.environ | {"HEYGEM_CACHE_DIR": str(folder.parent / "cache"), **environment}
    return subprocess.run(
        [sys.executable, "-I", "-c", "from heygem_cli.__main__ import main; main()", *args],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"PYTHONPATH": ""},
        {"PYTHONPATH": "."},
        {"PYTHONPATH": ":", "PATH": f":{os.environ['PATH']}"},
        {"PATH": f".:{os.environ['PATH']}", "PYTHONSTARTUP": "typer.py"},
    ],
)
def test_isolated_batch_imports_nothing_from_the_current_folder(trap, environment):
    folder, mark = trap
    make_face_video(folder / "face.mp4", [scene(256, 256, (128, 140, 200))] * 2)
    make_voice(folder / "a.wav", 0.2)
    (folder / "list.csv").write_text("audio,face\na.wav,face.mp4\n")
    done = run_in(folder, "batch", "list.csv", "--isolate", **environment)
    assert (done.returncode, mark.exists() and mark.read_text()) == (0, False), done.stderr


def test_cuda_probe_imports_nothing_from_the_current_folder(trap):
    from heygem_cli.onnx import _PROBE, PROBE_MODEL, model_path

    folder, mark = trap
    command = isolated_python(_PROBE, str(model_path(PROBE_MODEL)))
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr
    assert not mark.exists()


def test_child_finds_packages_that_only_the_parent_has_in_its_path(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("print('found')\n")
    monkeypatch.syspath_prepend(tmp_path)
    done = subprocess.run(isolated_python("import only_here"), cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout == "found\n"


@pytest.mark.parametrize("path", ["", ".", "trap", ":/usr/bin", ".:/usr/bin", "./trap:/usr/bin"])
def test_programs_are_not_found_in_the_current_folder(trap, monkeypatch, path):
    folder, _ = trap
    monkeypatch.chdir(folder)
    assert find_program("ffprobe", path) in (None, "/usr/bin/ffprobe")
    assert find_program("sh", f"{path}:/bin") in ("/bin/sh", "/usr/bin/sh")
    assert find_program("./sh") == "./sh"
    assert Path(find_program(str(folder / "sh")) or "") == folder / "sh"


def test_ffmpeg_is_not_found_in_the_current_folder(trap):
    folder, mark = trap
    make_face_video(folder / "face.mp4", [scene(256, 256, (128, 140, 200))] * 2)
    make_voice(folder / "a.wav", 0.2)
    # imageio-ffmpeg has no ffmpeg of its own.
    code = """
import imageio_ffmpeg
imageio_ffmpeg.__file__ = "/nowhere/__init__.py"
from heygem_cli.__main__ import main
main()"""
    command = [sys.executable, "-I", "-c", code, "render", "a.wav", "face.mp4", "-o", "out.mp4"]
    for variables in ({"IMAGEIO_FFMPEG_EXE": "ffmpeg"}, {}):
        environment = os.environ | variables | {"PATH": ".::/nowhere"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, mark.exists()) == (4, False), done.stderr
        assert "ffmpeg was not found" in done.stderr
