"""A compose file: what its services ask for, and how to add ``shm_size`` without touching anything else.

PyYAML's nodes know where they stand in the text, so an edit is one line put between two others: comments, quotes and
layout stay byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heygem_cli.errors import InputError

if TYPE_CHECKING:
    from yaml.nodes import Node

WANTED = "2g"
WANTED_BYTES = 2 << 30

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_OURS = re.compile("heygem|duix", re.IGNORECASE)


@dataclass(frozen=True)
class Service:
    """One service.

    Attributes:
        name: of the service.
        shm_size: as written; None if it is not there.
        shm_bytes: its meaning; None if it is not there or not a size.
        host_ipc: it shares the host's /dev/shm.
        gpu: it asks for a GPU.
        image: or an empty text.
    """

    name: str
    shm_size: str | None
    shm_bytes: int | None
    host_ipc: bool
    gpu: bool
    image: str

    @property
    def small(self) -> bool:
        """Whether its shared memory is below 2 GiB."""
        return not self.host_ipc and (self.shm_bytes or 0) < WANTED_BYTES


def parse(data: bytes, path: Path) -> list[Service]:
    """Read the services.

    Raises:
        InputError: it is no YAML in UTF-8 or has no services.
    """
    import yaml

    try:
        content = yaml.safe_load(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError("not-yaml", f"is no YAML: {_first_line(error)}", path=path) from error
    services = content.get("services") if isinstance(content, dict) else None
    if not isinstance(services, dict) or not services:
        raise InputError("no-services", "has no services, so it is no compose file", path=path)
    return [_service(str(name), body if isinstance(body, dict) else {}) for name, body in services.items()]


def relevant(services: list[Service]) -> list[Service]:
    """HeyGem's services: those that ask for a GPU, else those with its name, else all."""
    ours = [each for each in services if _OURS.search(f"{each.name} {each.image}")]
    return [each for each in services if each.gpu] or ours or services


def size_in_bytes(written: object) -> int | None:
    """Read a size such as ``2g``, ``2048MB`` or a number of bytes; None if it is none."""
    match = _SIZE.fullmatch(str(written).strip())
    return None if match is None else int(float(match[1]) * _UNITS[match[2].lower()])


def set_shm_size(data: bytes, names: list[str], path: Path) -> bytes:
    """Give services ``shm_size: 2g`` and keep every other byte.

    Raises:
        InputError: a service is not written as a block, or takes the value from somewhere else.
    """
    import yaml

    text = data.decode("utf-8")
    root = yaml.compose(text, yaml.SafeLoader)
    services = _child(root, "services")
    # A set: services that are aliases of one block share its one change.
    changes = {_change(_child(services, name), name, text, path) for name in names}
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text.encode()


def _change(node: Node | None, name: str, text: str, path: Path) -> tuple[int, int, str]:
    """Where the text changes (start, end), and to what."""
    from yaml.nodes import MappingNode, ScalarNode

    what = f"service {name} is not written in a way that can be edited without loss"
    odd = InputError("odd-service", what, path=path, hint=f"Add to it yourself: shm_size: {WANTED}")
    if not isinstance(node, MappingNode) or node.flow_style or not node.value:
        raise odd
    value = _child(node, "shm_size")
    if value is None:
        # The mark stands behind the indentation of the first key: the new line takes its place, the key follows below.
        first = node.value[0][0].start_mark
        newline = "\r\n" if "\r\n" in text else "\n"
        return first.index, first.index, f"shm_size: {WANTED}{newline}{' ' * first.column}"
    start, end = value.start_mark.index, value.end_mark.index
    # An alias stands elsewhere in the text.
    if not isinstance(value, ScalarNode) or not node.start_mark.index <= start < end <= node.end_mark.index:
        raise odd
    return start, end, WANTED


def _child(node: Node | None, name: str) -> Node | None:
    pairs = node.value if node is not None and isinstance(node.value, list) else []
    return next((value for key, value in pairs if getattr(key, "value", None) == name), None)


def _service(name: str, body: dict[str, Any]) -> Service:
    written = body.get("shm_size")
    return Service(
        name,
        None if written is None else str(written),
        size_in_bytes(written),
        body.get("ipc") == "host",
        _asks_for_gpu(body),
        str(body.get("image", "")),
    )


def _asks_for_gpu(body: dict[str, Any]) -> bool:
    if body.get("runtime") == "nvidia" or body.get("gpus"):
        return True
    place: Any = body
    for key in ("deploy", "resources", "reservations", "devices"):
        place = place.get(key) if isinstance(place, dict) else None
    devices = place if isinstance(place, list) else []
    return any(isinstance(each, dict) and "gpu" in (each.get("capabilities") or []) for each in devices)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
