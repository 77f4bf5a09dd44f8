"""The audio files that arrive in a folder, once they are complete.

The folder is looked at every second: on a network share no system call tells of what another machine writes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from heygem_cli.batch.media_files import AUDIO, VIDEO, find_media, list_media
from heygem_cli.batch.pairs import match_names
from heygem_cli.errors import InputError
from heygem_cli.files import file_identity
from heygem_cli.options import BatchOptions

LOOK_INTERVAL = 1.0
"""Seconds between two looks at the folder."""
SETTLE_SECONDS = 5.0
"""Time without a change after which a file is complete; a network share may show a change 3 seconds late."""

Identity = tuple[int, ...]


class Arrivals:
    """Finds the files of a folder that have to be rendered.

    Args:
        folder: Where audio files arrive.
        options: Which videos there are; with ``pair``, an audio file waits for its video.
    """

    def __init__(self, folder: Path, options: BatchOptions) -> None:
        self._folder = folder
        self._options = options
        self._seen: dict[Path, tuple[Identity, float]] = {}
        self._taken: dict[Path, list[Identity]] = {}

    def wait(self) -> tuple[Path, ...]:
        """Wait until there are complete files that are new or have changed, and return them.

        Raises:
            InputError: ``unreadable-folder``.
        """
        while not (ready := self.take(time.monotonic())):
            time.sleep(LOOK_INTERVAL)
        return ready

    def take(self, now: float) -> tuple[Path, ...]:
        """Look once, at a time in seconds; each version of a file is returned once.

        Raises:
            InputError: ``unreadable-folder``.
        """
        audios, faces = list_media(self._folder, AUDIO), self._faces()
        self._look((*audios, *faces), now)
        groups = match_names(audios, faces) if self._options.pair else {audio: [] for audio in audios}
        ready = []
        for audio, matches in groups.items():
            complete = all(self._is_complete(path, now) for path in (audio, *matches))
            if not complete or (self._options.pair and not matches):
                continue
            identities = [self._seen[path][0] for path in (audio, *matches)]
            if self._taken.get(audio) != identities:
                self._taken[audio] = identities
                ready.append(audio)
        return tuple(ready)

    def _faces(self) -> tuple[Path, ...]:
        if not self._options.pair:
            return ()
        try:
            return find_media(self._options.videos, VIDEO, ()).paths
        except InputError as error:
            if error.code not in ("no-media", "no-match"):  # they may arrive later
                raise
            return ()

    def _look(self, paths: Iterable[Path], now: float) -> None:
        before, self._seen = self._seen, {}
        for path in paths:
            try:
                identity = file_identity(path)
            except OSError:  # it was deleted or renamed meanwhile
                continue
            known = before.get(path)
            self._seen[path] = known if known is not None and known[0] == identity else (identity, now)

    def _is_complete(self, path: Path, now: float) -> bool:
        identity, since = self._seen.get(path, ((0, 0, 0), now))
        return identity[2] > 0 and now - since >= SETTLE_SECONDS
