"""``heygem fix-config``: repair the configuration of a HeyGem installation."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from heygem_cli.cli.output import console, print_json
from heygem_cli.cli.parameters import command, only
from heygem_cli.errors import HeygemError, InputError, printable
from heygem_cli.maintenance_options import ContainerOptions, RepairOptions
from heygem_cli.options import DisplayOptions, EngineOptions

if TYPE_CHECKING:
    from heygem_cli.heygem.repair.plan import Edit, Plan
    from heygem_cli.heygem.repair.target import Target

Written = dict[Path, PurePath | None]
"""The files that were written, and their backups."""


@command
def fix_config(
    *,
    engines: Annotated[EngineOptions, only("home", "python", "conda_env")],
    options: RepairOptions,
    containers: ContainerOptions,
    display: Annotated[DisplayOptions, only("as_json")],
) -> None:
    """Repair the configuration of a HeyGem.

    Edits opt.txt, config.ini and heygem.env; on request app.py and a compose file. Each file is backed up first.
    """
    with _target(engines, options, containers) as target:
        _repair(target, options, display)


@contextmanager
def _target(engines: EngineOptions, options: RepairOptions, containers: ContainerOptions) -> Iterator[Target]:
    from heygem_cli.heygem.local.locate import named_python
    from heygem_cli.heygem.repair.target import Target, container_target

    if containers.container is not None:
        with container_target(containers.container, engines) as target:
            yield target
        return
    root = _root(engines, options)
    yield Target(root, named_python(engines, root, os.environ))


def _repair(target: Target, options: RepairOptions, display: DisplayOptions) -> None:
    from heygem_cli.heygem.repair.plan import make_plan

    plan = make_plan(
        target.home,
        app=options.app,
        compose_file=options.compose,
        user_home=target.user_home,
        python=target.python,
        proc=target.proc,
    )
    if target.home is None and plan.problems:
        raise plan.problems[0]
    read_only = options.dry_run or options.check
    if not display.as_json:
        _print_plan(plan, target)
    ask = bool(plan.edits) and not read_only and not options.yes
    if ask and (display.as_json or not sys.stdin.isatty()):
        raise InputError("needs-yes", "cannot ask for confirmation", hint="Add --yes, or --dry-run")
    written: Written = {}
    problems: list[HeygemError] = list(plan.problems)
    if not read_only and (not ask or _confirm(plan)):
        written = _apply(plan, target, problems)
    if display.as_json:
        print_json(_to_dict(target, plan, written, problems))
    else:
        _print_result(plan, target, written, problems, read_only=read_only)
    if problems or (options.check and plan.edits):
        raise typer.Exit(1)


def _root(engines: EngineOptions, options: RepairOptions) -> Path | None:
    """Return the installation; None if only a compose file is to be edited.

    Raises:
        InputError: There is none, or the named folder is something else: nothing may be written there.
    """
    from heygem_cli.heygem.installation import compose
    from heygem_cli.heygem.installation.files import read_small
    from heygem_cli.heygem.installation.tree import HOME_HINT, find_compose, find_home, is_installation

    root = find_home(engines.home, os.environ, Path.cwd())
    if root is not None and is_installation(root):
        return root
    if options.compose is not None and engines.home is None:
        return None
    folder = root or Path.cwd()
    hint, file = HOME_HINT, find_compose(folder)
    if file is not None and compose.heygem_services(compose.parse(read_small(file), file)):
        hint = f"HeyGem is in a container here: heygem fix-config --compose {shlex.quote(str(file))}"
    if root is None:
        raise InputError("no-home", "there is no HeyGem installation here", path=folder, hint=hint)
    raise InputError("not-heygem", "not a HeyGem installation: nothing is written there", path=root, hint=hint)


def _confirm(plan: Plan) -> bool:
    return typer.confirm(f"Write {_count(len(plan.edits), 'file')}?", default=True, err=True)


def _apply(plan: Plan, target: Target, problems: list[HeygemError]) -> Written:
    written: Written = {}
    now = datetime.now().astimezone()
    for edit in plan.edits:
        try:
            written[edit.path] = target.apply(edit, now)
        except HeygemError as error:
            problems.append(error)
    return written


def _print_plan(plan: Plan, target: Target) -> None:
    out = console()
    if target.home is not None:
        out.print(Text.assemble("HeyGem in ", (target.name, "bold")))
    for edit in plan.edits:
        _print_edit(edit, target, "")
    for edit in plan.by_hand:
        _print_edit(edit, target, "not applied without --app: ")
    out.print()
    for edit in plan.right:
        out.print(Text.assemble(("ok    ", "green"), _name(edit.path, target)))
        if edit.inert:
            _print_effect(edit, target)
    if plan.running and plan.start is not None:
        pids = ", ".join(str(process.pid) for process in plan.running)
        note = f"HeyGem is running (process {pids}) with its old settings. Restart it:"
        out.print(Text.assemble(("note  ", "yellow"), note))
        out.print(Text(f"      heygem restart {target.option}", style="cyan"))


def _name(path: Path, target: Target) -> str:
    home = target.home
    return printable(path.relative_to(home) if home is not None and path.is_relative_to(home) else path)


def _print_edit(edit: Edit, target: Target, note: str) -> None:
    out = console()
    out.print()
    out.print(Text.assemble(("edit  ", "bold yellow"), (_name(edit.path, target), "bold")))
    out.print(Text(f"      {note}{edit.what}"))
    colors = {"+": "green", "-": "red", "@": "cyan"}
    for line in _diff(edit):
        out.print(Text(f"      {line}", style=colors.get(line[:1], "")))
    _print_effect(edit, target)


def _print_effect(edit: Edit, target: Target) -> None:
    out = console()
    out.print(Padding(Text(edit.effect), (0, 0, 0, 6), expand=False), soft_wrap=False)
    if edit.command:
        # On its own line and never wrapped, so that it can be pasted.
        out.print(Text(f"      {target.shown(edit.command)}", style="cyan"))


def _diff(edit: Edit) -> list[str]:
    """Return a unified diff without the lines that name the file."""
    import difflib

    from heygem_cli.heygem.installation.files import decode_for_display

    before, after = (decode_for_display(data or b"").splitlines() for data in (edit.before, edit.after))
    lines = list(difflib.unified_diff(before, after, lineterm="", n=1))[2:]
    return ["".join(c if c.isprintable() or c == "\t" else "�" for c in line) for line in lines]


def _print_result(
    plan: Plan, target: Target, written: Written, problems: list[HeygemError], *, read_only: bool
) -> None:
    out = console()
    out.print()
    for path, backup in written.items():
        note = f", backup {printable(backup.name)}" if backup else ""
        out.print(Text.assemble(("wrote ", "bold green"), _name(path, target), note))
    for problem in problems:
        console(stderr=True).print(Text.assemble(("error: ", "bold red"), target.shown(str(problem))))
    if read_only and plan.edits:
        out.print(f"{_count(len(plan.edits), 'file')} would change; nothing was written.")
    elif not plan.edits and not problems:
        out.print("Nothing to change.")
    elif not written and plan.edits:
        out.print("Nothing was written.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _to_dict(target: Target, plan: Plan, written: Written, problems: list[HeygemError]) -> dict[str, object]:
    def to_dict(edit: Edit) -> dict[str, object]:
        backup = written.get(edit.path)
        return {
            "path": target.shown(str(edit.path)),
            "change": edit.what,
            "effect": edit.effect,
            "command": target.shown(edit.command),
            "diff": _diff(edit),
            "written": edit.path in written,
            "backup": None if backup is None else str(backup),
        }

    return {
        "home": None if target.home is None else target.shown(str(target.home)),
        "edits": [to_dict(edit) for edit in plan.edits],
        "by_hand": [to_dict(edit) for edit in plan.by_hand],
        "right": [target.shown(str(edit.path)) for edit in plan.right],
        "problems": [{name: target.shown(str(value)) for name, value in each.to_dict().items()} for each in problems],
        "running": [process.pid for process in plan.running],
    }
