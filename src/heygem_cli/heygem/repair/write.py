"""Write an edit so that nothing can be lost: backup, temporary file, rename, and a look at what came out."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from heygem_cli.errors import HeygemError, InputError
from heygem_cli.files import write_atomically
from heygem_cli.heygem.installation.files import read_small
from heygem_cli.heygem.repair.plan import Edit


def apply(edit: Edit, now: datetime) -> Path | None:
    """Write one edit.

    Mode, owner, group and extended attributes of the file stay.

    Args:
        edit: of a plan.
        now: names the backup.

    Returns:
        The backup, beside the file; None for a file that is new.

    Raises:
        HeygemError: it could not be written; the file is as it was.
    """
    try:
        if _content(edit.path) != edit.before:
            hint = "Run heygem fix-config again"
            raise HeygemError("changed-meanwhile", "was changed by another process", path=edit.path, hint=hint)
        if edit.folder is not None:
            _make_folder(edit.folder)
        backup = None if edit.before is None else _back_up(edit.path, edit.before, now)
        write_atomically(edit.path, edit.after, like=None if edit.before is None else edit.path)
        if edit.before is None:
            edit.path.chmod(0o644)  # HeyGem may run as another user, whatever our umask
    except OSError as error:
        hint = "Run as the owner of the installation, with room on the disk"
        why = error.strerror or str(error)
        raise HeygemError("not-written", f"cannot be written: {why}", path=edit.path, hint=hint) from error
    if _content(edit.path) != edit.after:
        hint = "Another process writes it: stop HeyGem and try again"
        raise HeygemError("not-written", "does not hold what was written", path=edit.path, hint=hint)
    return backup


def _make_folder(folder: Path) -> None:
    """Make a folder that belongs to whom its parent belongs to, so that HeyGem can write there when we are root."""
    if folder.is_dir():
        return
    folder.mkdir()
    parent, mine = folder.parent.stat(), folder.stat()
    if (parent.st_uid, parent.st_gid) != (mine.st_uid, mine.st_gid):
        os.chown(folder, parent.st_uid, parent.st_gid)


def _content(path: Path) -> bytes | None:
    try:
        return read_small(path)
    except InputError as error:
        if error.code == "missing":
            return None
        raise


def _back_up(path: Path, content: bytes, now: datetime) -> Path:
    stamp = now.strftime("%Y%m%d-%H%M%S")
    names = [f"{path.name}.{stamp}.bak", *(f"{path.name}.{stamp}-{number}.bak" for number in range(1, 100))]
    backup = next(each for name in names if not (each := path.with_name(name)).exists())
    write_atomically(backup, content, like=path)
    return backup
