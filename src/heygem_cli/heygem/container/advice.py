"""Advice for somebody who works on the container's host."""

from __future__ import annotations

import re
import shlex

from heygem_cli.heygem.container.client import Container

_INSIDE = re.compile(
    r"(?:cd|rm|ls|df|ps|tail|chmod|bash|conda) |(?:groups|nvidia-smi)$|\$\{EDITOR|'?(?:/\S*/)?python[\d.]*'? "
)
"""What a command begins with that is meant for a shell in the container."""
_SHELL = re.compile(r"[&|;$*<>]")
_SETTING = re.compile(r"export (\w+)=(\S*?)(?::\$\1)?(?:\s+#.*)?$")


def advice_at_host(container: Container, text: str) -> str:
    """Return advice that works on the host: commands for the container go through ``exec`` or ``run``."""
    tool, name = container.tool, container.name
    text = re.sub(r"\bdocker (restart|logs) (?:NAME|…)", rf"{tool} \1 {name}", text)
    text = re.sub(r"\bdocker run\b", f"{tool} run", text)
    if setting := _SETTING.match(text):
        return f"{tool} run -e {setting[1]}={setting[2]} …   # when the container is created"
    if text.startswith("unset "):
        return f"Create the container without {text.removeprefix('unset ')} in its environment"
    if text.startswith("ulimit "):
        return f"{tool} run --ulimit nofile=4096:4096 …   # when the container is created"
    repair, and_then, start = text.partition(" && cd ")
    if and_then and repair.startswith("heygem "):
        return f"{repair}   # and let the container start HeyGem so: cd {start}"
    command, *comment = re.split(r"(?= {2,}# )", text, maxsplit=1)
    return "; ".join(_inside(container, part) for part in command.split("; ")) + "".join(comment)


def _inside(container: Container, command: str) -> str:
    if not _INSIDE.match(command):
        return command
    line = f"sh -c {shlex.quote(command)}" if _SHELL.search(command) else command
    return f"{container.tool} exec -it {container.name} {line}"
