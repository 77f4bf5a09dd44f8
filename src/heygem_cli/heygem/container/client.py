"""Look into a running container, and write its files, with the ``docker`` or ``podman`` command of the host."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from heygem_cli.errors import HeygemError, InputError, NotCapableError, printable
from heygem_cli.processes import find_program

PROGRAMS = ("docker", "podman")
TIMEOUT = 20.0
NOT_EXECUTED = (125, 126, 127)
"""The statuses of ``exec`` if the command could not be started."""

_REPLACE = """\
file=$1 new=$1.heygem-new
if [ -e "$file" ]; then cp -p "$file" "$new"; else : > "$new" && chmod 644 "$new"; fi || exit 1
if ! cat > "$new"; then rm -f "$new"; exit 1; fi
[ "$(wc -c < "$new")" -eq "$2" ] || { rm -f "$new"; echo "the transfer was cut off" >&2; exit 1; }
# A file that is mounted by itself cannot be replaced, only overwritten.
mv -f "$new" "$file" 2>/dev/null || { cat "$new" > "$file" && rm -f "$new"; }
"""

_BACK_UP = """\
number=0; copy=$1.$2.bak
while [ -e "$copy" ]; do number=$((number + 1)); copy=$1.$2-$number.bak; done
cp -p "$1" "$copy" && echo "$copy"
"""


@dataclass(frozen=True)
class Container:
    """A running container.

    Attributes:
        program: ``docker`` or ``podman``, with its folder.
        name: Its name or id, as the user gave it.
        facts: What ``inspect`` says of it.
    """

    program: str
    name: str
    facts: Mapping[str, Any]

    @property
    def tool(self) -> str:
        """The name of the program: ``docker`` or ``podman``."""
        return PurePosixPath(self.program).name

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the image and ``run`` set."""
        pairs = self.facts.get("Config", {}).get("Env") or []
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)

    @property
    def working_folder(self) -> PurePosixPath:
        """The folder in which its command starts."""
        return PurePosixPath(self.facts.get("Config", {}).get("WorkingDir") or "/")

    def exec_command(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> list[str]:
        """Return the command line that runs a command in the container."""
        own = self.environment
        changed = {name: value for name, value in (environment or {}).items() if own.get(name) != value}
        settings = [part for name, value in changed.items() for part in ("-e", f"{name}={value}")]
        return [self.program, "exec", "-i", *settings, self.name, *command]

    def run(self, *command: str, data: bytes = b"", timeout: float = TIMEOUT) -> subprocess.CompletedProcess[bytes]:
        """Run a command in the container.

        Raises:
            HeygemError: It takes longer than the time-out.
        """
        return _run(self.exec_command(command), data=data, timeout=timeout)

    def read(self, path: PurePosixPath | str) -> bytes | None:
        """Return the content of a file; None if it cannot be read."""
        result = self.run("cat", str(path))
        return None if result.returncode else result.stdout

    def real_path(self, path: PurePosixPath, folder: PurePosixPath) -> PurePosixPath:
        """Resolve the links of a path below ``folder``.

        Raises:
            InputError: A link leads out of it.
        """
        result = self.run("readlink", "-f", str(path))
        real = PurePosixPath(_last_line(result.stdout) or path)
        if real.is_relative_to(folder):
            return real
        message = f"a link to {printable(real)}, which is outside the folder"
        name = f"{self.name}:{path}"
        raise InputError("link-outside", message, path=name, hint="Edit that file by hand")

    def write(self, path: PurePosixPath, data: bytes) -> None:
        """Replace a file, atomically where the file system allows it; keep its mode and owner.

        Raises:
            HeygemError: It cannot be written, or its content is not what was written.
        """
        command = ("sh", "-c", _REPLACE, "sh", str(path), str(len(data)))
        result = self.run(*command, data=data, timeout=3 * TIMEOUT)
        if result.returncode:
            raise self._not_written(
                path, f"cannot be written: {_last_line(result.stderr) or 'the container has no sh'}"
            )
        if self.read(path) != data:
            raise self._not_written(path, "was overwritten at once")

    def back_up(self, path: PurePosixPath, stamp: str) -> PurePosixPath:
        """Copy a file beside itself, with its mode and owner, under a name with ``stamp`` that is not taken.

        Raises:
            HeygemError: It cannot be copied.
        """
        result = self.run("sh", "-c", _BACK_UP, "sh", str(path), stamp)
        if result.returncode:
            raise self._not_written(path, f"cannot be copied: {_last_line(result.stderr) or 'the container has no sh'}")
        return PurePosixPath(_last_line(result.stdout))

    def make_folder(self, path: PurePosixPath) -> None:
        """Create a folder, if it does not exist.

        Raises:
            HeygemError: It cannot be created.
        """
        result = self.run("mkdir", "-p", str(path))
        if result.returncode:
            raise self._not_written(path, f"cannot be created: {_last_line(result.stderr)}")

    def _not_written(self, path: PurePosixPath, why: str) -> HeygemError:
        hint = f"Look into the container: {self.tool} exec -it {self.name} sh"
        return HeygemError("not-written", why, path=f"{self.name}:{path}", hint=hint)

    def logs(self, lines: int = 20_000) -> bytes:
        """Return the end of what the container's command has printed."""
        result = _run([self.program, "logs", "--tail", str(lines), self.name], merge=True, timeout=3 * TIMEOUT)
        return b"" if result.returncode else result.stdout

    def command_lines(self) -> list[tuple[int, str]]:
        """Return the ids and the command lines of its processes, as ``top`` shows them."""
        columns = ["pid", "args"] if self.tool == "podman" else ["-eo", "pid,args"]
        result = _run([self.program, "top", self.name, *columns])
        rows = (line.split(None, 1) for line in result.stdout.decode(errors="replace").splitlines()[1:])
        return [(int(row[0]), row[1].strip()) for row in rows if len(row) > 1 and row[0].isdecimal()]

    def addresses(self) -> Iterator[tuple[int, str]]:
        """Yield its published ports, and the address of each on this machine."""
        ports = self.facts.get("NetworkSettings", {}).get("Ports") or {}
        for port, bindings in ports.items():
            number = int(port.partition("/")[0])
            for binding in bindings or []:
                yield number, f"http://{_reachable(binding.get('HostIp', ''))}:{binding['HostPort']}"
        if self.facts.get("HostConfig", {}).get("NetworkMode") == "host":
            yield from ((port, f"http://127.0.0.1:{port}") for port in (8383, 7860))


def isolated_script(script: str) -> str:
    """Return a script for ``python -`` that imports nothing from the folder in which the container runs it."""
    return f"import sys\nsys.path[:] = [each for each in sys.path if each]\nexec({script!r})\n"


def find_container(name: str) -> Container:
    """Find a running container of Docker or Podman by its name or id.

    Raises:
        InputError: There is none of this name, or it does not run.
        NotCapableError: Neither ``docker`` nor ``podman`` works here.
    """
    programs = [path for program in PROGRAMS if (path := find_program(program))]
    if not programs:
        hint = "Install one of them, or run heygem inside the container"
        raise NotCapableError("no-docker", "neither docker nor podman is on the PATH", hint=hint)
    running, errors = [], []
    for program in programs:
        result = _run([program, "inspect", "--type", "container", name])
        found = _facts(result.stdout)
        if found is not None:
            return _running(Container(program, name, found))
        listed = _run([program, "ps", "--format", "{{.Names}}"])
        running += listed.stdout.decode(errors="replace").split()
        if listed.returncode:
            errors.append(_last_line(listed.stderr))
    if len(errors) == len(programs):
        hint = "Start Docker, or run as a user who may use it (sudo, or the group docker)"
        raise NotCapableError("no-docker", f"the containers cannot be listed: {errors[0]}", hint=hint)
    hint = f"Running: {', '.join(map(printable, running))}" if running else "No container is running"
    raise InputError("no-container", f"there is no container {printable(name)}", hint=hint)


def _running(container: Container) -> Container:
    if container.facts.get("State", {}).get("Running"):
        return container
    state, code = (container.facts.get("State", {}).get(key) for key in ("Status", "ExitCode"))
    tool, name = container.tool, container.name
    hint = f"Start it: {tool} start {name}; see why it ended: {tool} logs {name}"
    message = f"the container {name} is not running ({state}, exit status {code})"
    raise InputError("container-stopped", message, hint=hint)


def _facts(text: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content[0] if isinstance(content, list) and content else None


def _reachable(address: str) -> str:
    return "127.0.0.1" if address in ("", "0.0.0.0", "::") else address  # noqa: S104 - what it listens on


def _last_line(text: bytes) -> str:
    return text.decode(errors="replace").strip().rpartition("\n")[2]


def _run(
    command: Sequence[str], *, data: bytes = b"", merge: bool = False, timeout: float = TIMEOUT
) -> subprocess.CompletedProcess[bytes]:
    errors = subprocess.STDOUT if merge else subprocess.PIPE
    try:
        return subprocess.run(
            command, input=data, stdout=subprocess.PIPE, stderr=errors, timeout=timeout, env=os.environ, check=False
        )
    except subprocess.TimeoutExpired as error:
        message = f"`{' '.join(command[:2])}` did not answer within {timeout:g} s"
        raise HeygemError("container-timeout", message, hint="The container or its daemon hangs: restart it") from error
    except OSError as error:
        message = f"cannot be started: {error.strerror or error}"
        raise NotCapableError("no-docker", message, path=command[0], hint="Reinstall it") from error
