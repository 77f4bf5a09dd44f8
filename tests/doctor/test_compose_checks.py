"""Checks of HeyGem's service in compose files."""

import shutil
from pathlib import Path, PurePosixPath

import pytest

from heygem_cli.doctor import compose_checks as checks
from heygem_cli.doctor.child_process import ProbeResult
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.installation_checks import home as home_check
from heygem_cli.folder_map import FolderMap
from heygem_tree import COMPOSE, make_installation

AVATAR = """\
services:
  duix-avatar-tts:
    image: guiji2025/fish-speech-ziming
    runtime: nvidia
    volumes: ["~/voice:/code/data"]
  duix-avatar-gen-video:
    image: guiji2025/duix.avatar
    runtime: nvidia
    volumes: ["~/duix_avatar_data/face2face:/code/data"]
    deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}
    shm_size: "8g"
    command: python /code/app_local.py
"""


@pytest.fixture
def home(tmp_path):
    return make_installation(tmp_path / "Hey Gem")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "docker-compose-linux.yml"
    path.write_text(AVATAR)
    return path


@pytest.mark.parametrize(
    ("text", "shm", "gpu"),
    [
        (COMPOSE, "ok", "ok"),
        (COMPOSE.replace("2g", "1g"), "warn", "ok"),
        (COMPOSE.replace("    shm_size: 2g\n", ""), "warn", "ok"),
        (COMPOSE[: COMPOSE.index("    deploy")], "ok", "warn"),
        ("services: [", "fail", "fail"),
    ],
)
def test_compose_file(tmp_path, home, text, shm, gpu):
    path = tmp_path / "any.yml"
    path.write_text(text)
    # With or without an installation.
    for inputs in (Inputs(compose=path), Inputs(compose=path, home=home)):
        assert (checks.compose_shm(inputs).status, checks.compose_gpu(inputs).status) == (shm, gpu)
    shutil.copy(path, home / "docker-compose.yml")
    assert checks.compose_shm(Inputs(home=home)).status == shm


def gpus(*capability: int) -> ProbeResult:
    return ProbeResult({"devices": [{"capability": list(capability)}]})


def test_only_heygems_service_is_judged(file):
    assert checks.compose_shm(Inputs(compose=file)).found == "duix-avatar-gen-video: 8g"
    file.write_text("services:\n  web:\n    image: nginx\n")
    finding = checks.compose_shm(Inputs(compose=file))
    assert (finding.status, finding.found) == ("skip", f"{file} has no service that is HeyGem's")


def test_compose_file_in_the_folder_deploy(file, home):
    (home / "docker-compose.yml").unlink()
    (home / "deploy").mkdir()
    shutil.copy(file, home / "deploy/docker-compose-linux.yml")
    shutil.copy(file, home / "deploy/docker-compose-5090.yml")
    assert checks.compose_shm(Inputs(home=home)).found == "duix-avatar-gen-video: 8g"


def test_folder_whose_heygem_is_in_a_container(file, tmp_path):
    """It is no installation, but neither is it wrong."""
    (tmp_path / "deploy").mkdir()
    file.rename(tmp_path / "deploy/docker-compose-linux.yml")
    finding = home_check(Inputs(home=tmp_path))
    assert finding.status == "ok"
    assert "deploy/docker-compose-linux.yml; look into it with --container NAME" in finding.found
    (tmp_path / "deploy/docker-compose-linux.yml").write_text("services: {web: {image: nginx}}")
    assert home_check(Inputs(home=tmp_path)).status == "fail"


def test_runtime_beside_devices_without_driver(file):
    finding = checks.compose_gpu(Inputs(compose=file))
    assert finding.status == "warn"
    assert finding.found == "duix-avatar-gen-video: `runtime: nvidia` beside `devices` without `driver` and `count`"
    for devices in ("{driver: nvidia, count: all, capabilities: [gpu]}", "{device_ids: ['0'], capabilities: [gpu]}"):
        file.write_text(AVATAR.replace("{capabilities: [gpu]}", devices))
        assert checks.compose_gpu(Inputs(compose=file)).status == "ok"
    file.write_text(AVATAR.replace('    runtime: nvidia\n    volumes: ["~/duix', '    volumes: ["~/duix'))
    assert checks.compose_gpu(Inputs(compose=file)).status == "ok"


