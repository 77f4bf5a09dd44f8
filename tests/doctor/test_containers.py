"""``heygem doctor`` and ``fix-config`` with ``--container``: real containers of Podman, and a fake ``docker``."""

import json
import os
import subprocess
import sys
import time

import pytest

from containers import FakeDocker, Podman
from heygem_cli.heygem.installation.tree import CONFIG_INI, OPT_TXT
from heygem_tree import APP, DANGEROUS, make_installation, opt_text

SERVER = (
    "import http.server as h; h.ThreadingHTTPServer(('127.0.0.1', 7860), h.SimpleHTTPRequestHandler).serve_forever()"
)


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    podman = Podman(tmp_path_factory.mktemp("podman"))
    if podman.reason:
        pytest.skip(f"no real containers: {podman.reason}; see tests/containers.py")
    yield podman
    podman.close()


@pytest.fixture
def home(tmp_path):
    home = make_installation(tmp_path / "HeyGem")
    (home / "app.py").write_text(f"{SERVER}\n{APP}")  # what follows the server is never reached
    return home


def heygem(*arguments, **environment):
    command = [sys.executable, "-m", "heygem_cli", *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def findings(*arguments, **environment):
    done = heygem("doctor", *arguments, "--json", **environment)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    return report, {each["id"]: each for each in report["checks"]}


def test_real_container_with_python(podman, home):
    (home / OPT_TXT).write_text(opt_text(threads="4"))
    (home / CONFIG_INI).write_text(DANGEROUS)
    options = ("--shm-size", "32m", "--memory", "512m", "-e", "OMP_NUM_THREADS=8")
    name = podman.run(home, "python3", "app.py", options=options)
    report, found = findings("--container", name)
    assert report["home"] == "/code"
    assert found["system.shared-memory"]["found"].startswith("32 MiB")
    assert found["environment.OMP_NUM_THREADS"]["found"].startswith("in HeyGem (process 1): 8, ")
    assert found["installation.opt-txt"]["found"] == "num_threads: 4"
    assert found["installation.temp-dir"]["status"] == "fail"
    assert "including /code" in found["installation.temp-dir"]["why"]
    assert found["installation.temp-dir"]["fix"] == f"heygem fix-config --container {name}"
    assert found["installation.models"]["status"] == "ok"
    assert found["service.process"]["found"] == "1: python3 app.py"
    assert found["gpu.devices"]["status"] == "warn"
    assert found["log.queue-full"]["found"] == "none"
    assert "runtime.models" not in found
    assert "/heygem-container-" not in json.dumps(report)


def test_real_container_without_python(podman, home):
    (home / OPT_TXT).write_text(opt_text(threads="4"))
    name = podman.run(home, "sleep", "600", kind="busybox", options=("--shm-size", "32m", "-e", "OMP_NUM_THREADS=8"))
    report, found = findings("--container", name)
    assert report["home"] == "/code"
    assert found["system.shared-memory"]["found"].startswith("32 MiB")
    assert found["installation.opt-txt"]["found"] == "num_threads: 4"
    assert found["environment.OMP_NUM_THREADS"]["found"].startswith("8, ")
    assert found["installation.models"]["found"] == "the container has no Python 3.8 or later to look with"
    assert not [each for each in found.values() if each["status"] == "fail" and each["group"] == "installation"]


@pytest.mark.parametrize("kind", ["python", "busybox"])
def test_fix_config_in_a_real_container(podman, home, kind):
    (home / OPT_TXT).write_text(opt_text(threads="4"))
    (home / OPT_TXT).chmod(0o640)
    (home / CONFIG_INI).write_text(DANGEROUS)
    name = podman.run(home, "sleep", "600", kind=kind)
    done = heygem("fix-config", "--container", name, "--yes")
    assert done.returncode == 0, done.stderr
    assert f"HeyGem in /code of the container {name}" in done.stdout
    assert "num_threads: 0" in (home / OPT_TXT).read_text()
    assert (home / OPT_TXT).stat().st_mode & 0o777 == 0o640
    assert "temp_dir = ./heygem_temp" in (home / CONFIG_INI).read_text()
    assert (home / "heygem_temp").is_dir()
    (backup,) = (home / CONFIG_INI).parent.glob("*.bak")
    assert backup.read_text() == DANGEROUS
    assert "Nothing to change." in heygem("fix-config", "--container", name, "--yes").stdout


def test_file_that_is_mounted_by_itself_is_written(podman, home, tmp_path):
    single = tmp_path / "config.ini"
    single.write_text(DANGEROUS)
    name = podman.run(home, "sleep", "600", kind="busybox", options=("-v", f"{single}:/code/config/config.ini"))
    done = heygem("fix-config", "--container", name, "--yes")
    assert done.returncode == 0, done.stderr
    assert "temp_dir = ./heygem_temp" in single.read_text()


def test_link_out_of_the_installation_is_not_followed(podman, home, tmp_path):
    (home / CONFIG_INI).unlink()
    (home / CONFIG_INI).symlink_to("/elsewhere.ini")
    outside = tmp_path / "elsewhere.ini"
    outside.write_text(DANGEROUS)
    name = podman.run(home, "sleep", "600", kind="busybox", options=("-v", f"{outside}:/elsewhere.ini"))
    done = heygem("fix-config", "--container", name, "--yes")
    assert done.returncode == 1
    assert "a link to /elsewhere.ini, which is outside the folder" in done.stderr
    assert outside.read_text() == DANGEROUS
    assert not list((home / "config").glob("*.bak"))


def test_stopped_real_container(podman, home):
    name = podman.run(home, "sleep", "0", kind="busybox")
    time.sleep(1)
    done = heygem("doctor", "--container", name)
    assert done.returncode == 2
    assert (
        f"error: the container {name} is not running (exited, exit status 0). Start it: podman start {name}"
        in done.stderr
    )


@pytest.mark.parametrize("has_python", [True, False])
def test_fake_docker(tmp_path, home, has_python):
    (home / OPT_TXT).write_text(opt_text(threads="4"))
    docker = FakeDocker(tmp_path / "bin", home, has_python=has_python)
    report, found = findings("--container", "server", **docker.environment)
    assert report["home"] == str(home)
    assert found["installation.opt-txt"]["found"] == "num_threads: 4"
    assert found["environment.OMP_NUM_THREADS"]["found"].split("recommended")[0].endswith("4, ")
    done = heygem("fix-config", "--container", "server", "--yes", **docker.environment)
    assert done.returncode == 0, done.stderr
    assert "num_threads: 0" in (home / OPT_TXT).read_text()


@pytest.fixture
def conda(tmp_path, home):
    """A conda environment whose Python writes down the LD_LIBRARY_PATH that it gets, and that has another Gradio."""
    prefix = tmp_path / "opt/envs/human"
    for name in ("bin", "conda-meta", "lib/python3.8/site-packages/gradio-3.50.2.dist-info"):
        (prefix / name).mkdir(parents=True)
    (prefix / "lib/python3.8/site-packages/gradio-3.50.2.dist-info/METADATA").touch()
    python = prefix / "bin/python"
    python.write_text(f'#!/bin/sh\necho "$LD_LIBRARY_PATH" >> {home}/libraries\nexec /usr/bin/python3 "$@"\n')
    python.chmod(0o755)
    return prefix


@pytest.mark.parametrize("by_name", [True, False])
def test_conda_environment_of_a_container(tmp_path, home, conda, by_name):
    docker = FakeDocker(tmp_path / "bin", home)
    facts = json.loads((docker.folder / "facts.json").read_text())
    facts[0]["Config"]["Env"].append(f"CONDA_PREFIX={tmp_path / 'opt'}")
    (docker.folder / "facts.json").write_text(json.dumps(facts))
    name = "human" if by_name else str(conda)
    arguments = ("--container", "server", "--conda-env", name)
    _, found = findings(*arguments, "--only", "installation", **docker.environment)
    assert f"{conda}/bin/python is CPython" in found["installation.python"]["found"]
    assert f"{conda}/lib" in (home / "libraries").read_text().splitlines()
    assert found["installation.torch"]["fix"].startswith(f"docker exec -it server {conda}/bin/python -m pip install")
    (home / "app.py").write_text("import gradio as gr\ndemo = gr.Blocks()\ndemo.queue().launch()\n")
    done = heygem("fix-config", *arguments, "--app", "--dry-run", **docker.environment)
    assert "for Gradio 3.50.2" in done.stdout, done.stderr


@pytest.mark.parametrize("command", ["doctor", "fix-config"])
def test_conda_environment_that_the_container_lacks(tmp_path, home, command):
    docker = FakeDocker(tmp_path / "bin", home)
    done = heygem(command, "--container", "server", "--conda-env", "missing", **docker.environment)
    assert done.returncode == 2
    assert "server: --conda-env missing: there is no such conda environment in the container" in done.stderr


def test_conda_environment_of_a_real_container(podman, home, conda):
    (conda / "bin/python").unlink()
    (conda / "bin/python").symlink_to("/usr/bin/python3")
    options = ("-v", f"{conda}:/opt/conda/envs/human")
    name = podman.run(home, "sleep", "600", options=options)
    _, found = findings("--container", name, "--conda-env", "human", "--only", "installation")
    assert "/opt/conda/envs/human/bin/python is CPython" in found["installation.python"]["found"]
    assert found["installation.torch"]["fix"].startswith(f"podman exec -it {name} /opt/conda/envs/human/bin/python")


def test_log_that_the_container_has_printed_is_read(tmp_path, home):
    (home / "log/dh.log").unlink()
    docker = FakeDocker(tmp_path / "bin", home)
    (docker.folder / "printed").write_text(
        "[2025-03-18 12:52:07,560] [run.py[line:147]] [ERROR] [[T1]任务视频驱动队列满，严重阻塞，下游队列异常]\n"
    )
    _, found = findings("--container", "server", **docker.environment)
    assert found["log.queue-full"]["status"] == "fail"


def test_unknown_and_stopped_containers(tmp_path, home):
    docker = FakeDocker(tmp_path / "bin", home, running=False)
    done = heygem("doctor", "--container", "nobody", **docker.environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no container nobody. Running: server")
    done = heygem("doctor", "--container", "server", **docker.environment)
    assert done.returncode == 2
    assert "is not running (exited, exit status 137). Start it: docker start server" in done.stderr


def test_container_without_heygem(tmp_path):
    (tmp_path / "empty").mkdir()
    docker = FakeDocker(tmp_path / "bin", tmp_path / "empty", has_python=False)
    done = heygem("fix-config", "--container", "server", "--yes", **docker.environment)
    assert done.returncode == 2
    assert "there is no HeyGem installation in this container" in done.stderr


def test_neither_docker_nor_podman(tmp_path):
    done = heygem("doctor", "--container", "server", PATH=str(tmp_path))
    assert (done.returncode, "neither docker nor podman is on the PATH" in done.stderr) == (4, True)
