"""The inputs of checks that look into a running container."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.log_file import LogText, read_texts
from heygem_cli.doctor.machine import ContainerMachine
from heygem_cli.errors import InputError
from heygem_cli.heygem.container.addresses import published_url
from heygem_cli.heygem.container.client import Container, find_container
from heygem_cli.heygem.container.conda import conda_library_folder, named_python
from heygem_cli.heygem.container.snapshot import PRINTED_LOG, Snapshot, take_snapshot
from heygem_cli.heygem.installation.config_ini import find_log
from heygem_cli.maintenance_options import DoctorOptions
from heygem_cli.options import EngineOptions

GROUPS_OF_THE_HOST = ("runtime", "engine")
"""Groups of checks that concern heygem itself, which runs outside of the container."""


@contextmanager
def container_inputs(name: str, engines: EngineOptions, options: DoctorOptions) -> Iterator[Inputs]:
    """Copy what the checks read, and remove it at the end.

    Raises:
        InputError: There is no such container, it does not run, or a folder or file that was named is not in it.
    """
    container = find_container(name)
    home = None if engines.home is None else str(engines.home)
    with tempfile.TemporaryDirectory(prefix="heygem-container-") as folder:
        files = [str(path) for path in options.log]
        named = named_python(container, engines)
        snapshot = take_snapshot(container, Path(folder), home=home, python=named, files=files)
        if home is not None and snapshot.home is None:
            hint = "Name HeyGem's root folder in the container with --home, or leave it out"
            raise InputError("home-missing", "there is no HeyGem in this folder", path=f"{name}:{home}", hint=hint)
        python = named or snapshot.program or snapshot.python
        yield Inputs(
            machine=ContainerMachine(container, snapshot, conda_library_folder(container, python)),
            dev=snapshot.root / "dev",
            proc=snapshot.root / "proc",
            cgroup=snapshot.root / "sys/fs/cgroup",
            environment=container.environment,
            python=snapshot.python or "python3",
            packages=(),
            home=None if snapshot.home is None else snapshot.local(snapshot.home),
            home_python=python if snapshot.python else None,
            compose=options.compose,
            url=options.url or published_url(container),
            maps=engines.maps,
            logs=_logs(container, snapshot, options.log),
            require_gpu="gpu" in options.require,
            require_service="service" in options.require,
        )


def _logs(container: Container, snapshot: Snapshot, named: tuple[Path, ...]) -> tuple[LogText, ...]:
    """Return the logs named by the user, else none for that of the installation, else what the container prints."""
    if named:
        return tuple(read_texts([snapshot.local(str(path)) for path in named]))
    if snapshot.home is not None:
        path = find_log(snapshot.local(snapshot.home))
        if path.exists() and path.is_relative_to(snapshot.root):
            return ()
        if not path.is_relative_to(snapshot.root) and (data := container.read(str(path))) is not None:
            snapshot.local(str(path)).parent.mkdir(parents=True, exist_ok=True)
            snapshot.local(str(path)).write_bytes(data)
            return tuple(read_texts([snapshot.local(str(path))]))
    (printed,) = read_texts([snapshot.local(PRINTED_LOG)])
    name = Path(f"{container.tool} logs {container.name}")
    return (dataclasses.replace(printed, path=name, modified=None),) if printed.text.strip() else ()
