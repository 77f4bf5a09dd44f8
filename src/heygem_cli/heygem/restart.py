"""Restart HeyGem: its container, its systemd unit, or its process, with the command line that it has now."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import HeygemError, InputError, printable
from heygem_cli.heygem.container.client import Container
from heygem_cli.heygem.installation.start import find_start
from heygem_cli.heygem.installation.tree import is_installation, main_processes, process_environment, processes
from heygem_cli.http_client import send
from heygem_cli.processes import children, find_program

STOP_SECONDS = 20.0
"""How long HeyGem may take to end after SIGTERM; then it is killed."""
COMMAND_SECONDS = 120.0
OWN_LOG = Path("heygem-restart.log")
"""What HeyGem prints goes there if its terminal or pipe is gone."""

_UNIT = re.compile(r"/([\w@.:\\-]+\.service)(?:/|$)")


@dataclass(frozen=True)
class Restart:
    """How to restart a HeyGem.

    Attributes:
        commands: What is done, as lines for a shell.
        run: Does it.
        alive: Whether it runs.
        url: Its address; None if it is unknown.
    """

    commands: tuple[str, ...]
    run: Callable[[], None]
    alive: Callable[[], bool]
    url: str | None


def restart_container(container: Container, url: str | None) -> Restart:
    """Return how to restart a container."""

    def alive() -> bool:
        result = subprocess.run(
            [container.program, "inspect", "-f", "{{.State.Running}}", container.name],
            capture_output=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        return result.stdout.strip() != b"false"

    command = [container.program, "restart", container.name]
    return Restart((shlex.join([container.tool, *command[1:]]),), lambda: _run(command), alive, url)


def restart_process(home: Path, url: str | None, proc: Path = Path("/proc")) -> Restart:
    """Return how to restart the HeyGem of an installation.

    Raises:
        InputError: It does not run, or runs as a process that is not to be touched from here.
    """
    running = [each for each in main_processes(home, proc) if _is_ours(each.pid, proc)]
    if not running:
        start = find_start(home, proc).shell()
        hint = f"Start it: {start}" if start else "Start it as its documentation says"
        raise InputError("not-running", "HeyGem does not run there", path=home, hint=hint)
    pids = [each.pid for each in running]
    address = url or next(iter(_addresses(_with_descendants(pids), proc)), None)
    systemctl = find_program("systemctl")
    unit = None if systemctl is None else _unit(systemctl, pids, proc)

    def alive() -> bool:
        return bool(main_processes(home, proc))

    if systemctl is not None and unit is not None:
        command = [systemctl, "restart", unit]
        return Restart((shlex.join(["systemctl", *command[1:]]),), lambda: _run(command), alive, address)
    return _replace(home, pids, address, proc, alive)


def _replace(home: Path, pids: list[int], url: str | None, proc: Path, alive: Callable[[], bool]) -> Restart:
    if len(pids) > 1:
        hint = f"Stop what should not run: kill {' '.join(map(str, pids[1:]))}"
        message = f"{len(pids)} HeyGem processes run there: {', '.join(map(str, pids))}"
        raise InputError("several-processes", message, path=home, hint=hint)
    (pid,) = pids
    start = find_start(home, proc)
    owner = (proc / str(pid)).stat()
    environment = process_environment(pid, proc)
    if environment is None:
        hint = "Run as its owner, or with sudo"
        raise InputError("no-permission", "no permission to restart HeyGem's process", path=proc / str(pid), hint=hint)
    output = _output(pid, proc, home)
    line = f"{start.shell()} >> {shlex.quote(str(output))} 2>&1 &"

    def run() -> None:
        stop(pids, proc)
        _start(start.command, home, environment, output, (owner.st_uid, owner.st_gid))

    return Restart((f"kill {pid}", line), run, alive, url)


def find_running(proc: Path = Path("/proc")) -> list[Path]:
    """Return the root folders of the installations that run here, not in a container."""
    homes = set()
    for folder in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            home = (folder / "cwd").readlink()
            if is_installation(home) and processes(home, proc) and _is_ours(int(folder.name), proc):
                homes.add(home)
    return sorted(homes)


def _is_ours(pid: int, proc: Path) -> bool:
    """Return whether a process sees the same file system as we do, that is, runs in no other container."""
    try:
        return (proc / str(pid) / "ns/mnt").readlink() == (proc / "self/ns/mnt").readlink()
    except OSError:
        return False


def stop(pids: Sequence[int], proc: Path = Path("/proc")) -> None:
    """End processes and all that descend from them; kill what has not ended in time.

    Raises:
        HeygemError: There is no permission, or one cannot be ended.
    """
    known = {pid: born for pid in _with_descendants(pids) if (born := _born(pid, proc))}
    _signal(list(pids), signal.SIGTERM)
    if _wait_for_end(known, proc, STOP_SECONDS):
        return
    # The start times tell them from new processes with the same numbers.
    _signal([pid for pid, born in known.items() if _born(pid, proc) == born], signal.SIGKILL)
    if not _wait_for_end(known, proc, STOP_SECONDS):
        raise HeygemError("not-stopped", f"HeyGem's process {pids[0]} cannot be ended", hint="Restart the machine")


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
        except PermissionError as error:
            message = f"no permission to end HeyGem's process {pid}"
            raise HeygemError("not-stopped", message, hint="Run as its owner, or with sudo") from error


def _wait_for_end(known: Mapping[int, str], proc: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(_born(pid, proc) == born for pid, born in known.items()):
            return True
        time.sleep(0.1)
    return False


def _born(pid: int, proc: Path) -> str:
    """Return the start time of a process; an empty string if it has ended."""
    try:
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _with_descendants(pids: Sequence[int]) -> list[int]:
    found = list(dict.fromkeys(pids))
    for pid in found:
        found += [each for each in children(pid) if each not in found]
    return found


def _output(pid: int, proc: Path, home: Path) -> Path:
    """Return the file to which a process prints; another one if it prints elsewhere."""
    with contextlib.suppress(OSError):
        target = (proc / str(pid) / "fd/1").readlink()
        if target.is_file() and not target.is_relative_to("/dev"):
            return target
    return home / OWN_LOG


def _start(
    command: Sequence[str], home: Path, environment: Mapping[str, str], output: Path, owner: tuple[int, int]
) -> None:
    user, group = owner if os.geteuid() == 0 and owner[0] != 0 else (None, None)
    try:
        with output.open("ab") as file:
            subprocess.Popen(
                command, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                start_new_session=True, user=user, group=group,
            )  # fmt: skip
    except OSError as error:
        message = f"HeyGem has been stopped but cannot be started: {error.strerror or error}"
        hint = f"Start it by hand: cd {shlex.quote(str(home))} && {shlex.join(command)}"
        raise HeygemError("not-started", message, hint=hint) from error


def _unit(systemctl: str, pids: Sequence[int], proc: Path) -> str | None:
    """Return the systemd unit whose main process is one of these."""
    for pid in pids:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            match = _UNIT.search((proc / str(pid) / "cgroup").read_text())
            if match is not None:
                command = [systemctl, "show", "-p", "MainPID", "--value", match[1]]
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
                if done.stdout.strip() == str(pid):
                    return match[1]
    return None


def _addresses(pids: Sequence[int], proc: Path) -> Iterator[str]:
    """Yield the addresses on which processes listen, the lowest port first."""
    sockets = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for descriptor in (proc / str(pid) / "fd").iterdir():
                with contextlib.suppress(OSError):
                    sockets.add(str(descriptor.readlink()))
    ports = set()
    for name in ("net/tcp", "net/tcp6"):
        with contextlib.suppress(OSError):
            for line in (proc / name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    yield from (f"http://127.0.0.1:{port}" for port in sorted(ports))


def wait_until_ready(restart: Restart, seconds: float) -> float:
    """Wait until HeyGem answers, or, without an address, until it has run for a while; return the seconds it took.

    Raises:
        HeygemError: It has ended, or does not answer in time.
    """
    start = time.monotonic()
    status = None
    while (elapsed := time.monotonic() - start) < seconds:
        if restart.url is not None and (status := _status(restart.url)) is not None and status < 500:
            return elapsed
        if elapsed > 3 and not restart.alive():
            hint = "Read what it has printed: docker logs, or the file to which its output goes"
            raise HeygemError("not-started", "HeyGem has ended right after its start", hint=hint)
        if restart.url is None and elapsed > min(15.0, seconds / 2):
            return elapsed
        time.sleep(0.5)
    url, hint = printable(str(restart.url)), "Read its log, wait longer with --wait, or name its address with --url"
    if status is None:
        raise HeygemError("not-ready", f"HeyGem runs, but {url} has not answered after {seconds:g} s", hint=hint)
    raise HeygemError("not-ready", f"HeyGem runs, but {url} answers HTTP {status} after {seconds:g} s", hint=hint)


def _status(url: str) -> int | None:
    try:
        return send(url, timeout=5.0, max_bytes=1000).status
    except (OSError, http.client.HTTPException):
        return None


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HeygemError("not-started", f"`{shlex.join(command)}`: {error}", hint="Run it by hand") from error
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"
        raise HeygemError("not-started", f"`{shlex.join(command)}` failed: {reason}", hint="Run it by hand")
