"""Resolution of manifest rows: paths, options and names, so that each row describes a complete job."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heygem_cli.batch.columns import FILES
from heygem_cli.batch.manifest import Problem, RawRow
from heygem_cli.engines import find_engine
from heygem_cli.errors import HeygemError, printable
from heygem_cli.face.cache import default_cache_folder
from heygem_cli.job import NOTHING_REMOTE, RenderJob
from heygem_cli.media.names import FileFinder
from heygem_cli.option_fields import Declared, value_of, with_values
from heygem_cli.options import ROW_OPTIONS, RenderOptions
from heygem_cli.person import Person, Speech
from heygem_cli.remote import Remote, RemoteFiles, RemoteInput, is_store_url, is_url

_INVALID = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a manifest.

    Attributes:
        id: Stable name of the row: the column ``id``, or else the output without ``.mp4``.
        output: The output as the manifest writes it, so that the folder of a batch can be moved.
        job: The job, with every option resolved.
        sources: The files by which a row without a manifest is known: another file must not replace its output.
    """

    id: str
    output: str
    raw: RawRow
    job: RenderJob
    sources: tuple[str, ...] = ()


def make_rows(raw_rows: Iterable[RawRow], folder: Path, defaults: RenderOptions) -> tuple[list[Row], list[Problem]]:
    """Resolve rows: paths are relative to ``folder``, and a row may override the options in ``defaults``.

    Audio and face video are fetched if they are given by a URL.

    Returns:
        The usable rows, and the problems of all rows.
    """
    rows: list[Row] = []
    problems: list[Problem] = []
    finder = FileFinder()
    remote = RemoteFiles(default_cache_folder())
    share = functools.lru_cache(maxsize=1 << 8)(_itself)
    for raw in raw_rows:
        options, option_problems = _options(raw, folder, defaults, finder)
        cell_problems = list(_cell_problems(raw, needs_audio="speak" not in raw.values))
        problems += cell_problems + option_problems
        if not cell_problems and ("audio" in raw.values or options.speak):
            row, remote_problems = _resolve(raw, folder, share(options), finder, remote)
            problems += remote_problems
            rows += [] if remote_problems else [row]
    return rows, problems + find_duplicates(rows)


def _itself(options: RenderOptions) -> RenderOptions:
    """Return the options; cached, so that rows with equal options have the same object."""
    return options


def _cell_problems(raw: RawRow, *, needs_audio: bool) -> Iterable[Problem]:
    hints = {"audio": "Name the audio file to speak", "face": "Name the video or picture of the person"}
    for name in FILES:
        if name not in raw.values and (needs_audio or name != "audio"):
            yield raw.problem(name, "it is empty", hints[name])
    for name, value in raw.values.items():
        # JSON can contain half a surrogate pair, which is not valid text.
        if _INVALID.search(value):
            yield raw.problem(name, "it contains invalid characters", "Enter the value again")


def _options(
    raw: RawRow, folder: Path, defaults: RenderOptions, finder: FileFinder
) -> tuple[RenderOptions, list[Problem]]:
    values, problems = {}, []
    for name in ROW_OPTIONS.keys() & raw.values.keys():
        try:
            option = ROW_OPTIONS[name]
            value = option.read(raw.values[name].strip())
            if name == "engine":
                find_engine(value)
            values[name] = _located(option, value, folder, finder)
        except ValueError as error:
            problems.append(raw.problem(name, str(error), "Correct it, or leave it empty"))
        except HeygemError as error:
            problems.append(raw.problem(name, error.message, error.hint))
    return with_values(defaults, values) if values else defaults, problems


def _located(option: Declared, value: Any, folder: Path, finder: FileFinder) -> Any:  # noqa: ANN401 - of any option
    """Return the value of an option in which a relative path starts at the manifest's folder."""

    def find(text: str) -> Path:
        return finder.find(text, folder)

    if isinstance(value, Path):
        return find(str(value)) if option.facts.is_input else finder.find_output(str(value), folder)
    if isinstance(value, Person):
        return value.located(find)
    return tuple(speech.located(find) for speech in value) if option.repeated else value


