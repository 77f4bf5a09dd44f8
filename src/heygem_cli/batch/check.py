"""The check of all rows before anything starts: every distinct file is probed once, every output is checked."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from heygem_cli.batch.input_files import CheckProgress, InputFiles, identify, probe_inputs
from heygem_cli.batch.manifest import Problem
from heygem_cli.batch.outputs import OutputFolders
from heygem_cli.batch.packed_inputs import PackedInputs, check_inputs
from heygem_cli.batch.rows import CellProblem, Common, Row
from heygem_cli.engines import check_engine, check_options
from heygem_cli.errors import HeygemError, InputError
from heygem_cli.files import OwnOutputs, file_identity
from heygem_cli.job import RenderJob
from heygem_cli.media.write import check_encoder, check_output
from heygem_cli.options import EngineOptions
from heygem_cli.pipeline import check_output_path, check_speakers
from heygem_cli.timeline import check_timeline


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row that can be rendered.

    Attributes:
        row: The row, with what the batch made under its output.
        inputs: The probed inputs.
        identities: A hash of what :func:`heygem_cli.files.file_identity` told of each file before it was probed.
    """

    row: Row
    inputs: PackedInputs
    identities: int


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
        on_progress: See :data:`heygem_cli.batch.input_files.CheckProgress`.

    Returns:
        The rows that can be rendered, and the problems of the others.

    Raises:
        InputError: An option of an engine cannot be used.
        NotCapableError: An engine does not work on this machine.
    """
    files = probe_inputs(dict.fromkeys(row.common for row in rows), on_progress)
    checker = _Checker(files, protected)
    checked: list[CheckedRow] = []
    problems: list[Problem] = []
    for row in rows:
        if made := own_outputs.get(row.output):
            row = replace(row, own=OwnOutputs(made))  # noqa: PLW2901
        found, row_problems = checker.check(row)
        problems += [row.problem(*each) for each in row_problems]
        if found is not None and not row_problems:
            checked.append(CheckedRow(row, found.inputs, found.identities))
    for name in {row.options.engine for row in rows}:
        check_engine(name, options)
    return checked, problems


def check_encoders(rows: Iterable[CheckedRow]) -> None:
    """Check that this machine can encode the outputs of rows.

    Raises:
        NotCapableError: ``no-encoder``.
    """
    for each in rows:
        check_encoder(each.row.options.encode, each.inputs.width, each.inputs.height)


@dataclass(frozen=True, slots=True)
class _Found:
    inputs: PackedInputs
    identities: int


class _Checker:
    """Checks rows whose files were probed; what many rows have in common is checked once.

    Args:
        files: The files of all rows.
        protected: Other files that no output may replace.
    """

    def __init__(self, files: InputFiles, protected: Iterable[Path]) -> None:
        self._inodes = files.inodes() | {file_identity(path)[:2] for path in protected}
        self._folders = OutputFolders()
        # It must not know this object: the files would be kept until the next collection of garbage.
        self._check_recent = functools.lru_cache(maxsize=1 << 10)(functools.partial(_check_common, files))

    def check(self, row: Row) -> tuple[_Found | None, list[CellProblem]]:
        """Return the inputs of a row unless they cannot be used, and all problems of the row."""
        found, problems = self._check_recent(row.common)
        return found, [*problems, *self._check_outputs(row)]

    def _check_outputs(self, row: Row) -> Iterator[CellProblem]:
        if not self._folders.have_room_for(row):
            yield from _problem("output", lambda: self._check_output(row))
        if row.options.timeline is not None:
            yield from _problem("timeline", lambda: self._check_timeline(row.job))

    def _check_output(self, row: Row) -> None:
        job = row.job
        self._check_is_no_input(job.output)
        if job.own.digests:  # the plan decides whether the file is still the same
            check_output(job.output, job.inputs)
        else:
            check_output_path(job)
        self._folders.add(row)

    def _check_timeline(self, job: RenderJob) -> None:
        for path in job.outputs[1:]:
            self._check_is_no_input(path)
        check_timeline(job)

    def _check_is_no_input(self, path: Path) -> None:
        if identify(path)[:2] in self._inodes:
            message = "the output is an input or the manifest"
            raise InputError("output-is-an-input", message, hint="Name another file", path=path)


def _check_common(files: InputFiles, common: Common) -> tuple[_Found | None, list[CellProblem]]:
    job, found = common.job, None
    problems = files.problems(common)
    if not problems:
        try:
            found = _Found(check_inputs(files.files(common), job), hash(files.identities_of(common)))
        except HeygemError as error:
            problems.append((_part_column(error.message), error.message, error.hint))
    problems += _problem("engine", lambda: check_options(job.options))
    problems += _problem("speak", lambda: check_speakers(job))
    with_urls = common.remote.with_urls
    return found, [(column, with_urls(message), with_urls(hint)) for column, message, hint in problems]


def _part_column(message: str) -> str:
    """Return which of the columns that choose a part an error is about."""
    return next((name for name in ("face_start", "duration") if f"--{name.replace('_', '-')} " in message), "start")


def _problem(column: str, check: Callable[[], object]) -> list[CellProblem]:
    """Return what a check finds wrong in a column."""
    try:
        check()
    except HeygemError as error:
        return [(column, error.message, error.hint)]
    return []
