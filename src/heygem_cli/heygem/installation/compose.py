"""Parse a compose file, and add ``shm_size`` to it.

PyYAML's nodes have positions in the text, so an edit inserts one line and keeps comments, quotes and layout.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.files import UTF16_MARKS, check_lines, decode_utf8

if TYPE_CHECKING:
    from yaml.nodes import Node

SHM_SIZE = "2g"
SHM_BYTES = 2 << 30

_VOLUME = re.compile(
    r"(?P<host>(?:[A-Za-z]:(?=[\\/]))?(?:\$\{[^}]*\}|\$(?!\{)|[^:$])+):(?P<container>/[^:]*)(?::[\w,]+)?"
)
"""A volume in the short syntax; on Windows the folder begins with a drive, and ``${NAME:-DEFAULT}`` may be in it."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_COMMAND = re.compile(r"\bapp_local\.py\b")
_OFFICIAL = re.compile(r"guiji2025[/_](?P<name>heygem\.ai|duix\.avatar)(?P<new>-5090)?(?=[:@]|$)")
"""The images of HeyGem's makers, also in registries that mirror them under another name."""
_HEYGEM = re.compile("heygem|duix|face2face|gen-video", re.IGNORECASE)
_OTHER = re.compile("tts|asr|fish-speech|web|proxy|nginx|redis|mysql|postgres|minio", re.IGNORECASE)

_WRAPPER = re.compile(r"(?<![a-z])(?:api|files?|backend|front\w*|manager|scheduler)(?![a-z])", re.IGNORECASE)
"""Programs around HeyGem's service, which need no GPU themselves."""


@dataclass(frozen=True)
class Service:
    """A service.

    Attributes:
        name: The name of the service.
        image: The image; may be empty.
        shm_size: The value as written; None if it is not set.
        host_ipc: Whether the service shares the host's /dev/shm.
        gpu: Whether it requests a GPU.
        command: The command; may be empty.
        volumes: Its folders on this machine and in the container, as written.
        vague_devices: Whether it names GPU devices without a driver or a count beside ``runtime: nvidia``.
        gpus: The GPUs of this machine that it names, by number or UUID; empty if it takes any.
        privileged: Whether it gets every device of this machine, whatever it names.
        cuda_devices: The value of CUDA_VISIBLE_DEVICES in it; empty if that is not set.
    """

    name: str
    image: str
    shm_size: str | None
    host_ipc: bool
    gpu: bool
    command: str = ""
    volumes: tuple[tuple[str, str], ...] = ()
    vague_devices: bool = False
    gpus: tuple[str, ...] = ()
    privileged: bool = False
    cuda_devices: str = ""

    @property
    def small(self) -> bool:
        """Whether its shared memory is below 2 GiB."""
        return not self.host_ipc and (size_in_bytes(self.shm_size) or 0) < SHM_BYTES


def parse(data: bytes, path: Path) -> list[Service]:
    """Parse the services.

    Raises:
        InputError: The file is not YAML in UTF-8, has no services, or has a line that is too long.
    """
    import yaml

    check_lines(data, path)
    text = decode_utf8(data, path, "Docker") if _codec(data) == "utf-8" else data.decode(_codec(data), "replace")
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:  # a date may be impossible
        reason = " ".join(str(error).split())[:200]
        raise InputError("not-yaml", f"not a YAML file: {reason}", path=path, hint="Correct it") from error
    services = content.get("services") if isinstance(content, dict) else None
    if not isinstance(services, dict) or not services:
        message = "not a compose file: it has no services"
        raise InputError("no-services", message, path=path, hint="Name the right file with --compose")
    return [_service(str(name), body if isinstance(body, dict) else {}) for name, body in services.items()]


def _codec(data: bytes) -> str:
    """Return the encoding of a compose file: UTF-16 has a byte-order mark, as PowerShell writes it."""
    return next((codec for mark, codec in UTF16_MARKS if data.startswith(mark)), "utf-8")


def heygem_services(services: list[Service]) -> list[Service]:
    """Return HeyGem's services: by command or official image, else by image, by name, or the only one with a GPU."""
    certain = [each for each in services if _COMMAND.search(each.command) or _OFFICIAL.search(each.image)]
    by_image = [each for each in services if _is_heygem(each.image, each)]
    by_name = [each for each in services if _is_heygem(each.name, each)]
    by_gpu = [each for each in services if each.gpu]
    return certain or by_image or by_name or (by_gpu if len(by_gpu) == 1 else [])


def _is_heygem(text: str, service: Service) -> bool:
    is_other = _OTHER.search(text) or (_WRAPPER.search(text) and not service.gpu)
    return _HEYGEM.search(text) is not None and not is_other


def image_for_new_gpus(image: str) -> str | None:
    """Return the image that an RTX 50 needs instead of an official one; None if it is that, or another one."""
    match = _OFFICIAL.search(image)
    return None if match is None or match["new"] else f"guiji2025/{match['name']}-5090"


