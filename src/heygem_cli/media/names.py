"""Find files by the names that lists, other programs and other systems give them."""

from __future__ import annotations

import functools
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

MOUNTS = "/mnt"
"""Where the Windows Subsystem for Linux has the drives."""
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "„": "“", "«": "»"}
_FILE_URL = re.compile(r"file:(?://(?:localhost)?(?=/))?(.+)", re.IGNORECASE | re.DOTALL)
_URL = re.compile(r"(?:.*?/)??([a-z][a-z0-9+.-]+):/+(.+)", re.IGNORECASE | re.DOTALL)
"""A URL that became a path, which has lost one of its slashes."""
_DRIVE = re.compile(r"/?([A-Za-z]):[\\/](.*)", re.DOTALL)
_SAME_CHARACTERS = str.maketrans("\u00a0\u202f\u3000‘’“”", "   ''\"\"")
"""Spaces that do not break, as macOS has them in names, and quotes that word processors put in."""


class FileFinder:
    """Finds files by what a person or a program wrote; it lists each folder at most once."""

    def __init__(self) -> None:
        self._listings: dict[Path, dict[str, list[str]]] = {}
        # Many rows of a list name the same face video, and the same folder for outputs.
        self._find_recent = functools.lru_cache(maxsize=1 << 10)(self._find)
        self._find_recent_folder = functools.lru_cache(maxsize=1 << 10)(self._find_folder)

    def find(self, text: str, folder: Path = Path()) -> Path:
        """Return the file that a text names, whether or not there is one.

        A file with exactly this name comes first. Else the text may be a ``file:`` URL, a path of Windows, begin with
        ``~``, stand in quotes, or differ from the name in how Unicode composes accents, in spaces that do not break
        and in curly quotes. Where several files could be meant, none of them is.

        Args:
            text: The name, or a path.
            folder: Where relative paths start.
        """
        return self._find_recent(text, folder)

    def _find(self, text: str, folder: Path) -> Path:
        paths = list(dict.fromkeys(folder / reading for reading in (text, *_readings(text))))
        for path in paths:
            if os.path.lexists(path):
                return path
        similar = (self._find_similar(path) for path in paths)
        return next((path for path in similar if path is not None), folder / next(_readings(text)))

    def find_output(self, text: str, folder: Path = Path()) -> Path:
        """Return the path of a file to write, whose folder is found as a file is."""
        return Path("".join(self.split_output(text, folder)))

    def split_output(self, text: str, folder: Path = Path()) -> tuple[str, str]:
        """Return what :meth:`find_output` finds, as :func:`split_path` does; quick where many share a folder."""
        *_, reading = _readings(text)
        parent, slash, name = reading.rpartition("/")
        if name in ("", "."):
            path = Path(reading)
            return split_path(self.find(str(path.parent), folder) / path.name)
        return self._find_recent_folder(parent or slash, folder), name

    def _find_folder(self, text: str, folder: Path) -> str:
        return split_path(self.find(str(Path(text)), folder) / "name")[0]

    def _find_similar(self, path: Path) -> Path | None:
        found = Path(path.anchor)
        for part in path.relative_to(path.anchor).parts:
            if not os.path.lexists(found / part):
                names = self._listing(found).get(_key(part), [])
                if len(names) != 1:
                    return None
                part = names[0]  # noqa: PLW2901
            found /= part
        return found

    def _listing(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._listings:
            listing = defaultdict(list)
            try:
                for name in os.listdir(folder):  # noqa: PTH208 - names, not paths
                    listing[_key(name)].append(name)
            except OSError:
                listing.clear()
            self._listings[folder] = dict(listing)
        return self._listings[folder]


def url_in(path: Path) -> str | None:
    """Return the URL that was given as a path; None if it is a path: then there is a folder ``s3:``, for example."""
    url = _URL.fullmatch(str(path))
    if url is None or os.path.lexists(str(path)[: url.end(1) + 1]):
        return None
    return f"{url[1]}://{url[2]}"


def split_path(path: Path) -> tuple[str, str]:
    """Return the folder of a path, with its last slash and empty for the current one, and the name in it."""
    folder, slash, name = str(path).rpartition("/")
    return folder + slash, name


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).translate(_SAME_CHARACTERS).strip()


def _readings(text: str) -> Iterator[str]:
    """Yield the paths that a text may stand for on this system, apart from itself."""
    plain = _without_quotes(text) or text
    if url := _FILE_URL.fullmatch(plain):
        plain = os.fsdecode(unquote_to_bytes(url[1].encode("utf-8", "surrogateescape")))
    yield os.path.expanduser(plain)  # noqa: PTH111 - raises nothing for an unknown user
    if "\\" in plain and "/" not in plain:
        yield plain.replace("\\", "/")
    if (drive := _DRIVE.fullmatch(plain)) and (mounted := Path(MOUNTS, drive[1].lower())).is_dir():
        yield f"{mounted}/{drive[2]}".replace("\\", "/")


def _without_quotes(text: str) -> str:
    """Remove quotes around a text, spaces, and the invisible marks that Windows copies along with a path."""
    text = text.strip()
    if not text.isascii():
        text = text.strip("".join({c for c in text if unicodedata.category(c) in ("Cf", "Zs")}))
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        text = text[1:-1]
    return text