@pytest.mark.parametrize(
    ("image", "capability", "status"),
    [
        ("guiji2025/duix.avatar", (12, 0), "fail"),
        ("guiji2025/duix.avatar:2.9", (12, 0), "fail"),
        ("mirror/guiji2025_duix.avatar", (12, 0), "fail"),
        ("guiji2025/duix.avatar-5090", (12, 0), "ok"),
        ("guiji2025/duix.avatar", (8, 6), "ok"),
        ("my/heygem", (12, 0), "ok"),
    ],
)
def test_image_for_an_rtx_50(file, image, capability, status):
    file.write_text(AVATAR.replace("guiji2025/duix.avatar", image))
    finding = checks.compose_image(Inputs(compose=file), gpus(*capability))
    assert finding.status == status
    assert status == "ok" or "guiji2025/duix.avatar-5090" in finding.fix
    assert checks.compose_image(Inputs(compose=file), ProbeResult()).status == "ok"


def test_volumes_and_maps(file, tmp_path):
    def finding(*maps):
        folders = tuple(FolderMap(Path(host), PurePosixPath(container)) for host, container in maps)
        return checks.compose_volumes(Inputs(compose=file, maps=folders, user_home=tmp_path, proc=tmp_path))

    right = f"{tmp_path}/duix_avatar_data/face2face"
    assert finding().found == "~/duix_avatar_data/face2face as /code/data"
    assert finding((right, "/code/data")).status == "ok"
    other = finding((f"{tmp_path}/heygem_data/face2face", "/code/data"))
    assert (other.status, other.fix) == ("warn", f"heygem doctor --map {right}:/code/data")
    assert "only: ~/duix_avatar_data/face2face as /code/data" in finding((right, "/data")).found
    file.write_text(AVATAR.replace("~/duix", "${DATA}/duix"))
    assert finding((right, "/code/data")).status == "ok"
    file.write_text(AVATAR.replace("~/duix", "d:/duix"))
    assert finding().found == "d:/duix_avatar_data/face2face is a folder of Windows"
    (tmp_path / "version").write_text("Linux version 5.15.90.1-microsoft-standard-WSL2")
    assert finding().status == "ok"


def test_several_heygem_with_a_folder_each(tmp_path):
    body = "{{image: guiji2025/heygem.ai, runtime: nvidia, volumes: ['./gpu{0}:/code/data']}}"
    file = tmp_path / "compose.yml"
    file.write_text("services:\n" + "".join(f"  heygem-gpu{each}: {body.format(each)}\n" for each in range(2)))

    def finding(folder):
        maps = (FolderMap(tmp_path / folder, PurePosixPath("/code/data")),)
        return checks.compose_volumes(Inputs(compose=file, maps=maps, user_home=tmp_path, proc=tmp_path))

    assert [finding(each).status for each in ("gpu0", "gpu1", "gpu2")] == ["ok", "ok", "warn"]
    assert finding("gpu0").found == "./gpu0 as /code/data, ./gpu1 as /code/data"
    assert finding("gpu2").found == f"/code/data is ./gpu0 or ./gpu1 in the compose file, but {tmp_path}/gpu2 in --map"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("privileged: true, environment: [CUDA_VISIBLE_DEVICES=1]", ""),
        ("privileged: true, environment: {CUDA_VISIBLE_DEVICES: 1}", ""),
        ("privileged: true", "it names GPU 1, but is privileged"),
        ("environment: {CUDA_VISIBLE_DEVICES: 0}", ""),
        ("privileged: false", ""),
        ("environment: ['CUDA_VISIBLE_DEVICES=1,0']", "CUDA_VISIBLE_DEVICES=1, but the container gets GPU 1 only"),
    ],
)
def test_gpu_that_a_service_names(file, lines, found):
    """A container counts its GPUs from 0, unless it is privileged and gets all of them."""
    devices = "deploy: {resources: {reservations: {devices: [{device_ids: ['1'], capabilities: [gpu]}]}}}"
    for gpu in (devices, "runtime: nvidia, environment: {NVIDIA_VISIBLE_DEVICES: 1}"):
        if "environment" in lines and "environment" in gpu:
            continue
        file.write_text(f"services:\n  heygem: {{image: guiji2025/heygem.ai, {gpu}, {lines}}}\n")
        finding = checks.compose_gpu(Inputs(compose=file))
        assert (finding.status, found in finding.found) == ("warn" if found else "ok", True)


def test_first_gpu_of_a_privileged_service(file):
    file.write_text(
        AVATAR.replace("[{cap", "[{device_ids: ['0'], cap").replace(
            "    shm_size", "    privileged: true\n    shm_size"
        )
    )
    assert checks.compose_gpu(Inputs(compose=file)).status == "ok"
