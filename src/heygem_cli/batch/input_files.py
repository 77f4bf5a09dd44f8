"""The files that the jobs of a batch read: each is probed once, however many rows name it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from heygem_cli.batch.packed_inputs import Packed, PackedFiles, pack
from heygem_cli.batch.rows import CellProblem, Common
from heygem_cli.errors import HeygemError, InputError, from_os_error
from heygem_cli.files import file_identity
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.types import AudioInfo, VideoInfo
from heygem_cli.person import Person
from heygem_cli.pipeline import probe_picture

FileIdentity = tuple[int, ...]
Message = tuple[str, str]
"""The message and the hint of an error."""
Track = tuple[str, int | None]
"""A file, as text to save memory, and the number of the track that is used; None for the one that players choose."""
HINTS = {
    "not-found": "Check the path; in a manifest it is relative to the manifest's folder",
    "is-a-directory": "Name a file in it",
    "no-permission": "Let this user read it",
    "empty-file": "Copy or export it again",
}
"""Hints for a file that a manifest names, by error code."""
Probe = Callable[[Path, int | None], AudioInfo | VideoInfo]
"""Returns the properties of a track."""
CheckProgress = Callable[[int, int], None]
"""Receives the number of files that are checked, and the number of all files."""


@dataclass(frozen=True)
class Probed:
    """What probing tracks gave."""

    infos: dict[Track, Packed] = field(default_factory=dict)
    errors: dict[Track, Message] = field(default_factory=dict)

    def add(self, tracks: Iterable[Track], probe: Probe, done: Callable[[], None]) -> None:
        """Probe tracks, and call ``done`` after each."""
        for track in tracks:
            try:
                self.infos[track] = pack(probe(Path(track[0]), track[1]))
            except InputError as error:
                self.errors[track] = _message(error)
            except OSError as error:
                self.errors[track] = _message(from_os_error(error, path=Path(track[0])))
            done()

    def info(self, path: str | Path, number: int | None) -> Packed:
        """Return the properties of a track that has no error."""
        return self.infos[str(path), number]


@dataclass(frozen=True)
class InputFiles:
    """The probed files of jobs.

    Attributes:
        audios: The tracks that are heard.
        faces: The tracks that are seen.
        pictures: The pictures that say who speaks.
        identities: Of each file before it was probed, see :func:`identify`.
    """

    audios: Probed = field(default_factory=Probed)
    faces: Probed = field(default_factory=Probed)
    pictures: Probed = field(default_factory=Probed)
    identities: dict[str, FileIdentity] = field(default_factory=dict)

    def inodes(self) -> set[FileIdentity]:
        """Return device and inode of each file that can be used."""
        tracks = (*self.audios.infos, *self.faces.infos, *self.pictures.infos)
        return {self.identities[path][:2] for path, _ in tracks}

    def identities_of(self, common: Common) -> tuple[FileIdentity, ...]:
        """Return the identity of each input of a job."""
        return tuple(self.identities[path] for path in common.inputs)

    def problems(self, common: Common) -> list[CellProblem]:
        """Return what is wrong with the files of a job."""
        found = [
            *((column, self.audios.errors.get(track)) for column, track in _audio_tracks(common)),
            ("face", self.faces.errors.get(_face_track(common))),
            *((column, self.pictures.errors.get((path, None))) for column, path in _picture_files(common)),
        ]
        return [(column, *error) for column, error in found if error is not None]

    def files(self, common: Common) -> PackedFiles:
        """Return the properties of the files of a job whose files have no errors."""
        options, audios = common.options, self.audios
        speakers = tuple(
            (audios.info(each.audio, options.audio_track), self._picture(each.person)) for each in options.speak
        )
        sound = audios.info(options.sound or common.audio, options.audio_track)
        drive = None if options.drive_audio is None else audios.info(options.drive_audio, None)
        face = self.faces.info(common.face, options.video_track)
        return PackedFiles(sound, face, self._picture(options.person), drive, speakers)

    def _picture(self, person: Person) -> Packed | None:
        return None if person.picture is None else self.pictures.info(person.picture, None)


def probe_inputs(commons: Iterable[Common], on_progress: CheckProgress) -> InputFiles:
    """Probe the files of jobs, each once."""
    audios: dict[Track, None] = {}
    faces: dict[Track, None] = {}
    pictures: dict[Track, None] = {}
    for common in commons:
        audios.update(dict.fromkeys(track for _, track in _audio_tracks(common)))
        faces[_face_track(common)] = None
        pictures.update(dict.fromkeys((path, None) for _, path in _picture_files(common)))
    count, probed = len(audios) + len(faces) + len(pictures), itertools.count(1)

    def report() -> None:
        on_progress(next(probed), count)

    # Before they are probed, so that a change after that is noticed.
    files = InputFiles(identities={path: identify(path) for path, _ in (*audios, *faces, *pictures)})
    files.audios.add(audios, probe_audio, report)
    files.faces.add(faces, probe_video, report)
    files.pictures.add(pictures, probe_picture, report)
    return files


def identify(path: str | Path) -> FileIdentity:
    """Return the identity of a file, see :func:`heygem_cli.files.file_identity`; empty if there is none."""
    try:
        return file_identity(path)
    except (OSError, ValueError):  # what is wrong is said by whoever opens it
        return ()


def _audio_tracks(common: Common) -> list[tuple[str, Track]]:
    """Return the tracks of a job's audio files, each with its column."""
    options = common.options
    files = [("speak", str(speech.audio)) for speech in options.speak]
    if common.audio not in (path for _, path in files):
        files.insert(0, ("audio", common.audio))
    tracks: list[tuple[str, Track]] = [(column, (path, options.audio_track)) for column, path in files]
    if options.sound is not None:
        tracks.append(("sound", (str(options.sound), options.audio_track)))
    return tracks if options.drive_audio is None else [*tracks, ("drive_audio", (str(options.drive_audio), None))]


def _face_track(common: Common) -> Track:
    return common.face, common.options.video_track


def _picture_files(common: Common) -> list[tuple[str, str]]:
    """Return the pictures that say who speaks, each with its column."""
    people = [("person", common.options.person), *(("speak", speech.person) for speech in common.options.speak)]
    return [(column, str(person.picture)) for column, person in people if person.picture is not None]


def _message(error: HeygemError) -> Message:
    """Keep only the texts of an error: a manifest can have a hundred thousand."""
    return error.message, error.hint or HINTS.get(error.code, "")
