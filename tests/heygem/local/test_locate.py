"""Where an installation and its interpreter are, and what is missing."""

import os
from pathlib import Path

import pytest

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.tree import CONFIG_INI, MODEL_FILES
from heygem_cli.heygem.local.locate import find_installation, identity, problems, worker_environment
from heygem_cli.options import HeygemSettings
from heygem_tree import make_installation


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


@pytest.fixture
def home(tmp_path):
    return make_installation(tmp_path / "home")


@pytest.fixture
def environment(tmp_path):
    """A user with an ffmpeg and no Python."""
    program(tmp_path / "bin/ffmpeg")
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path / "user")}


def test_the_environment_of_the_installation_comes_first_to_mind(home, environment):
    python = program(home / ".venv/bin/python")
    found = find_installation(HeygemSettings(home=home), environment)
    assert (found.home, found.python) == (home, python)
    assert (found.log, found.results, found.temporary) == (home / "log/dh.log", home / "result", home / "temp")


def test_a_link_to_an_interpreter_stays_a_link(home, environment, tmp_path):
    real = program(tmp_path / "usr/python3.8")
    link = home / ".venv/bin/python"
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    assert find_installation(HeygemSettings(home=home), environment).python == link


def test_the_named_interpreter_beats_all_others(home, environment, tmp_path):
    program(home / ".venv/bin/python")
    named = program(tmp_path / "bin/python3.8")
    for name in (str(named), "python3.8"):
        assert find_installation(HeygemSettings(home=home, python=name), environment).python == named


@pytest.mark.parametrize(
    ("folder", "variables"),
    [
        ("user/miniconda3/envs/human", {}),
        ("user/.conda/envs/human", {}),
        ("opt/envs/human", {"CONDA_EXE": "{}/opt/bin/conda"}),
        ("opt/envs/human", {"CONDA_PREFIX": "{}/opt"}),
        ("opt/envs/human", {"CONDA_PREFIX": "{}/opt/envs/base"}),
        ("opt/envs/human", {"MAMBA_ROOT_PREFIX": "{}/opt"}),
        ("far/away/human", {}),
    ],
)
def test_a_conda_environment_is_found_by_its_name(home, environment, tmp_path, folder, variables):
    program(home / ".venv/bin/python")
    python = program(tmp_path / folder / "bin/python")
    environment |= {name: value.format(tmp_path) for name, value in variables.items()}
    if folder.startswith("far"):
        known = tmp_path / "user/.conda/environments.txt"
        known.parent.mkdir(parents=True)
        known.write_text(f"/somewhere\n{tmp_path / folder}\n")
    assert find_installation(HeygemSettings(home=home, conda_env="human"), environment).python == python
    by_folder = HeygemSettings(home=home, conda_env=str(tmp_path / folder))
    assert find_installation(by_folder, environment).python == python


def test_without_any_the_error_says_how_to_name_it(home, environment):
    with pytest.raises(InputError, match=r"--python or HEYGEM_PYTHON.*--conda-env.*\.venv"):
        find_installation(HeygemSettings(home=home), environment)


def test_all_that_is_missing_is_told(home, environment):
    (home / MODEL_FILES[0]).unlink()
    (home / MODEL_FILES[1]).write_bytes(b"")
    found = problems(HeygemSettings(home=home), environment | {"PATH": "/nowhere"})
    assert [error.code for error in found] == ["no-python", "model-missing", "model-missing"]
    program(home / ".venv/bin/python")
    found = problems(HeygemSettings(home=home), environment | {"PATH": "/nowhere"})
    assert [error.code for error in found] == ["ffmpeg-missing", "model-missing", "model-missing"]
    assert problems(HeygemSettings(home=home / "log"), environment)[0].code == "not-heygem"


def test_ffmpeg_beside_the_interpreter_will_do(home, environment):
    program(home / ".venv/bin/python")
    program(home / ".venv/bin/ffmpeg")
    assert problems(HeygemSettings(home=home), environment | {"PATH": ""}) == []


def test_the_identity_is_that_of_the_models_and_of_the_configuration(home, environment):
    settings = HeygemSettings(home=home)
    seen = {identity(settings, environment)}
    assert identity(settings, environment) in seen
    for path in (home / MODEL_FILES[0], home / CONFIG_INI):
        os.utime(path, (1, 1))
        seen.add(identity(settings, environment))
    assert len(seen) == 3


def test_folders_that_the_configuration_names_are_used(home, environment):
    program(home / ".venv/bin/python")
    config = home / CONFIG_INI
    config.write_text(config.read_text().replace("./result", "/elsewhere/out").replace("dh.log", "human.log"))
    found = find_installation(HeygemSettings(home=home), environment)
    assert (found.results, found.log) == (Path("/elsewhere/out"), home / "log/human.log")


def test_the_worker_gets_the_stability_variables_and_the_cuda_libraries_of_its_interpreter(tmp_path):
    prefix = tmp_path / "env"
    packages = prefix / "lib/python3.8/site-packages"
    for folder in (packages / "nvidia/cublas/lib", packages / "torch/lib"):
        folder.mkdir(parents=True)
    given = {"PATH": "/usr/bin", "LD_LIBRARY_PATH": "/own", "OMP_NUM_THREADS": "8", "OTHER": "stays"}
    made = worker_environment(prefix / "bin/python", given)
    assert (made["OMP_NUM_THREADS"], made["ORT_PARALLEL"], made["OTHER"]) == ("1", "0", "stays")
    assert made["PATH"] == f"{prefix}/bin:/usr/bin"
    assert made["LD_LIBRARY_PATH"] == f"{packages}/nvidia/cublas/lib:{packages}/torch/lib:/own"
    (prefix / "lib/libcudnn.so.8").touch()
    conda = worker_environment(prefix / "bin/python", {})
    assert f"{prefix}/lib" in conda["LD_LIBRARY_PATH"].split(":")
