"""Write an edit: create a backup, replace the file atomically, and verify the result."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from heygem_cli.errors import HeygemError
from heygem_cli.files import write_atomically
from heygem_cli.heygem.installation.files import read_if_exists
from heygem_cli.heygem.repair.plan import Edit


def apply(edit: Edit, now: datetime) -> Path | None:
    """Write an edit, and return the backup, which is named after the time; None for a new file.

    The mode, owner, group and extended attributes of the file are kept.

    Raises:
        HeygemError: The file could not be written, and is unchanged.
    """
    try:
        if read_if_exists(edit.path) != edit.before:
            hint = "Run heygem fix-config again"
            raise HeygemError("changed-meanwhile", "was changed by another process", path=edit.path, hint=hint)
        if edit.folder is not None:
            _create_folder(edit.folder)
        backup = None if edit.before is None else _back_up(edit.path, edit.before, now)
        if edit.before is None:
            write_atomically(edit.path, edit.after, mode=0o644)  # HeyGem may run as another user
        else:
            write_atomically(edit.path, edit.after, like=edit.path)
    except OSError as error:
        hint = "Run as the owner of the installation, and check the free disk space"
        why = error.strerror or str(error)
        raise HeygemError("not-written", f"cannot be written: {why}", path=edit.path, hint=hint) from error
    if read_if_exists(edit.path) != edit.after:
        hint = "Another process writes it: stop HeyGem and try again"
        raise HeygemError("not-written", "was overwritten at once", path=edit.path, hint=hint)
    return backup


def _create_folder(folder: Path) -> None:
    """Create a folder with the owner of its parent, so that HeyGem can write there even if we are root."""
    if folder.is_dir():
        return
    folder.mkdir()
    parent, own = folder.parent.stat(), folder.stat()
    if (parent.st_uid, parent.st_gid) != (own.st_uid, own.st_gid):
        os.chown(folder, parent.st_uid, parent.st_gid)


def _back_up(path: Path, content: bytes, now: datetime) -> Path:
    stamp = now.strftime("%Y%m%d-%H%M%S")
    names = [f"{path.name}.{stamp}.bak", *(f"{path.name}.{stamp}-{number}.bak" for number in range(1, 100))]
    backup = next(each for name in names if not (each := path.with_name(name)).exists())
    write_atomically(backup, content, like=path)
    return backup
