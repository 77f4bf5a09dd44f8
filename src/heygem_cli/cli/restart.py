"""``heygem restart``: stop HeyGem, start it again, and wait until it answers."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from heygem_cli.cli.output import console, print_json, spinner
from heygem_cli.cli.parameters import command, only
from heygem_cli.errors import InputError
from heygem_cli.maintenance_options import ContainerOptions, RestartOptions
from heygem_cli.options import DisplayOptions, EngineOptions

if TYPE_CHECKING:
    from heygem_cli.heygem.restart import Restart


@command
def restart(
    *,
    engines: Annotated[EngineOptions, only("home")],
    containers: ContainerOptions,
    options: RestartOptions,
    display: Annotated[DisplayOptions, only("as_json")],
) -> None:
    """Restart a HeyGem and wait until it answers.

    It may run in a container, as a systemd unit or as a process, which gets the command line, the folder and the
    environment that it has now. Shows the commands and asks first. Exit 0: it answers again, 1: it does not.
    """
    from heygem_cli.heygem.restart import wait_until_ready

    plan = _plan(engines, containers.container, options.url)
    if not display.as_json:
        for line in plan.commands:
            console().print(Text(f"      {line}", style="cyan"))
    seconds = None
    if not options.dry_run and (options.yes or _confirm(as_json=display.as_json)):
        with spinner("restarting"):
            plan.run()
            seconds = round(wait_until_ready(plan, options.wait), 1)
    if display.as_json:
        print_json({"commands": list(plan.commands), "url": plan.url, "seconds": seconds})
    elif seconds is None:
        console().print("Nothing was restarted.")
    else:
        done = f"{plan.url} answers" if plan.url else "HeyGem runs (name its address with --url to see it answer)"
        console().print(f"{done} after {seconds:g} s")


def _confirm(*, as_json: bool) -> bool:
    if as_json or not sys.stdin.isatty():
        raise InputError("needs-yes", "cannot ask for confirmation", hint="Add --yes, or --dry-run")
    return typer.confirm("Restart it? Jobs that run are lost.", default=False, err=True)


def _plan(engines: EngineOptions, container: str | None, url: str | None) -> Restart:
    from heygem_cli.heygem.container.client import find_container
    from heygem_cli.heygem.container.snapshot import take_snapshot
    from heygem_cli.heygem.installation.tree import find_home, is_installation
    from heygem_cli.heygem.restart import find_running, restart_container, restart_process

    if container is not None:
        from heygem_cli.heygem.container.addresses import published_url

        found = find_container(container)
        with tempfile.TemporaryDirectory(prefix="heygem-container-") as folder:
            home = None if engines.home is None else str(engines.home)
            snapshot = take_snapshot(found, Path(folder), home=home, python=None)
        if snapshot.home is None:
            hint = f"Restart it with {found.tool} if that is what you mean"
            raise InputError("not-heygem", "there is no HeyGem in this container", path=container, hint=hint)
        return restart_container(found, url or published_url(found))
    root = find_home(engines.home, os.environ, Path.cwd())
    if root is not None and is_installation(root):
        return restart_process(root, url)
    running = find_running() if engines.home is None else []
    if len(running) != 1:
        message = f"{len(running)} HeyGems run here" if running else "no HeyGem runs here"
        hint = (
            f"Name one with --home: {', '.join(map(str, running))}" if running else "Name it with --container or --home"
        )
        raise InputError("not-running", message, hint=hint)
    return restart_process(running[0], url)
