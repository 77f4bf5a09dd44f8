"""Where the rows of a batch come from: a manifest, or files that the command line names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.batch.file_rows import check_format, make_file_rows
from heygem_cli.batch.manifest import Problem, RawRow, read_rows
from heygem_cli.batch.media_files import AUDIO, VIDEO, find_media, list_media
from heygem_cli.batch.request import STDIN, BatchRequest
from heygem_cli.batch.rows import Row, make_rows
from heygem_cli.batch.text_file import read_limited, read_text_file
from heygem_cli.engines import check_engine, check_engine_options
from heygem_cli.errors import InputError, from_os_error
from heygem_cli.media.probe_video import probe_video


@dataclass(frozen=True)
class Source:
    """The usable rows of a batch, and the problems of all rows.

    Attributes:
        raw_rows: The rows that cannot be used, as they were read.
        data: The content of standard input, if that is the manifest.
        notes: What was left out, for the user.
    """

    rows: list[Row]
    raw_rows: list[RawRow]
    problems: list[Problem]
    data: bytes = b""
    notes: Sequence[str] = ()


def read_source(request: BatchRequest, made: Iterable[str]) -> Source:
    """Read the manifest, or find the files.

    Args:
        request: What the command line asks for.
        made: The outputs that the batch has made, as its journals name them.

    Raises:
        InputError: The manifest cannot be read, or files cannot be found.
    """
    if request.manifest is None:
        outputs = {Path(os.path.realpath(request.folder / name)) for name in made}
        found = make_file_rows(request.audios, request.folder, request.options, request.defaults, outputs)
        return Source(found.rows, found.raw_rows, found.problems, notes=found.notes)
    data = _read_manifest(request.manifest)
    problems: list[Problem] = []
    rows, row_problems = make_rows(read_rows(data, problems), request.folder, request.defaults)
    problems += row_problems
    bad = {problem.row for problem in problems}
    # Read again, since few manifests have any: kept as they were read, all rows would take more memory than the jobs.
    raw_rows = [row for row in read_rows(data, []) if row.number in bad] if bad else []
    return Source(rows, raw_rows, problems, data if request.manifest == STDIN else b"")


def _read_manifest(manifest: Path) -> bytes:
    hint = "Name a manifest, or - for standard input"
    try:
        if manifest == STDIN:
            return read_limited(sys.stdin.buffer, Path("stdin"))
        return read_text_file(manifest)
    except OSError as error:
        raise InputError("bad-manifest", from_os_error(error, path=Path("stdin")).message, hint=hint) from error
    except InputError as error:
        raise InputError("bad-manifest", error.message, hint=hint) from error


def check_watch(folder: Path, request: BatchRequest) -> None:
    """Check what can be checked before a file has arrived in a folder.

    Raises:
        InputError: The folder, the video or an option cannot be used.
        NotCapableError: The engine does not work on this machine.
    """
    list_media(folder, AUDIO)
    check_format(request.options.output_template)
    check_engine_options([request.defaults.engine], request.given)
    check_engine(request.defaults.engine, request.engines)
    if request.options.pair is None:
        faces = find_media(request.options.videos, VIDEO, ()).paths
        if len(faces) > 1:
            message = f"{len(faces)} videos for the audio files of a folder"
            hint = "Name one video, or add --pair stem if those of the same name belong together"
            raise InputError("several-videos", message, hint=hint, path=faces[0])
        probe_video(faces[0], request.defaults.video_track)