def size_in_bytes(value: object) -> int | None:
    """Parse a size such as ``2g``, ``2048MB`` or a number of bytes; return None if it is not a size."""
    match = _SIZE.fullmatch(str(value).strip())
    return None if match is None else int(min(float(match[1]), 1e15) * _UNITS[match[2].lower()])


def set_shm_size(data: bytes, names: list[str], path: Path) -> bytes:
    """Set ``shm_size: 2g`` in services, and keep every other byte.

    Raises:
        InputError: A service is not a YAML block, or its value is an alias.
    """
    import yaml

    text = data.decode(_codec(data))
    root = yaml.compose(text, yaml.SafeLoader)
    services = _child(root, "services")
    # A set, because services that are aliases of one block need the same edit.
    edits = {_edit(_child(services, name), name, text, path) for name in names}
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text.encode(_codec(data))


def _edit(node: Node | None, name: str, text: str, path: Path) -> tuple[int, int, str]:
    """Return the start and the end of the text to replace, and the replacement."""
    from yaml.nodes import MappingNode, ScalarNode

    message = f"service {name} cannot be edited automatically"
    unsupported = InputError("odd-service", message, path=path, hint=f"Add by hand: shm_size: {SHM_SIZE}")
    if not isinstance(node, MappingNode) or node.flow_style or not node.value:
        raise unsupported
    value = _child(node, "shm_size")
    if value is None:
        # The first key starts after its indentation: insert there, and move the key to the next line.
        first = node.value[0][0].start_mark
        newline = "\r\n" if "\r\n" in text else "\n"
        return first.index, first.index, f"shm_size: {SHM_SIZE}{newline}{' ' * first.column}"
    start, end = value.start_mark.index, value.end_mark.index
    # The node of an alias is that of its anchor, which is somewhere else.
    if not isinstance(value, ScalarNode) or not node.start_mark.index <= start < end <= node.end_mark.index:
        raise unsupported
    return start, end, SHM_SIZE


def _child(node: Node | None, name: str) -> Node | None:
    pairs = node.value if node is not None and isinstance(node.value, list) else []
    return next((value for key, value in pairs if getattr(key, "value", None) == name), None)


def _service(name: str, body: dict[str, Any]) -> Service:
    command = body.get("command")
    devices = _devices(body)
    nvidia = body.get("runtime") == "nvidia"
    variables = dict(_variables(body.get("environment")))
    return Service(
        name=name,
        image=_text(body.get("image")),
        shm_size=_text(body.get("shm_size")) or None,
        host_ipc=body.get("ipc") == "host",
        gpu=nvidia or bool(body.get("gpus") or devices),
        command=" ".join(map(_text, command)) if isinstance(command, list) else _text(command),
        volumes=tuple(_volumes(body.get("volumes"))),
        vague_devices=nvidia and any(not each.keys() & {"driver", "count", "device_ids"} for each in devices),
        gpus=tuple(_gpus(devices, variables.get("NVIDIA_VISIBLE_DEVICES", ""))),
        privileged=body.get("privileged") is True,
        cuda_devices=variables.get("CUDA_VISIBLE_DEVICES", ""),
    )


def _text(value: object) -> str:
    """Return a scalar as text, and nothing for a list, which aliases can make larger than the memory."""
    return str(value) if isinstance(value, str | int | float) else ""


def _devices(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the GPU devices that a service reserves."""
    node: Any = body
    for key in ("deploy", "resources", "reservations", "devices"):
        node = node.get(key) if isinstance(node, dict) else None
    devices = node if isinstance(node, list) else []
    return [each for each in devices if isinstance(each, dict) and "gpu" in (each.get("capabilities") or [])]


def _volumes(volumes: object) -> Iterator[tuple[str, str]]:
    for each in volumes if isinstance(volumes, list) else []:
        if isinstance(each, dict):
            yield _text(each.get("source")), _text(each.get("target"))
        elif match := _VOLUME.fullmatch(_text(each)):
            yield match["host"], match["container"]


def _variables(environment: object) -> Iterator[tuple[str, str]]:
    if isinstance(environment, dict):
        yield from ((str(name), _text(value)) for name, value in environment.items())
    for each in environment if isinstance(environment, list) else []:
        name, _, value = _text(each).partition("=")
        yield name, value


def _gpus(devices: list[dict[str, Any]], visible: str) -> list[str]:
    """Return the GPUs that a service names in its devices or, without such, in NVIDIA_VISIBLE_DEVICES."""
    lists = [each["device_ids"] for each in devices if isinstance(each.get("device_ids"), list)]
    named = [_text(each).strip() for each in (itertools.chain(*lists) if lists else visible.split(","))]
    return [each for each in named if each.isdecimal() or each.startswith("GPU-")]
