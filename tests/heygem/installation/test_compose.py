"""Parsing compose files, and editing them without losing comments and layout."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation import compose
from heygem_tree import COMPOSE

FILE = Path("docker-compose.yml")
WITHOUT = COMPOSE.replace("    shm_size: 2g\n", "")
PARTS = ["image: x", "ports: ['1:1']", "# 注释", "", "environment:\n{}  A: b", "cap_add:\n{}- A"]


@pytest.mark.parametrize(
    ("written", "size"),
    [("2g", 2 << 30), ("2GB", 2 << 30), ("2048m", 2 << 30), (2147483648, 2 << 30), ("64m", 64 << 20), ("much", None)],
)
def test_size_in_bytes(written, size):
    assert compose.size_in_bytes(written) == size


def test_service_with_enough_shared_memory():
    (service,) = compose.parse(COMPOSE.encode(), FILE)
    assert (service.name, service.shm_size, service.gpu, service.small) == ("heygem", "2g", True, False)


@pytest.mark.parametrize(
    "gpu", ["runtime: nvidia", "gpus: all", "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}"]
)
def test_gpu_requests(gpu):
    services = compose.parse(f"services:\n  a:\n    {gpu}\n  b:\n    image: x\n".encode(), FILE)
    assert [each.gpu for each in services] == [True, False]
    assert [each.name for each in compose.heygem_services(services)] == ["a"]


def test_heygem_services():
    services = compose.parse(b"services:\n  web: {image: nginx}\n  gen: {image: guiji2025/duix.avatar}\n", FILE)
    assert [each.name for each in compose.heygem_services(services)] == ["gen"]
    services = compose.parse(b"services:\n  web: {image: nginx}\n  db:\n", FILE)
    assert compose.heygem_services(services) == []


THREE = """\
services:
  duix-avatar-tts:
    image: guiji2025/fish-speech-ziming
    runtime: nvidia
  duix-avatar-asr:
    image: guiji2025/fun-asr
    runtime: nvidia
  NAME:
    image: IMAGE
    runtime: nvidia
    command: COMMAND
    volumes: [d:/data/face2face:/code/data, "~/x:/y:ro", {type: bind, source: /a, target: /b}, named]
    deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}
