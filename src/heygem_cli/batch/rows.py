"""Resolution of manifest rows: paths, options and names, so that each row describes a complete job."""

from __future__ import annotations

import functools
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from heygem_cli.batch.columns import FILES
from heygem_cli.batch.manifest import Place, Problem, RawRow
from heygem_cli.engines import find_engine
from heygem_cli.errors import HeygemError, printable
from heygem_cli.face.cache import default_cache_folder
from heygem_cli.files import OwnOutputs
from heygem_cli.job import NOTHING_MADE, NOTHING_REMOTE, RenderJob
from heygem_cli.media.names import FileFinder, split_path
from heygem_cli.option_fields import Declared, value_of, with_values
from heygem_cli.options import ROW_OPTIONS, RenderOptions
from heygem_cli.person import Person, Speech
from heygem_cli.remote import Remote, RemoteFiles, RemoteInput, is_store_url, is_url

_INVALID = re.compile("[\0\ud800-\udfff]")


Cells = tuple[tuple[str, str], ...]
"""Columns of a row, each with its text."""
CellProblem = tuple[str, str, str]
"""The column, the message and the hint of a problem."""


@dataclass(frozen=True, slots=True, eq=False)
class Common:
    """What rows of the same files and options have in common; such rows share one object, which can be a key.

    Attributes:
        audio: See :class:`heygem_cli.job.RenderJob`; a path takes six times the memory of its text.
        face: Likewise.
        options: The options of the job.
        remote: Which of its files are in object storage.
        cells: The options that the rows themselves set.
    """

    audio: str
    face: str
    options: RenderOptions
    remote: Remote = NOTHING_REMOTE
    cells: Cells = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The files that are read, as :attr:`heygem_cli.job.RenderJob.inputs`."""
        return (self.audio, self.face, *map(str, self.options.files))

    @property
    def job(self) -> RenderJob:
        """The job, but for its output."""
        return RenderJob(Path(self.audio), Path(self.face), Path(), self.options, remote=self.remote)


@dataclass(frozen=True, slots=True)
class Row(Place):
    """A row of a manifest: a job in as little memory as possible, since there may be a million.

    Attributes:
        id: Stable name of the row: the column ``id``, or else the output without ``.mp4``.
        output: The output as the manifest writes it, so that the folder of a batch can be moved.
        folder: Folder of the output, with its last slash; empty for the current one.
        name: Name of the output in it.
        sources: The files by which a row without a manifest is known: another file must not replace its output.
        own: What the batch made under this output.
    """

    id: str
    output: str
    folder: str
    name: str
    common: Common
    sources: tuple[str, ...] = ()
    own: OwnOutputs = NOTHING_MADE

    @property
    def path(self) -> str:
        """Where the output is made."""
        return self.folder + self.name

    @property
    def options(self) -> RenderOptions:
        """The options of the job."""
        return self.common.options

    @property
    def job(self) -> RenderJob:
        """The job, with every option resolved."""
        return replace(self.common.job, output=Path(self.path), own=self.own)


def make_rows(raw_rows: Iterable[RawRow], folder: Path, defaults: RenderOptions) -> tuple[list[Row], list[Problem]]:
    """Resolve rows: paths are relative to ``folder``, and a row may override the options in ``defaults``.

    Audio and face video are fetched if they are given by a URL.

    Returns:
        The usable rows, and the problems of all rows.
    """
    rows: list[Row] = []
    problems: list[Problem] = []
    resolver = _Resolver(folder, defaults)
    for raw in raw_rows:
        row, found = resolver.resolve(raw)
        problems += [raw.problem(*each) for each in found]
        if row is not None:
            rows.append(row)
    return rows, problems + find_duplicates(rows)


def _cell_problems(values: Mapping[str, str]) -> list[CellProblem]:
    hints = {"audio": "Name the audio file to speak", "face": "Name the video or picture of the person"}
    needed = FILES if "speak" not in values else ("face",)
    missing = [(name, "it is empty", hints[name]) for name in needed if name not in values]
    # JSON can contain half a surrogate pair, which is not valid text.
    invalid = [name for name, value in values.items() if _INVALID.search(value)]
    return missing + [(name, "it contains invalid characters", "Enter the value again") for name in invalid]


class _Resolver:
    """Resolves rows; what many rows of a list have in common is resolved once.

    Args:
        folder: Where relative paths start.
        defaults: The options that a row does not set.
    """

    def __init__(self, folder: Path, defaults: RenderOptions) -> None:
        self._folder = folder
        self._defaults = defaults
        self._finder = FileFinder()
        self._files = RemoteFiles(default_cache_folder())
        self._read_options = functools.lru_cache(maxsize=1 << 10)(self._options)
        self._recent = functools.lru_cache(maxsize=1 << 10)(self._common)

    def resolve(self, raw: RawRow) -> tuple[Row | None, list[CellProblem]]:
        """Return the row if it describes a job, and what is wrong with it."""
        values = raw.values
        cells = tuple([cell for cell in values.items() if cell[0] in ROW_OPTIONS])
        problems = _cell_problems(values)
        options, option_problems = self._read_options(cells)
        usable = not problems and ("audio" in values or options.speak)
        problems += option_problems
        if not usable:
            return None, problems
        common, file_problems = self._recent(values.get("audio"), values["face"], cells)
        problems += file_problems
        return None if common is None else self._row(raw, common), problems

    def _row(self, raw: RawRow, common: Common) -> Row:
        row_id, output = raw.values.get("id", "").strip(), raw.values.get("output")
        if output is None:
            output = f"{row_id or f'{Path(common.face).stem}_{Path(common.audio).stem}'}.mp4"
            folder, name = split_path(self._folder / output)
        elif is_store_url(output):
            url = output.strip()
            common = replace(common, remote=replace(common.remote, output=url))
            folder, name = split_path(self._files.output_path(url))
        else:
            folder, name = self._finder.split_output(output, self._folder)
        row_id = row_id or output.strip().removesuffix(".mp4").strip() or output
        return Row(raw.number, raw.line, row_id, output, folder, name, common)

    def _common(self, audio: str | None, face: str, cells: Cells) -> tuple[Common | None, list[CellProblem]]:
        options, _ = self._read_options(cells)
        inputs: list[RemoteInput] = []
        problems: list[CellProblem] = []
        found: dict[str, Path] = {}
        for name, text in (("audio", audio), ("face", face)):
            try:
                if text is not None:
                    found[name] = self._find(text, inputs)
            except HeygemError as error:
                problems.append((name, error.message, error.hint))
        if problems:
            return None, problems
        spoken = found["audio"] if audio is not None else options.speak[0].audio
        remote = Remote(tuple(inputs)) if inputs else NOTHING_REMOTE
        return Common(str(spoken), str(found["face"]), options, remote, cells), []

    def _find(self, text: str, inputs: list[RemoteInput]) -> Path:
        if not is_url(text):
            return self._finder.find(text, self._folder)
        inputs.append(self._files.fetch(text))
        return inputs[-1].path

    def _options(self, cells: Cells) -> tuple[RenderOptions, list[CellProblem]]:
        values, problems = {}, []
        for name, text in cells:
            try:
                option = ROW_OPTIONS[name]
                value = option.read(text.strip())
                if name == "engine":
                    find_engine(value)
                values[name] = self._located(option, value)
            except ValueError as error:
                problems.append((name, str(error), "Correct it, or leave it empty"))
            except HeygemError as error:
                problems.append((name, error.message, error.hint))
        return with_values(self._defaults, values) if values else self._defaults, problems

    def _located(self, option: Declared, value: Any) -> Any:  # noqa: ANN401 - of any option
        """Return the value of an option in which a relative path starts at the manifest's folder."""

        def find(text: str) -> Path:
            return self._finder.find(text, self._folder)

        if isinstance(value, Path):
            return find(str(value)) if option.facts.is_input else self._finder.find_output(str(value), self._folder)
        if isinstance(value, Person):
            return value.located(find)
        return tuple(speech.located(find) for speech in value) if option.repeated else value


