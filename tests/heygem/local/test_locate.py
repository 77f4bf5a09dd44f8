"""Finding an installation, its interpreter, and what is missing."""

import os
from pathlib import Path

import pytest

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.tree import CONFIG_INI, MODEL_FILES
from heygem_cli.heygem.local.locate import find_installation, identity, problems, worker_environment
from heygem_cli.options import EngineOptions
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


def test_virtual_environment_of_the_installation_is_the_default(home, environment):
    python = program(home / ".venv/bin/python")
    found = find_installation(EngineOptions(home=home), environment)
    assert (found.home, found.python) == (home, python)
    assert (found.log, found.results, found.temporary) == (home / "log/dh.log", home / "result", home / "temp")


def test_link_to_an_interpreter_is_not_resolved(home, environment, tmp_path):
    real = program(tmp_path / "usr/python3.8")
    link = home / ".venv/bin/python"
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    assert find_installation(EngineOptions(home=home), environment).python == link


def test_named_interpreter_takes_precedence(home, environment, tmp_path):
    program(home / ".venv/bin/python")
    named = program(tmp_path / "bin/python3.8")
    for name in (str(named), "python3.8"):
        assert find_installation(EngineOptions(home=home, python=name), environment).python == named


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
def test_conda_environment_is_found_by_name_and_by_folder(home, environment, tmp_path, folder, variables):
    program(home / ".venv/bin/python")
    python = program(tmp_path / folder / "bin/python")
    environment |= {name: value.format(tmp_path) for name, value in variables.items()}
    if folder.startswith("far"):
        known = tmp_path / "user/.conda/environments.txt"
        known.parent.mkdir(parents=True)
        known.write_text(f"/somewhere\n{tmp_path / folder}\n")
    assert find_installation(EngineOptions(home=home, conda_env="human"), environment).python == python
    by_folder = EngineOptions(home=home, conda_env=str(tmp_path / folder))
    assert find_installation(by_folder, environment).python == python


def test_error_without_an_interpreter_names_the_options(home, environment):
    with pytest.raises(InputError, match=r"--python or HEYGEM_PYTHON.*--conda-env.*\.venv"):
        find_installation(EngineOptions(home=home), environment)


def test_problems_lists_everything_that_is_missing(home, environment):
    (home / MODEL_FILES[0]).unlink()
    (home / MODEL_FILES[1]).write_bytes(b"")
    found = problems(EngineOptions(home=home), environment | {"PATH": "/nowhere"})
    assert [error.code for error in found] == ["no-python", "model-missing", "model-missing"]
    program(home / ".venv/bin/python")
    found = problems(EngineOptions(home=home), environment | {"PATH": "/nowhere"})
    assert [error.code for error in found] == ["ffmpeg-missing", "model-missing", "model-missing"]
    assert problems(EngineOptions(home=home / "log"), environment)[0].code == "not-heygem"


def test_ffmpeg_beside_the_interpreter_is_found(home, environment):
    program(home / ".venv/bin/python")
    program(home / ".venv/bin/ffmpeg")
    assert problems(EngineOptions(home=home), environment | {"PATH": ""}) == []


def test_identity_depends_on_the_models_and_the_configuration(home, environment):
    settings = EngineOptions(home=home)
    identities = {identity(settings, environment)}
    assert identity(settings, environment) in identities
    for path in (home / MODEL_FILES[0], home / CONFIG_INI):
        os.utime(path, (1, 1))
        identities.add(identity(settings, environment))
    assert len(identities) == 3


def test_folders_of_the_configuration_are_used(home, environment):
    program(home / ".venv/bin/python")
    config = home / CONFIG_INI
    config.write_text(config.read_text().replace("./result", "/elsewhere/out").replace("dh.log", "human.log"))
    found = find_installation(EngineOptions(home=home), environment)
    assert (found.results, found.log) == (Path("/elsewhere/out"), home / "log/human.log")


def test_worker_environment_has_stability_variables_and_cuda_libraries(tmp_path):
    prefix = tmp_path / "env"
    packages = prefix / "lib/python3.8/site-packages"
    for folder in (packages / "nvidia/cublas/lib", packages / "torch/lib"):
        folder.mkdir(parents=True)
    variables = {"PATH": "/usr/bin", "LD_LIBRARY_PATH": "/own", "OMP_NUM_THREADS": "8", "OTHER": "kept"}
    environment = worker_environment(prefix / "bin/python", variables)
    assert (environment["OMP_NUM_THREADS"], environment["ORT_PARALLEL"], environment["OTHER"]) == ("1", "0", "kept")
    assert environment["PATH"] == f"{prefix}/bin:/usr/bin"
    assert environment["LD_LIBRARY_PATH"] == f"{packages}/nvidia/cublas/lib:{packages}/torch/lib:/own"
    (prefix / "lib/libcudnn.so.8").touch()
    conda = worker_environment(prefix / "bin/python", {})
    assert f"{prefix}/lib" in conda["LD_LIBRARY_PATH"].split(":")