"""


@pytest.mark.parametrize(
    ("name", "image", "command"),
    [
        ("duix-avatar-gen-video", "guiji2025/duix.avatar-5090", "python /code/app_local.py"),
        ("video", "registry:5000/python/face2face_train:0.0.7", "x"),
        ("video", "mine", "[python, /code/app_local.py]"),
        ("my-gen-video", "mine", "x"),
    ],
)
def test_only_the_service_that_is_heygems_is_chosen(name, image, command):
    """Its neighbours use a GPU, too, and are named after the same product."""
    text = THREE.replace("NAME", name).replace("IMAGE", image).replace("COMMAND", command)
    (service,) = compose.heygem_services(compose.parse(text.encode(), FILE))
    assert (service.name, service.gpu, service.vague_devices) == (name, True, True)
    assert service.volumes == (("d:/data/face2face", "/code/data"), ("~/x", "/y"), ("/a", "/b"))


def test_image_of_another_program_of_the_same_product_is_not_chosen():
    text = b"services:\n  a: {image: 'my/heygem-tts'}\n  b: {image: 'my/heygem'}\n"
    assert [each.name for each in compose.heygem_services(compose.parse(text, FILE))] == ["b"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a: {image: 'mirror/x/guiji2025_heygem.ai'}, b: {image: 'mirror/x/heygem-api:v1.1.6'}", ["a"]),
        ("a: {image: 'mirror/x/guiji2025_heygem.ai'}, b: {image: 'mirror/x/heygem-file:v0.0.2'}", ["a"]),
        ("a: {image: 'my/heygem', runtime: nvidia}, heygem-files: {image: 'my/heygem-files'}", ["a"]),
        ("heygem-api: {build: .}", []),
        ("heygem-backend: {build: .}, heygem_frontend: {build: .}", []),
        ("heygem-api: {build: ., runtime: nvidia}", ["heygem-api"]),
        ("a: {image: 'my/heygem-api', gpus: all}", ["a"]),
        ("heygem-gen-video: {build: .}", ["heygem-gen-video"]),
        ("a: {image: 'guiji2025/duix.avatar:2.9'}, b: {command: python /code/app_local.py}", ["a", "b"]),
        ("heygem-rapid: {build: .}", ["heygem-rapid"]),
    ],
)
def test_programs_around_heygem_are_not_chosen(text, names):
    services = compose.parse(f"services: {{{text}}}".encode(), FILE)
    assert [each.name for each in compose.heygem_services(services)] == names


@pytest.mark.parametrize(
    ("image", "new"),
    [
        ("guiji2025/duix.avatar", "guiji2025/duix.avatar-5090"),
        ("guiji2025/heygem.ai:latest", "guiji2025/heygem.ai-5090"),
        ("registry:5000/x/guiji2025/duix.avatar:2.9", "guiji2025/duix.avatar-5090"),
        ("mirror/x/guiji2025_heygem.ai@sha256:19", "guiji2025/heygem.ai-5090"),
        ("guiji2025/duix.avatar-5090", None),
        ("guiji2025/duix.avatar-5090:1", None),
        ("guiji2025/fish-speech-ziming", None),
        ("my/heygem.ai", None),
    ],
)
def test_image_for_new_gpus(image, new):
    assert compose.image_for_new_gpus(image) == new


@pytest.mark.parametrize(
    ("volume", "folders"),
    [
        ("/home/${USER:-root}/data:/code/data", ("/home/${USER:-root}/data", "/code/data")),
        ("${DATA:-d:/data}/f:/code/data:rw", ("${DATA:-d:/data}/f", "/code/data")),
        ("$HOME/data:/code/data:ro", ("$HOME/data", "/code/data")),
        ("d:/data:/code/data", ("d:/data", "/code/data")),
    ],
)
def test_volumes_with_variables(volume, folders):
    (service,) = compose.parse(f"services: {{a: {{volumes: ['{volume}']}}}}".encode(), FILE)
    assert service.volumes == (folders,)


def test_two_unknown_services_with_a_gpu_are_not_guessed():
    text = b"services:\n  a: {runtime: nvidia}\n  b: {runtime: nvidia}\n"
    assert compose.heygem_services(compose.parse(text, FILE)) == []


def test_host_ipc_is_enough():
    (service,) = compose.parse(b"services: {a: {ipc: host}}", FILE)
    assert not service.small


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        (WITHOUT, WITHOUT.replace("    image", "    shm_size: 2g\n    image")),
        (COMPOSE.replace("2g", "'64m'  # small"), COMPOSE.replace("2g", "2g  # small")),
        (
            "services:\r\n  heygem:\r\n\r\n   # 数字人\r\n   image: x\r\n",
            "services:\r\n  heygem:\r\n\r\n   # 数字人\r\n   shm_size: 2g\r\n   image: x\r\n",
        ),
        ("\ufeffservices:\n  heygem:\n    image: x", "\ufeffservices:\n  heygem:\n    shm_size: 2g\n    image: x"),
    ],
)
def test_edit_changes_one_line(text, edited):
    assert compose.set_shm_size(text.encode(), ["heygem"], FILE).decode() == edited
    assert not compose.parse(edited.encode(), FILE)[0].small


@given(
    st.lists(st.sampled_from(PARTS), max_size=6),
    st.integers(1, 6),
)
def test_edit_adds_one_key_and_keeps_every_line(parts, indent):
    parts = list(dict.fromkeys(parts))
    space = " " * indent
    body = "".join(space * 2 + part.format(space * 2) + "\n" for part in ["restart: always", *parts])
    text = f"# top\nservices:\n{space}heygem:\n{body}{space}other:\n{space * 2}image: y\n"
    edited = compose.set_shm_size(text.encode(), ["heygem"], FILE).decode()
    before, after = yaml.safe_load(text), yaml.safe_load(edited)
    before["services"]["heygem"]["shm_size"] = "2g"
    assert after == before
    kept = edited.splitlines()
    kept.remove(f"{space * 2}shm_size: 2g")
    assert kept == text.splitlines()


def test_merged_value_is_overridden():
    text = "x-base: &base\n  shm_size: 64m\nservices:\n  heygem:\n    <<: *base\n    image: x\n"
    edited = compose.set_shm_size(text.encode(), ["heygem"], FILE)
    assert compose.parse(edited, FILE)[0].shm_size == "2g"
    assert b"shm_size: 64m" in edited


def test_aliased_services_share_the_edit():
    text = "services:\n  a: &b\n    image: heygem\n  b: *b\n"
    edited = compose.set_shm_size(text.encode(), ["a", "b"], FILE)
    assert edited.decode() == "services:\n  a: &b\n    shm_size: 2g\n    image: heygem\n  b: *b\n"
    assert [each.shm_size for each in compose.parse(edited, FILE)] == ["2g", "2g"]


@pytest.mark.parametrize(
    "text",
    [
        "services: {heygem: {image: x}}",
        "services:\n  heygem: {image: x}\n",
        "services:\n  heygem:\n",
        "x: &s 64m\nservices:\n  heygem:\n    shm_size: *s\n",
    ],
)
def test_unsupported_layout_is_refused(text):
    with pytest.raises(InputError, match="shm_size: 2g"):
        compose.set_shm_size(text.encode(), ["heygem"], FILE)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"services: [", "not-yaml"),
        (b"\x80", "not-utf-8"),
        (b"a: !unknown b", "not-yaml"),
        (b"", "no-services"),
        (b"services: []", "no-services"),
        (b"- 1", "no-services"),
    ],
)
def test_not_a_compose_file(data, code):
    with pytest.raises(InputError, match=r"docker-compose\.yml") as caught:
        compose.parse(data, FILE)
    assert caught.value.code == code


@pytest.mark.parametrize(("encoding", "mark"), [("utf-16-le", "\ufeff"), ("utf-16-be", "\ufeff"), ("utf-8", "\ufeff")])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_of_windows_are_kept(encoding, mark, newline):
    """PowerShell writes UTF-16, which Docker reads."""
    text = mark + ("# 注释\n" + WITHOUT).replace("\n", newline)
    (service,) = compose.parse(text.encode(encoding), FILE)
    assert (service.name, service.small) == ("heygem", True)
    edited = compose.set_shm_size(text.encode(encoding), ["heygem"], FILE).decode(encoding)
    added = f"    shm_size: 2g{newline}"
    assert added in edited
    assert edited.replace(added, "", 1) == text


@pytest.mark.parametrize(("encoding", "said"), [("gbk", "GB18030"), ("utf-16-le", "UTF-16")])
def test_encoding_that_docker_cannot_read(encoding, said):
    data = ("# 注释\n" + COMPOSE).encode(encoding)
    with pytest.raises(InputError) as caught:
        compose.parse(data, FILE)
    assert (caught.value.code, caught.value.path) == ("not-utf-8", FILE)
    assert "Docker cannot read it" in caught.value.message
    assert f"iconv -f {said}" in caught.value.hint