def canonical_path(path: str | Path, folders: dict[str, str]) -> str:
    """Return a path with its folder, but not a link itself, resolved; ``folders`` caches resolved folders."""
    folder, name = os.path.split(path)
    return f"{_canonical_folder(folder, folders)}/{name}"


def _canonical_folder(folder: str, folders: dict[str, str]) -> str:
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return folders[folder]


def find_duplicates(rows: Iterable[Row], hint: str = "Give each row its own output or id") -> list[Problem]:
    """Return a problem for each row whose output or id another one has already."""
    problems: list[Problem] = []
    ids: dict[str, Row] = {}
    outputs: dict[str, dict[str, Row]] = defaultdict(dict)
    timelines: dict[str, Row] = {}
    folders: dict[str, str] = {}
    for row in rows:
        same_output = outputs[_canonical_folder(row.folder, folders)].setdefault(row.name, row)
        same_id = ids.setdefault(row.id, row)
        problems += _same_timeline(row, timelines, folders)
        if same_output is not row:
            message = f"{printable(row.path)} is also the output of row {same_output.number}"
            problems.append(row.problem("output", message, hint))
        elif same_id is not row:
            message = f"{printable(row.id)!r} is also the id of row {same_id.number}"
            problems.append(row.problem("id", message, "Give each row its own id"))
    return problems


def _same_timeline(row: Row, timelines: dict[str, Row], folders: dict[str, str]) -> Iterable[Problem]:
    timeline = row.options.timeline
    if timeline is None:
        return ()
    other = timelines.setdefault(canonical_path(timeline, folders), row)
    if other is row:
        return ()
    message = f"{printable(timeline)} is also the timeline of row {other.number}"
    return (row.problem("timeline", message, "Give each row its own timeline, in a column of the manifest"),)


def portable_values(row: Row) -> dict[str, str]:
    """Return the values of a row, with absolute paths, its id and its output, for a manifest in any folder."""
    job, set_here = row.job, dict(row.common.cells)
    urls = {each.path: each.url for each in job.remote.inputs}
    files = {"audio": job.audio, "face": job.face}
    if job.options.speak and job.audio == job.options.speak[0].audio:
        del files["audio"]
    named = {name: value_of(job.options, each) for name, each in ROW_OPTIONS.items() if name in set_here}
    located = {name: _portable(value) for name, value in named.items() if isinstance(value, Path | Person | tuple)}
    texts = {name: urls.get(path) or _portable(path) for name, path in files.items()}
    output = job.remote.output or _portable(job.output)
    return {**texts, "id": row.id, "output": output, **set_here, **located}


def complete_values(row: Row) -> dict[str, str]:
    """Return the values of a row as :func:`portable_values` does, with the options that were set for all rows."""
    options = {name: value_of(row.options, each) for name, each in ROW_OPTIONS.items()}
    changed = {name: value for name, value in options.items() if value != ROW_OPTIONS[name].default}
    return {**portable_values(row), **{name: _portable(value) for name, value in changed.items()}}


def _portable(value: Any) -> str:  # noqa: ANN401 - of any option
    """Return the text of a value, with absolute paths."""
    if isinstance(value, Person | Speech):
        return str(value.located(lambda text: Path(text).absolute()))
    if isinstance(value, tuple):
        return ";".join(map(_portable, value))
    return str(value.absolute() if isinstance(value, Path) else value)
