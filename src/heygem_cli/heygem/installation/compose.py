"""Parse a compose file, and add ``shm_size`` to it.

PyYAML's nodes have positions in the text, so an edit inserts one line and keeps comments, quotes and layout.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heygem_cli.errors import InputError

if TYPE_CHECKING:
    from yaml.nodes import Node

SHM_SIZE = "2g"
SHM_BYTES = 2 << 30

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_HEYGEM = re.compile("heygem|duix", re.IGNORECASE)


@dataclass(frozen=True)
class Service:
    """A service.

    Attributes:
        name: The name of the service.
        image: The image; may be empty.
        shm_size: The value as written; None if it is not set.
        host_ipc: Whether the service shares the host's /dev/shm.
        gpu: Whether it requests a GPU.
    """

    name: str
    image: str
    shm_size: str | None
    host_ipc: bool
    gpu: bool

    @property
    def small(self) -> bool:
        """Whether its shared memory is below 2 GiB."""
        return not self.host_ipc and (size_in_bytes(self.shm_size) or 0) < SHM_BYTES


def parse(data: bytes, path: Path) -> list[Service]:
    """Parse the services.

    Raises:
        InputError: The file is not YAML in UTF-8, or has no services.
    """
    import yaml

    try:
        content = yaml.safe_load(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError("not-yaml", f"not a YAML file: {reason}", path=path, hint="Correct it") from error
    services = content.get("services") if isinstance(content, dict) else None
    if not isinstance(services, dict) or not services:
        message = "not a compose file: it has no services"
        raise InputError("no-services", message, path=path, hint="Name the right file with --compose")
    return [_service(str(name), body if isinstance(body, dict) else {}) for name, body in services.items()]


def heygem_services(services: list[Service]) -> list[Service]:
    """Return HeyGem's services: those that request a GPU, else those with its name, else all."""
    named = [each for each in services if _HEYGEM.search(f"{each.name} {each.image}")]
    return [each for each in services if each.gpu] or named or services


def size_in_bytes(value: object) -> int | None:
    """Parse a size such as ``2g``, ``2048MB`` or a number of bytes; return None if it is not a size."""
    match = _SIZE.fullmatch(str(value).strip())
    return None if match is None else int(float(match[1]) * _UNITS[match[2].lower()])


def set_shm_size(data: bytes, names: list[str], path: Path) -> bytes:
    """Set ``shm_size: 2g`` in services, and keep every other byte.

    Raises:
        InputError: A service is not a YAML block, or its value is an alias.
    """
    import yaml

    text = data.decode("utf-8")
    root = yaml.compose(text, yaml.SafeLoader)
    services = _child(root, "services")
    # A set, because services that are aliases of one block need the same edit.
    edits = {_edit(_child(services, name), name, text, path) for name in names}
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text.encode()


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
    shm_size = None if body.get("shm_size") is None else str(body["shm_size"])
    return Service(name, str(body.get("image", "")), shm_size, body.get("ipc") == "host", _requests_gpu(body))


def _requests_gpu(body: dict[str, Any]) -> bool:
    if body.get("runtime") == "nvidia" or body.get("gpus"):
        return True
    node: Any = body
    for key in ("deploy", "resources", "reservations", "devices"):
        node = node.get(key) if isinstance(node, dict) else None
    devices = node if isinstance(node, list) else []
    return any(isinstance(each, dict) and "gpu" in (each.get("capabilities") or []) for each in devices)
