"""The check of all rows before anything starts: every distinct file is probed once, every output is checked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from heygem_cli.batch.manifest import Problem
from heygem_cli.batch.rows import Row
from heygem_cli.engines import check_engine, check_options
from heygem_cli.errors import HeygemError, InputError, from_os_error
from heygem_cli.files import OwnOutputs, file_identity
from heygem_cli.job import Inputs, RenderJob, Speaker
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.types import AudioInfo, VideoInfo
from heygem_cli.media.write import check_encoder, check_output
from heygem_cli.options import EngineOptions
from heygem_cli.person import Person
from heygem_cli.pipeline import check_output_path, check_speakers, probe_picture, used_part
from heygem_cli.timeline import check_timeline

Info = TypeVar("Info")
FileIdentity = tuple[int, ...]
Message = tuple[str, str]
"""The message and the hint of an error."""
Track = tuple[Path, int | None]
"""A file, and the number of the track that is used; None for the one that players choose."""
HINTS = {
    "not-found": "Check the path; in a manifest it is relative to the manifest's folder",
    "is-a-directory": "Name a file in it",
    "no-permission": "Let this user read it",
    "empty-file": "Copy or export it again",
}
"""Hints for a file that a manifest names, by error code."""
CheckProgress = Callable[[int, int], None]
"""Receives the number of files that are checked, and the number of all files."""


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row that can be rendered.

    Attributes:
        row: The row; its job has what the batch made under its output.
        inputs: The probed inputs.
        identities: Of the files of the job as they were probed, see :func:`heygem_cli.files.file_identity`.
    """

    row: Row
    inputs: Inputs
    identities: tuple[FileIdentity, ...]


def check_rows(
    rows: Sequence[Row],
    own_outputs: Mapping[str, frozenset[str]],
    options: EngineOptions,
    *,
    protected: Iterable[Path] = (),
    on_progress: CheckProgress = lambda *_: None,
) -> tuple[list[CheckedRow], list[Problem]]:
    """Probe the inputs of all rows and check their outputs; nothing is written.

    Args:
        rows: The rows of the manifest.
        own_outputs: Digests of what the batch made, by the output as the manifest writes it.
        options: What the engines are loaded with.
        protected: Files other than the inputs that no output may replace, such as the manifest.
        on_progress: See :data:`CheckProgress`.

    Returns:
        The rows that can be rendered, and the problems of the others.

    Raises:
        InputError: An option of an engine cannot be used.
        NotCapableError: An engine does not work on this machine.
    """
    audio_tracks = dict.fromkeys(track for row in rows for _, track in _audio_tracks(row.job))
    face_tracks = dict.fromkeys(_face_track(row.job) for row in rows)
    pictures = dict.fromkeys((path, None) for row in rows for _, path in _picture_files(row.job))
    count, probed = len(audio_tracks) + len(face_tracks) + len(pictures), itertools.count(1)
    # Before they are probed, so that a change after that is noticed.
    identities = {path: _identify(path) for path, _ in (*audio_tracks, *face_tracks, *pictures)}

    def report() -> None:
        on_progress(next(probed), count)

    audios, audio_errors = _probe(audio_tracks, probe_audio, report)
    faces, face_errors = _probe(face_tracks, probe_video, report)
    persons, person_errors = _probe(pictures, probe_picture, report)
    paths = {path for path, _ in (*audios, *faces, *persons)}
    inodes = {file_identity(path)[:2] for path in (*paths, *protected)}
    checked: list[CheckedRow] = []
    problems: list[Problem] = []
    for row in rows:
        if made := own_outputs.get(row.output):
            row = replace(row, job=replace(row.job, own=OwnOutputs(made)))  # noqa: PLW2901
        job = row.job
        errors = [
            *((column, audio_errors.get(track)) for column, track in _audio_tracks(job)),
            ("face", face_errors.get(_face_track(job))),
            *((column, person_errors.get((path, None))) for column, path in _picture_files(job)),
        ]
        found = [row.raw.problem(column, *error) for column, error in errors if error is not None]
        inputs = None if found else _inputs(job, audios, faces, persons)
        found += _find_problems(row, job, inodes, inputs)
        problems += found
        if inputs is not None and not found:
            job_identities = tuple(identities[path] for path in job.inputs)
            checked.append(CheckedRow(row, used_part(job, inputs), job_identities))
    for name in {row.job.options.engine for row in rows}:
        check_engine(name, options)
    return checked, problems