def _resolve(
    raw: RawRow, folder: Path, options: RenderOptions, finder: FileFinder, files: RemoteFiles
) -> tuple[Row, list[Problem]]:
    found: dict[str, Path] = {}
    inputs: list[RemoteInput] = []
    problems: list[Problem] = []
    for name in (name for name in FILES if name in raw.values):
        if is_url(raw.values[name]):
            try:
                inputs.append(files.fetch(raw.values[name]))
                found[name] = inputs[-1].path
            except HeygemError as error:
                problems.append(raw.problem(name, error.message, error.hint))
                found[name] = Path()
        else:
            found[name] = finder.find(raw.values[name], folder)
    face, audio = found["face"], found["audio"] if "audio" in found else options.speak[0].audio
    row_id = raw.values.get("id", "").strip()
    url = None
    if named := raw.values.get("output"):
        url = named.strip() if is_store_url(named) else None
        output, path = named, files.output_path(named.strip()) if url else finder.find_output(named, folder)
    else:
        output = f"{row_id or f'{face.stem}_{audio.stem}'}.mp4"
        path = folder / output
    row_id = row_id or output.removesuffix(".mp4").strip() or output
    remote = Remote(tuple(inputs), url) if inputs or url else NOTHING_REMOTE
    job = RenderJob(audio, face, path, options, remote=remote)
    return Row(row_id, output, raw, job), problems


def canonical_path(path: Path, folders: dict[str, str]) -> str:
    """Return a path with its folder, but not a link itself, resolved; ``folders`` caches resolved folders."""
    folder, name = os.path.split(path)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return f"{folders[folder]}/{name}"


def find_duplicates(rows: Iterable[Row], hint: str = "Give each row its own output or id") -> list[Problem]:
    """Return a problem for each row whose output or id another one has already."""
    problems: list[Problem] = []
    ids: dict[str, Row] = {}
    outputs: dict[str, Row] = {}
    timelines: dict[str, Row] = {}
    folders: dict[str, str] = {}
    for row in rows:
        same_output = outputs.setdefault(canonical_path(row.job.output, folders), row)
        same_id = ids.setdefault(row.id, row)
        problems += _same_timeline(row, timelines, folders)
        if same_output is not row:
            message = f"{printable(row.job.output)} is also the output of row {same_output.raw.number}"
            problems.append(row.raw.problem("output", message, hint))
        elif same_id is not row:
            message = f"{printable(row.id)!r} is also the id of row {same_id.raw.number}"
            problems.append(row.raw.problem("id", message, "Give each row its own id"))
    return problems


def _same_timeline(row: Row, timelines: dict[str, Row], folders: dict[str, str]) -> Iterable[Problem]:
    timeline = row.job.options.timeline
    if timeline is None:
        return
    other = timelines.setdefault(canonical_path(timeline, folders), row)
    if other is not row:
        message = f"{printable(timeline)} is also the timeline of row {other.raw.number}"
        yield row.raw.problem("timeline", message, "Give each row its own timeline, in a column of the manifest")


def portable_values(row: Row) -> dict[str, str]:
    """Return the values of a row, with absolute paths, its id and its output, for a manifest in any folder."""
    paths = {"audio": row.job.audio, "face": row.job.face, "output": row.job.output}
    if row.job.options.speak:
        del paths["audio"]
    paths = {name: path for name, path in paths.items() if not is_url(row.raw.values.get(name, ""))}
    named = {name: value_of(row.job.options, each) for name, each in ROW_OPTIONS.items() if name in row.raw.values}
    files = {name: value for name, value in named.items() if isinstance(value, Path | Person | tuple)}
    return {**row.raw.values, "id": row.id, **{name: _portable(value) for name, value in {**files, **paths}.items()}}


def complete_values(row: Row) -> dict[str, str]:
    """Return the values of a row as :func:`portable_values` does, with the options that were set for all rows."""
    options = {name: value_of(row.job.options, each) for name, each in ROW_OPTIONS.items()}
    changed = {name: value for name, value in options.items() if value != ROW_OPTIONS[name].default}
    return {**portable_values(row), **{name: _portable(value) for name, value in changed.items()}}


def _portable(value: Any) -> str:  # noqa: ANN401 - of any option
    """Return the text of a value, with absolute paths."""
    if isinstance(value, Person | Speech):
        return str(value.located(lambda text: Path(text).absolute()))
    if isinstance(value, tuple):
        return ";".join(map(_portable, value))
    return str(value.absolute() if isinstance(value, Path) else value)
