"""Plan the edits of an installation: every file is read before the first one is written."""

from __future__ import annotations

import codecs
import dataclasses
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError, printable
from heygem_cli.heygem.installation import compose, config_ini, gradio_queue, opt_file, tree
from heygem_cli.heygem.installation.app_variables import edit_variables
from heygem_cli.heygem.installation.files import decode_lossless, read_if_exists, read_small, real_path
from heygem_cli.heygem.installation.start import Start, find_start, tree_start
from heygem_cli.heygem.repair import env_file

BY_HAND = "Change it by hand"


@dataclass(frozen=True)
class Edit:
    """A file and its new content.

    Attributes:
        path: The file, symbolic links resolved.
        before: Its content; None if it does not exist.
        after: The new content.
        what: The change in a few words.
        effect: How the change takes effect.
        command: The command that makes it take effect; empty if restarting HeyGem is enough.
        inert: Whether the file never has an effect by itself.
        folder: A folder that the new content requires.
    """

    path: Path
    before: bytes | None
    after: bytes
    what: str
    effect: str
    command: str = ""
    inert: bool = False
    folder: Path | None = None

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return self.before != self.after


@dataclass(frozen=True)
class Plan:
    """The edits of an installation.

    Attributes:
        edits: The edits to write.
        by_hand: Edits that are only shown: app.py, unless requested.
        right: Files that need no edit.
        problems: Why files cannot be edited.
        running: The running processes of the installation.
        start: How to start HeyGem; None without an installation.
    """

    edits: tuple[Edit, ...]
    by_hand: tuple[Edit, ...]
    right: tuple[Edit, ...]
    problems: tuple[InputError, ...]
    running: tuple[tree.Process, ...]
    start: Start | None


def make_plan(
    home: Path | None,
    *,
    app: bool,
    compose_file: Path | None,
    user_home: Path,
    python: str | None = None,
    proc: Path = Path("/proc"),
) -> Plan:
    """Plan the edits of all files.

    Args:
        home: The root of the installation, resolved; None to edit the compose file only.
        app: Whether to edit app.py.
        compose_file: A compose file to edit.
        user_home: The user's home folder, which HeyGem's clean-up must not delete.
        python: HeyGem's interpreter, if known.
        proc: The mount point of procfs.
    """
    planners: list[Callable[[], Edit]] = []
    start = None if home is None else find_start(home, proc, python)
    if home is not None and start is not None:
        planners = [lambda: plan_env(home, start)]
        # A tree without compiled modules may keep its configuration elsewhere: then there is nothing to edit.
        if not tree.is_elsewhere(home, tree.CONFIG_INI):
            planners.insert(0, lambda: plan_config(home, user_home))
        if not tree.is_elsewhere(home, tree.OPT_TXT):
            planners.insert(0, lambda: plan_opt(home, start))
    if compose_file is not None:
        planners.append(lambda: plan_compose(compose_file, home))
    edits, problems = _collect(planners)
    problems += [] if home is None else _unusable(home)
    app_planners: list[Callable[[], Edit]] = []
    if home is not None and start is not None and os.path.lexists(home / tree.APP):
        app_planners = [lambda: plan_app(home, start.command[0] if start.command else "")]
    app_edits, app_problems = _collect(app_planners)
    changes = [edit for edit in edits if edit.changes]
    app_changes = [edit for edit in app_edits if edit.changes]
    return Plan(
        edits=(*changes, *(app_changes if app else [])),
        by_hand=() if app else tuple(app_changes),
        right=tuple(edit for edit in (*edits, *app_edits) if not edit.changes),
        problems=(*problems, *app_problems),
        running=() if home is None else tuple(tree.processes(home, proc)),
        start=start,
    )


def _unusable(home: Path) -> list[InputError]:
    try:
        data = read_if_exists(home / tree.CONFIG_INI)
        return [] if data is None else config_ini.unusable(home, config_ini.parse(data, home / tree.CONFIG_INI))
    except InputError:  # reported with the edit of config.ini
        return []


def plan_opt(home: Path, start: Start) -> Edit:
    """Set ``num_threads: 0`` in opt.txt."""
    path = resolve_inside(home, tree.OPT_TXT)
    hint = "HeyGem writes the file at every start: start it once"
    before = read_if_exists(path)
    if before is None:
        raise InputError("missing", "there is no opt.txt", path=path, hint=hint)
    text, codec = decode_lossless(before, path)
    old = opt_file.values(text, opt_file.NUM_THREADS)
    if not old:
        raise InputError("no-num-threads", "num_threads is not set", path=path, hint=hint)
    after = opt_file.set_value(text, opt_file.NUM_THREADS, "0").encode(codec)
    effect = "No effect by itself: HeyGem writes this file at every start and never reads it. "
    effect += "What counts is its command line:" if start.sets_threads else "No script here passes --num_threads on."
    command = start.shell() if start.sets_threads else ""
    return Edit(path, before, after, f"num_threads: {', '.join(old)} → 0", effect, command, inert=True)


