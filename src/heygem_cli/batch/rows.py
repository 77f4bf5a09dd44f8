"""Cells become rows: paths, options and names, so that each row is a render that could stand alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.batch.columns import FILES, OPTIONS, OVERWRITE, flag
from heygem_cli.batch.manifest import Cells, Problem
from heygem_cli.errors import HeygemError, printable
from heygem_cli.job import RenderJob, RenderOptions


@dataclass(frozen=True)
class Row:
    """One video of a manifest.

    Attributes:
        id: stable name of the row: the column ``id``, else the output without its suffix.
        output: as the manifest writes it, so that the folder of a batch may move.
        job: what to render, with every option resolved.
    """

    id: str
    output: str
    cells: Cells
    job: RenderJob


def make_rows(
    written: Iterable[Cells], folder: Path, defaults: RenderOptions, *, overwrite: bool = False
) -> tuple[list[Row], list[Problem]]:
    """Resolve rows.

    Args:
        written: the rows of the manifest.
        folder: what relative paths are relative to.
        defaults: options that a row does not name.
        overwrite: likewise.

    Returns:
        The rows that can be used so far, and what is wrong with the others and between them.
    """
    rows: list[Row] = []
    problems: list[Problem] = []
    for cells in written:
        found = list(_unusable(cells))
        options, wrong = _options(cells, defaults)
        replace, unclear = _overwrite(cells, overwrite)
        problems += found + wrong + unclear
        if not found:
            rows.append(_row(cells, folder, options, overwrite=replace))
    return rows, problems + _duplicates(rows)


def _unusable(cells: Cells) -> Iterable[Problem]:
    hints = {"audio": "Name the file that is spoken", "face": "Name the video or the picture of the person"}
    for name in FILES:
        if name not in cells.values:
            yield cells.problem(name, "it is empty", hints[name])
    for name, value in cells.values.items():
        # Half a surrogate pair, which JSON can write, is no text.
        if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            yield cells.problem(name, "it holds characters that no name can have", "Write it anew")


def _options(cells: Cells, defaults: RenderOptions) -> tuple[RenderOptions, list[Problem]]:
    options, problems = defaults, []
    for name, (parse, put) in OPTIONS.items():
        if name in cells.values:
            try:
                options = put(options, parse(cells.values[name].strip()))
            except ValueError as error:
                problems.append(cells.problem(name, str(error), "Correct it, or leave it empty"))
            except HeygemError as error:
                problems.append(cells.problem(name, error.message, error.hint))
    return options, problems


def _overwrite(cells: Cells, default: bool) -> tuple[bool, list[Problem]]:
    if OVERWRITE not in cells.values:
        return default, []
    try:
        return flag(cells.values[OVERWRITE].strip()), []
    except ValueError as error:
        return default, [cells.problem(OVERWRITE, str(error), "Correct it, or leave it empty")]


def _row(cells: Cells, folder: Path, options: RenderOptions, *, overwrite: bool) -> Row:
    audio, face = (folder / cells.values[name] for name in FILES)
    given = cells.values.get("id", "").strip()
    output = cells.values.get("output") or f"{given or f'{face.stem}_{audio.stem}'}.mp4"
    name = given or output.removesuffix(".mp4").strip() or output
    return Row(name, output, cells, RenderJob(audio, face, folder / output, overwrite, options))


def place_of(path: Path, folders: dict[Path, Path]) -> Path:
    """Name a file that is made or replaced, however its folder is written.

    Args:
        path: of the file.
        folders: that were looked at before.
    """
    if path.parent not in folders:
        folders[path.parent] = path.parent.resolve()
    return folders[path.parent] / path.name


def _duplicates(rows: Iterable[Row]) -> list[Problem]:
    problems: list[Problem] = []
    ids: dict[str, Row] = {}
    outputs: dict[Path, Row] = {}
    folders: dict[Path, Path] = {}
    for row in rows:
        place = place_of(row.job.output, folders)
        same_output, same_id = outputs.setdefault(place, row), ids.setdefault(row.id, row)
        if same_output is not row:
            message = f"{printable(row.job.output)} is the output of row {same_output.cells.number} too"
            problems.append(row.cells.problem("output", message, "Give each row an output or an id of its own"))
        elif same_id is not row:
            message = f"{printable(row.id)!r} is the id of row {same_id.cells.number} too"
            problems.append(row.cells.problem("id", message, "Give each row an id of its own"))
    return problems


def cells_of(row: Row) -> Mapping[str, str]:
    """Write a row so that it means the same in any manifest: absolute paths, its id and its output named."""
    paths = {"audio": row.job.audio, "face": row.job.face, "output": row.job.output}
    return {**row.cells.values, "id": row.id, **{name: str(path.absolute()) for name, path in paths.items()}}
