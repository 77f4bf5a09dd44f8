"""HeyGem's worker, its supervisor and what they start run nothing from the current folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from heygem_cli.errors import InputError
from heygem_cli.heygem.local.locate import find_installation, problems, worker_environment
from heygem_cli.options import EngineOptions
from heygem_stand_in import environment, make_stand_in
from heygem_tree import make_installation
from media_factory import make_audio, make_video
from trap import make_trap

PYTHONS = [os.path.realpath(sys.executable), shutil.which("python3.8")]


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """The current folder, full of traps, and their mark."""
    mark = make_trap(tmp_path / "trap")
    monkeypatch.chdir(tmp_path / "trap")
    return mark


@pytest.mark.parametrize("python", PYTHONS)
def test_render_runs_nothing_from_the_current_folder(trap, python):
    if python is None or subprocess.run([python, "--version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no Python 3.8 here")
    home = make_stand_in(trap.parent / "home")
    for name in ("ffmpeg", "sh"):  # the worker's current folder is HeyGem's root: only modules come from there
        shutil.copy(name, home)
    version = subprocess.run(
        [python, "-I", "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    packages = trap.parent / "user/lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (packages / "only_of_the_user.py").write_text("")
    service = home / "service/trans_dh_service.py"
    service.write_text(f"import only_of_the_user\n{service.read_text()}")
    face = make_video(trap.parent / "face.mp4", size=(128, 128), seconds=0.4, filters="hue=s=0")
    voice = make_audio(trap.parent / "voice.wav", seconds=0.4)
    command = [sys.executable, "-I", "-c", "from heygem_cli.__main__ import main; main()"]
    command += ["render", str(voice), str(face), "-o", str(trap.parent / "out.mp4"), "--json"]
    variables = environment(home, HEYGEM_PYTHON=python, PYTHONPATH=".:", PYTHONSTARTUP="json.py")
    variables |= {"PYTHONUSERBASE": str(trap.parent / "user"), "PATH": f":.:{variables['PATH']}"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert not trap.exists(), trap.read_text()
    assert json.loads(done.stdout)["frames"] == 10, done.stderr


@pytest.mark.parametrize("path", ["", ":", ".", "bin", "./bin:.:/nowhere"])
def test_programs_are_not_found_in_the_current_folder(trap, path):
    home = make_installation(trap.parent / "home")
    shutil.copytree(".", "bin")
    with pytest.raises(InputError, match="no such program"):
        find_installation(EngineOptions(home=home, python="python3.8"), {"PATH": path})
    found = problems(EngineOptions(home=home, python=sys.executable), {"PATH": path or "/nowhere"})
    assert "ffmpeg-missing" in [error.code for error in found]
    assert find_installation(EngineOptions(home=home, python="./python3.8"), {"PATH": "bin:/usr/bin:/bin"}).python


@pytest.mark.parametrize("variable", ["HOME", "CONDA_PREFIX", "MAMBA_ROOT_PREFIX", "CONDA_EXE"])
@pytest.mark.parametrize("value", ["", ".", "bin/conda", "conda"])
def test_conda_environments_are_not_found_in_the_current_folder(trap, variable, value):
    home = make_installation(trap.parent / "home")
    for folder in ("envs/human", "miniconda3/envs/human", "human", ".conda/envs/human", "bin/conda/envs/human"):
        Path(folder, "bin").mkdir(parents=True)
        shutil.copy("python", Path(folder, "bin"))
    Path(".conda/environments.txt").write_text("envs/human\n./human\n")
    with pytest.raises(InputError, match="no such conda environment"):
        find_installation(EngineOptions(home=home, conda_env="human"), {"HOME": "/nowhere", variable: value})


def test_list_of_conda_environments_may_be_anything(tmp_path):
    home = make_installation(tmp_path / "home")
    known = tmp_path / ".conda/environments.txt"
    known.parent.mkdir()
    options = EngineOptions(home=home, conda_env="human")
    for make in (lambda: known.write_bytes(b"\xff\xfe/human\n"), known.mkdir, lambda: os.mkfifo(known)):
        make()
        with pytest.raises(InputError, match="no such conda environment"):
            find_installation(options, {"HOME": str(tmp_path)})
        known.rmdir() if known.is_dir() else known.unlink()
    known.symlink_to(known)
    with pytest.raises(InputError, match="no such conda environment"):
        find_installation(options, {"HOME": str(tmp_path)})


@pytest.mark.parametrize("path", ["", ":", ".", ":/usr/bin", "/usr/bin:.:"])
def test_environment_of_the_worker_names_no_current_folder(path):
    variables = dict.fromkeys(("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE"), path)
    found = worker_environment(Path("/env/bin/python"), variables)
    assert set(found["PATH"].split(":")) <= {"/env/bin", "/usr/bin", "/bin"}
    assert found["LD_LIBRARY_PATH"] in ("", "/usr/bin")
    assert not found.keys() & {"PYTHONPATH", "PYTHONHOME"}
    assert found.get("PYTHONUSERBASE", "/usr/bin") == "/usr/bin"
