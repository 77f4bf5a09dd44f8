"""The check of outputs, of which there may be a million in one folder."""

from __future__ import annotations

import os

from heygem_cli.batch.rows import Row
from heygem_cli.media.output_format import OUTPUT_FORMATS

ENDINGS = tuple(OUTPUT_FORMATS)


class OutputFolders:
    """Folders in which an output could be made when it was checked: there others can be made, too.

    What it knows grows old; a later check needs another one.
    """

    def __init__(self) -> None:
        self._folders: set[str] = set()

    def add(self, row: Row) -> None:
        """Add the folder of an output that was checked."""
        if row.common.remote.output is None:
            self._folders.add(row.folder)

    def have_room_for(self, row: Row) -> bool:
        """Return whether an output is a new file of a known folder, so that nothing can be wrong with it."""
        return (
            row.folder in self._folders
            and row.name[1:].lower().endswith(ENDINGS)  # a name that begins with the ending has none
            and _is_missing(row.path)
        )


def _is_missing(path: str) -> bool:
    """Return whether nothing has this name, which is possible."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    return False
