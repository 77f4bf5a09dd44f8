"""Before anything starts: every distinct file is probed once, and every output looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from heygem_cli.batch.manifest import Problem
from heygem_cli.batch.rows import Row
from heygem_cli.engines import check_engine, check_options
from heygem_cli.errors import HeygemError, InputError, from_os_error, printable
from heygem_cli.media.probe import probe_audio, probe_video
from heygem_cli.media.types import VideoInfo
from heygem_cli.media.write import check_output, choose_encoder
from heygem_cli.options import EngineSettings

Info = TypeVar("Info")
HINTS = {
    "not-found": "Write its path as it is seen from the manifest's folder",
    "is-a-directory": "Name a file in it",
    "no-permission": "Let this user read it",
    "empty-file": "Copy or export it again",
}
"""What to do about a file that a manifest names."""
Told = Callable[[int, int], None]
"""Is told how many files of how many were checked."""


@dataclass(frozen=True)
class CheckedRow:
    """A row that can be rendered.

    Attributes:
        row: its job says whether what is there now under the output's name may be replaced.
        seconds: of audio, and so of video to make.
    """

    row: Row
    seconds: float


def check_rows(
    rows: Sequence[Row],
    replaceable: Callable[[Row], bool],
    engines: EngineSettings,
    *,
    inputs: Iterable[Path] = (),
    told: Told = lambda *_: None,
) -> tuple[list[CheckedRow], list[Problem]]:
    """Probe the inputs of all rows and see whether their outputs can be made; nothing is written.

    Args:
        rows: of the manifest.
        replaceable: whether the output of a row may be replaced if it exists.
        engines: what engines are made with.
        inputs: more files that no output may replace, such as the manifest.
        told: see :data:`Told`.

    Returns:
        The rows that can be rendered, and what is wrong with the others.

    Raises:
        InputError: what an engine was told cannot be used.
        NotCapableError: an engine or an encoder does not work on this machine.
    """
    audios = dict.fromkeys(row.job.audio for row in rows)
    faces = dict.fromkeys(row.job.face for row in rows)
    heard = _look_at(audios, probe_audio, lambda done: told(done, len(audios) + len(faces)))
    seen = _look_at(faces, probe_video, lambda done: told(len(audios) + done, len(audios) + len(faces)))
    sources = {_identity(path) for path in (*heard.good, *seen.good, *inputs)}
    checked: list[CheckedRow] = []
    problems: list[Problem] = []
    for row in rows:
        audio, face = row.job.audio, row.job.face
        found = [
            row.raw.problem(column, bad[path].message, bad[path].hint or HINTS.get(bad[path].code, ""))
            for column, path, bad in (("audio", audio, heard.bad), ("face", face, seen.bad))
            if path in bad
        ]
        found += _option_problems(row) + _output_problems(row, sources, replaceable)
        problems += found
        if not found:
            job = replace(row.job, overwrite=row.job.overwrite or replaceable(row))
            checked.append(CheckedRow(replace(row, job=job), float(heard.good[audio].duration)))
    _check_machine(rows, engines, seen.good)
    return checked, problems


@dataclass(frozen=True)
class _Looked(Generic[Info]):
    good: dict[Path, Info]
    bad: dict[Path, HeygemError]


def _look_at(paths: Iterable[Path], probe: Callable[[Path], Info], told: Callable[[int], None]) -> _Looked[Info]:
    looked: _Looked[Info] = _Looked({}, {})
    for done, path in enumerate(paths, 1):
        try:
            looked.good[path] = probe(path)
        except InputError as error:
            looked.bad[path] = error
        except OSError as error:
            looked.bad[path] = from_os_error(error, path=path)
        told(done)
    return looked


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _option_problems(row: Row) -> list[Problem]:
    try:
        check_options(row.job.options)
    except InputError as error:
        return [row.raw.problem("engine", error.message, error.hint)]
    return []


def _output_problems(row: Row, sources: set[tuple[int, int]], replaceable: Callable[[Row], bool]) -> list[Problem]:
    output = row.job.output
    try:
        check_output(output)
        if output.exists() and _identity(output) in sources:
            return [row.raw.problem("output", f"{printable(output)} is an input or the manifest", "Name another file")]
        if os.path.lexists(output) and not (row.job.overwrite or replaceable(row)):
            return [
                row.raw.problem("output", f"{printable(output)}: the output exists", "Use --overwrite to replace it")
            ]
    except HeygemError as error:
        return [row.raw.problem("output", error.message, error.hint)]
    return []


def _check_machine(rows: Iterable[Row], engines: EngineSettings, videos: Mapping[Path, VideoInfo]) -> None:
    """Find out at once, not in every row, that an engine or an encoder does not work here."""
    for name in {row.job.options.engine for row in rows}:
        check_engine(name, engines)
    for row in rows:
        encoder = row.job.options.encode.encoder
        if encoder != "auto" and row.job.face in videos:
            choose_encoder(encoder, videos[row.job.face])
