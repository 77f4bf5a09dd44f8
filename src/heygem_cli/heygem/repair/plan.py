"""What would change, and why: every file is looked at before the first one is written."""

from __future__ import annotations

import codecs
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError, printable
from heygem_cli.heygem.installation import compose, config_ini, gradio_queue, opt_file, tree
from heygem_cli.heygem.installation.files import decode_transparent, read_small
from heygem_cli.heygem.repair import env_file

START = "python run.py --num_threads 0"


@dataclass(frozen=True)
class Edit:
    """One file and its new content.

    Attributes:
        path: of the file itself, symbolic links resolved.
        before: its bytes; None if it is to be made.
        after: the bytes it shall have.
        what: the change in a few words.
        effect: what it changes in the running program.
        command: what has the effect, to be pasted; empty where a start of HeyGem is all it takes.
        inert: the file never has an effect by itself, also when it is right.
        folder: a folder that the new content needs.
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
    """All that is to be done.

    Attributes:
        edits: to be written.
        by_hand: only shown: app.py, unless it was asked for.
        right: files that need no edit.
        problems: files that cannot be edited.
        running: processes of the installation.
    """

    edits: tuple[Edit, ...]
    by_hand: tuple[Edit, ...]
    right: tuple[Edit, ...]
    problems: tuple[InputError, ...]
    running: tuple[tree.Process, ...]


def make_plan(home: Path, *, app: bool, compose_file: Path | None, user_home: Path, proc: Path = Path("/proc")) -> Plan:
    """Look at every file of an installation.

    Args:
        home: the installation's root, resolved.
        app: edit app.py too.
        compose_file: to edit as well.
        user_home: the user's home folder, which no clean-up may reach.
        proc: where the kernel lists processes.
    """
    planners: list[Callable[[], Edit]] = [
        lambda: plan_opt(home),
        lambda: plan_config(home, user_home),
        lambda: plan_env(home),
    ]
    if compose_file is not None:
        planners.append(lambda: plan_compose(compose_file, home))
    edits, problems = _ask(planners)
    app_edits, app_problems = _ask([lambda: plan_app(home)])
    changes = [edit for edit in edits if edit.changes]
    app_changes = [edit for edit in app_edits if edit.changes]
    return Plan(
        edits=(*changes, *(app_changes if app else [])),
        by_hand=() if app else tuple(app_changes),
        right=tuple(edit for edit in (*edits, *app_edits) if not edit.changes),
        problems=(*problems, *app_problems),
        running=tuple(tree.processes(home, proc)),
    )


def plan_opt(home: Path) -> Edit:
    """``num_threads: 0`` in every line of opt.txt that names it.

    Raises:
        InputError: there is no such file or no such line, or the file is odd.
    """
    path = inside(home, tree.OPT_TXT)
    start = "HeyGem writes the file anew at every start: start it once"
    try:
        before = read_small(path)
    except InputError as error:
        if error.code == "missing":
            raise InputError("missing", "there is no opt.txt", path=path, hint=start) from error
        raise
    source = decode_transparent(before, path)
    old = opt_file.values(source.text, opt_file.NUM_THREADS)
    if not old:
        raise InputError("no-num-threads", "has no line with num_threads", path=path, hint=start)
    after = source.to_bytes(opt_file.set_value(source.text, opt_file.NUM_THREADS, "0"))
    effect = (
        "No effect by itself: HeyGem writes this file at every start and never reads it. "
        "What has effect is the argument on the command line, of run.py or app.py:"
    )
    command = f"cd {shlex.quote(str(home))} && {START}"
    return Edit(path, before, after, f"num_threads: {', '.join(old)} → 0", effect, command, inert=True)


def plan_config(home: Path, user_home: Path) -> Edit:
    """A ``temp_dir`` of its own, and no clean-up, where the clean-up would delete what it must not.

    Raises:
        InputError: there is no config.ini, or it cannot be read.
    """
    path = inside(home, tree.CONFIG_INI)
    before = read_small(path)
    config = config_ini.parse(before, path)
    after, done, folder = before.removeprefix(codecs.BOM_UTF8), [], None
    if config.bom:
        done.append("byte-order mark removed")
    if config_ini.endangered(home, config, user_home):
        folder = inside(home, Path(config_ini.OWN_TEMP))
        wanted = {"temp_dir": config_ini.OWN_TEMP, "clean_switch": config_ini.OFF}
        for key, value in wanted.items():
            old = config.get("temp", key)
            if old is not None and old != value:
                after = _set_ini(after, key, value, path)
                done.append(f"{key}: {old} → {value}")
    left = config_ini.endangered(home, config_ini.parse(after, path), user_home)
    if folder and left:
        raise InputError("odd-config", "[temp] temp_dir cannot be changed", path=path, hint="Change it by hand")
    return Edit(path, before, after, ", ".join(done), "Takes effect when HeyGem starts again.", folder=folder)


def _set_ini(data: bytes, key: str, value: str, path: Path) -> bytes:
    source = decode_transparent(data, path)
    try:
        return source.to_bytes(config_ini.set_value(source.text, "temp", key, value))
    except ValueError as error:
        raise InputError("odd-config", str(error), path=path, hint="Change it by hand") from error


def plan_env(home: Path) -> Edit:
    """heygem.env with the six variables.

    Raises:
        InputError: something odd stands in its place.
    """
    path = inside(home, env_file.NAME)
    try:
        before: bytes | None = read_small(path)
    except InputError as error:
        if error.code != "missing":
            raise
        before = None
    source = decode_transparent(before or b"", path)
    after = source.to_bytes(env_file.env_text(source.text))
    what = "the six variables of the operators' note" if before is None else "variables set as the note asks"
    command = f"cd {shlex.quote(str(home))} && set -a && . ./{env_file.NAME} && set +a && {START}"
    return Edit(path, before, after, what, "No effect until it is loaded before HeyGem starts:", command, inert=True)


def plan_app(home: Path) -> Edit:
    """The arguments of Gradio's queue in app.py.

    Raises:
        InputError: there is no app.py, or its call cannot be found or changed.
    """
    path = inside(home, tree.APP)
    before = read_small(path)
    after = gradio_queue.edit_queue(before, path)
    what = f"queue({gradio_queue.ARGUMENTS})"
    if gradio_queue.find_queue(after, path).wrong:
        hint = f"Write them yourself: {gradio_queue.ARGUMENTS}"
        raise InputError("unclear-queue", "the queue's arguments cannot be changed", path=path, hint=hint)
    return Edit(path, before, after, what, "Takes effect when app.py starts again.")


def plan_compose(file: Path, home: Path) -> Edit:
    """``shm_size: 2g`` for HeyGem's services in a compose file, which may lie outside of the installation.

    Raises:
        InputError: it is no compose file, or is written in a way that cannot be edited.
    """
    file = file.absolute()
    path = inside(home if file.parent.resolve().is_relative_to(home) else file.parent, file)
    before = read_small(path)
    small = [each for each in compose.relevant(compose.parse(before, path)) if each.small]
    after = compose.set_shm_size(before, [each.name for each in small], path)
    if any(each.small for each in compose.relevant(compose.parse(after, path))):
        raise InputError("odd-service", "shm_size cannot be added", path=path, hint="Add it by hand: shm_size: 2g")
    what = ", ".join(f"{each.name}: shm_size {each.shm_size or 'not set'} → {compose.WANTED}" for each in small)
    command = f"docker compose -f {shlex.quote(str(path))} up -d --force-recreate"
    return Edit(path, before, after, what, "No effect on a container that runs already. What has effect:", command)


def inside(root: Path, path: Path) -> Path:
    """The file that a path names, symbolic links followed.

    Raises:
        InputError: a link leads out of ``root``.
    """
    real = Path(os.path.realpath(root / path))
    if not real.is_relative_to(root.resolve()):
        hint = "Edit that file where it lies, if it is meant"
        raise InputError("link-outside", f"is a link that leads out, to {printable(real)}", path=root / path, hint=hint)
    return real


def _ask(planners: list[Callable[[], Edit]]) -> tuple[list[Edit], list[InputError]]:
    edits, problems = [], []
    for plan in planners:
        try:
            edits.append(plan())
        except InputError as error:
            problems.append(error)
    return edits, problems