def check_encoders(rows: Iterable[CheckedRow]) -> None:
    """Check that this machine can encode the outputs of rows.

    Raises:
        NotCapableError: ``no-encoder``.
    """
    for each in rows:
        check_encoder(each.row.job.options.encode, each.inputs.video.width, each.inputs.video.height)


def _inputs(
    job: RenderJob,
    audios: Mapping[Track, AudioInfo],
    faces: Mapping[Track, VideoInfo],
    pictures: Mapping[Track, VideoInfo],
) -> Inputs:
    """Put together the probed files of a job."""

    def picture(person: Person) -> VideoInfo | None:
        return None if person.picture is None else pictures[person.picture, None]

    options = job.options
    speakers = tuple(
        Speaker(each.person, audios[each.audio, options.audio_track], picture(each.person)) for each in options.speak
    )
    sound = audios[options.sound or job.audio, options.audio_track]
    drive = None if options.drive_audio is None else audios[options.drive_audio, None]
    return Inputs(sound, faces[_face_track(job)], picture(options.person), drive, speakers)


def _audio_tracks(job: RenderJob) -> list[tuple[str, Track]]:
    """Return the tracks of a job's audio files, each with its column."""
    options = job.options
    files = [("speak", speech.audio) for speech in options.speak]
    if job.audio not in (path for _, path in files):
        files.insert(0, ("audio", job.audio))
    tracks: list[tuple[str, Track]] = [(column, (path, options.audio_track)) for column, path in files]
    if options.sound is not None:
        tracks.append(("sound", (options.sound, options.audio_track)))
    return tracks if options.drive_audio is None else [*tracks, ("drive_audio", (options.drive_audio, None))]


def _face_track(job: RenderJob) -> Track:
    return job.face, job.options.video_track


def _picture_files(job: RenderJob) -> list[tuple[str, Path]]:
    """Return the pictures that say who speaks, each with its column."""
    people = [("person", job.options.person), *(("speak", speech.person) for speech in job.options.speak)]
    return [(column, person.picture) for column, person in people if person.picture is not None]


def _identify(path: Path) -> FileIdentity:
    try:
        return file_identity(path)
    except (OSError, ValueError):  # probing gives the better message
        return ()


def _probe(
    tracks: Iterable[Track], probe: Callable[[Path, int | None], Info], report: Callable[[], None]
) -> tuple[dict[Track, Info], dict[Track, Message]]:
    infos: dict[Track, Info] = {}
    errors: dict[Track, Message] = {}
    for track in tracks:
        try:
            infos[track] = probe(*track)
        except InputError as error:
            errors[track] = _message(error)
        except OSError as error:
            errors[track] = _message(from_os_error(error, path=track[0]))
        report()
    return infos, errors


def _message(error: HeygemError) -> Message:
    """Keep only the texts of an error: a manifest can have a hundred thousand."""
    return error.message, error.hint or HINTS.get(error.code, "")


def _find_problems(row: Row, job: RenderJob, inodes: set[FileIdentity], inputs: Inputs | None) -> Iterator[Problem]:
    checks: dict[str, Callable[[], object]] = {
        "start": lambda: inputs and used_part(job, inputs),
        "engine": lambda: check_options(job.options),
        "speak": lambda: check_speakers(job),
        "output": lambda: _check_output(job, inodes),
        "timeline": lambda: _check_timeline(job, inodes),
    }
    for column, check in checks.items():
        try:
            check()
        except HeygemError as error:
            yield row.raw.problem(column, error.message, error.hint)


def _check_output(job: RenderJob, inodes: set[FileIdentity]) -> None:
    _check_is_no_input(job.output, inodes)
    if job.own.digests:  # the plan decides whether the file is still the same
        check_output(job.output, job.inputs)
    else:
        check_output_path(job)


def _check_timeline(job: RenderJob, inodes: set[FileIdentity]) -> None:
    if job.options.timeline is not None:
        _check_is_no_input(job.options.timeline, inodes)
        check_timeline(job)


def _check_is_no_input(path: Path, inodes: set[FileIdentity]) -> None:
    if _identify(path)[:2] in inodes:
        message = "the output is an input or the manifest"
        raise InputError("output-is-an-input", message, hint="Name another file", path=path)