def plan_config(home: Path, user_home: Path) -> Edit:
    """Remove a byte-order mark from config.ini, and set a safe temp_dir if the clean-up would delete other files."""
    path = resolve_inside(home, tree.CONFIG_INI)
    before = read_small(path)
    config = config_ini.parse(before, path)
    after, changes, folder = before.removeprefix(codecs.BOM_UTF8), [], None
    if config.bom:
        changes.append("byte-order mark removed")
    if config_ini.endangered(home, config, user_home):
        folder = resolve_inside(home, Path(config_ini.OWN_TEMP))
        after = _set_ini(after, "temp_dir", config_ini.OWN_TEMP, path)
        changes.append(f"temp_dir: {config.get('temp', 'temp_dir')} → {config_ini.OWN_TEMP}")
        if config_ini.endangered(home, config_ini.parse(after, path), user_home):
            raise InputError("odd-config", "[temp] temp_dir cannot be changed", path=path, hint=BY_HAND)
    return Edit(path, before, after, ", ".join(changes), "Takes effect when HeyGem starts again.", folder=folder)


def _set_ini(data: bytes, key: str, value: str, path: Path) -> bytes:
    text, codec = decode_lossless(data, path)
    try:
        return config_ini.set_value(text, "temp", key, value).encode(codec)
    except ValueError as error:
        raise InputError("odd-config", str(error), path=path, hint=BY_HAND) from error


def plan_env(home: Path, start: Start) -> Edit:
    """Set the recommended variables in heygem.env."""
    path = resolve_inside(home, env_file.NAME)
    before = read_if_exists(path)
    text, codec = decode_lossless(before or b"", path)
    after = env_file.env_text(text, tree_start(home)).encode(codec)
    what = "new file with the recommended variables" if before is None else "recommended values"
    # The file sets them, so those of the process that it replaces must not.
    variables = {name: value for name, value in start.variables.items() if name not in env_file.NAMES}
    command = dataclasses.replace(start, variables=variables).shell("set -a", f". ./{env_file.NAME}", "set +a")
    return Edit(path, before, after, what, "No effect until it is loaded before HeyGem starts:", command, inert=True)


def plan_app(home: Path, python: str) -> Edit:
    """Set the arguments of Gradio's queue in app.py, and the recommended variables that it sets itself."""
    path = resolve_inside(home, tree.APP)
    before = read_small(path)
    after, changes = edit_variables(before, path)
    effect = "Takes effect when app.py starts again."
    if b"gradio" in before:  # else it serves something else, such as HeyGem's HTTP service
        version = gradio_queue.gradio_version(home, python)
        arguments = gradio_queue.written(gradio_queue.recommended(version))
        edited = gradio_queue.edit_queue(after, path, version)
        if gradio_queue.find_queue(edited, path, version).wrong:
            hint = f"Write by hand: {arguments}"
            raise InputError("unclear-queue", "the arguments of the queue cannot be changed", path=path, hint=hint)
        if edited != after:
            changes.append(f"queue({arguments}), for Gradio {version or 'of any version'}")
            effect += f" {gradio_queue.CLOSES}."
        after = edited
    return Edit(path, before, after, ", ".join(changes), effect)


def plan_compose(file: Path, home: Path | None) -> Edit:
    """Set ``shm_size: 2g`` for HeyGem's services in a compose file, which may be outside the installation."""
    file = file.absolute()
    inside = home is not None and real_path(file.parent).is_relative_to(home)
    path = resolve_inside(home if home is not None and inside else file.parent, file)
    before = read_small(path)
    services = compose.heygem_services(compose.parse(before, path))
    if not services:
        hint = "Name the compose file of HeyGem with --compose, or add by hand: shm_size: 2g"
        raise InputError("no-heygem-service", "it has no service of HeyGem", path=path, hint=hint)
    small = [each for each in services if each.small]
    after = compose.set_shm_size(before, [each.name for each in small], path)
    if any(each.small for each in compose.heygem_services(compose.parse(after, path))):
        hint = f"Add by hand: shm_size: {compose.SHM_SIZE}"
        raise InputError("odd-service", "shm_size cannot be added", path=path, hint=hint)
    what = ", ".join(f"{each.name}: shm_size {each.shm_size or 'not set'} → {compose.SHM_SIZE}" for each in small)
    command = f"docker compose -f {shlex.quote(str(path))} up -d --force-recreate {shlex.join(s.name for s in small)}"
    return Edit(path, before, after, what, "No effect on running containers. Recreate them:", command)


def resolve_inside(root: Path, path: Path) -> Path:
    """Resolve the symbolic links of a path relative to ``root``.

    Raises:
        InputError: A link leads out of ``root``.
    """
    real = real_path(root / path)
    if not real.is_relative_to(real_path(root)):
        message = f"a link to {printable(real)}, which is outside the folder"
        raise InputError("link-outside", message, path=root / path, hint="Edit that file by hand")
    return real


def _collect(planners: list[Callable[[], Edit]]) -> tuple[list[Edit], list[InputError]]:
    edits, problems = [], []
    for plan in planners:
        try:
            edits.append(plan())
        except InputError as error:
            problems.append(error)
    return edits, problems
