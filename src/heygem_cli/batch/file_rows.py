"""The rows of a batch without a manifest: one for each audio file, with the video that it goes with."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.batch.manifest import Problem, RawRow
from heygem_cli.batch.media_files import AUDIO, VIDEO, find_media
from heygem_cli.batch.pairs import Pair, pair_all, pair_by_name
from heygem_cli.batch.rows import Common, Row, find_duplicates
from heygem_cli.errors import InputError, plural, printable
from heygem_cli.media.names import split_path
from heygem_cli.media.output_format import OUTPUT_FORMATS
from heygem_cli.name_template import EXISTING, NameTemplate
from heygem_cli.options import BatchOptions, RenderOptions

MAX_NAMED = 3
"""Number of files that a note names."""


@dataclass(frozen=True)
class FileRows:
    """What files make.

    Attributes:
        rows: The usable rows.
        raw_rows: The rows that cannot be used.
        problems: The problems of all rows.
        notes: What was left out, for the user.
    """

    rows: list[Row]
    raw_rows: list[RawRow]
    problems: list[Problem]
    notes: list[str]


def make_file_rows(
    names: tuple[str, ...],
    folder: Path,
    options: BatchOptions,
    defaults: RenderOptions,
    outputs: Collection[Path] = (),
) -> FileRows:
    """Make a row of each audio file and its video.

    Args:
        names: The audio files, see :func:`heygem_cli.batch.media_files.find_media`.
        folder: Where the outputs go.
        options: The videos, and how files and outputs are paired and named.
        defaults: The options of every job.
        outputs: What the batch has made, as absolute paths without links.

    Raises:
        InputError: The files cannot be found, or it is not clear which belong together.
    """
    audios, faces = find_media(names, AUDIO, outputs), find_media(options.videos, VIDEO, outputs)
    for kind, found in (("audio file", audios), ("video", faces)):
        if not found.paths:
            message = f"there is no {kind} but outputs of this batch"
            raise InputError("only-outputs", message, hint="Name other files", path=found.made[0])
    check_format(options.output_template)
    pairs = pair_by_name(audios.paths, faces.paths) if options.pair else pair_all(audios.paths, faces.paths)
    rows, raw_rows, problems = [], [], []
    for number, pair in enumerate(pairs, 1):
        raw = RawRow(number, None, {"audio": str(pair.audio)} | ({"face": str(pair.face)} if pair.face else {}))
        if found_problems := list(_problems(raw, pair)):
            problems += found_problems
            raw_rows.append(raw)
        else:
            rows.append(_make_row(raw, folder, options.output_template, defaults))
    problems += find_duplicates(rows, f"Tell them apart with --output-template. {EXISTING}")
    return FileRows(rows, raw_rows, problems, list(_notes(pairs, faces.paths, (*audios.made, *faces.made))))


def check_format(template: NameTemplate) -> None:
    """Check that outputs can have the format that a template says.

    Raises:
        InputError: ``bad-template``.
    """
    if Path(template.text).suffix.lower() not in OUTPUT_FORMATS:
        message = f"--output-template {template}: the output cannot have the format that this name says"
        raise InputError("bad-template", message, hint="Use a name that ends in .mp4, .mov or .mkv")


def _notes(pairs: Sequence[Pair], faces: Sequence[Path], made: Sequence[Path]) -> Iterator[str]:
    if made:
        yield f"Left out {plural(len(made), 'file')} that this batch made: {_listed(made)}"
    used = {pair.face for pair in pairs}
    unused = [face for face in faces if face not in used]
    if unused:
        yield f"No audio file has the name of {plural(len(unused), 'video')}: {_listed(unused)}"


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(map(printable, paths[:MAX_NAMED])) + (", …" if len(paths) > MAX_NAMED else "")


def _problems(raw: RawRow, pair: Pair) -> Iterator[Problem]:
    for column, name in raw.values.items():
        if any("\ud800" <= c <= "\udfff" for c in name):  # how Python keeps bytes that are not UTF-8
            yield raw.problem(column, f"{name}: the name of the file is not UTF-8", "Rename it")
    if pair.problem:
        yield raw.problem("face", pair.problem, pair.hint)


def _make_row(raw: RawRow, folder: Path, template: NameTemplate, defaults: RenderOptions) -> Row:
    audio, face = Path(raw.values["audio"]), Path(raw.values["face"])
    output = template.fill(audio, face)
    row_id, sources = output.removesuffix(".mp4") or output, (str(audio.absolute()), str(face.absolute()))
    common = Common(str(audio), str(face), defaults)
    return Row(raw.number, None, row_id, output, *split_path(folder / output), common, sources)
