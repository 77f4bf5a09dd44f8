"""The files that a batch writes at its end: JSON and JUnit reports, and a manifest of the failed rows."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from heygem_cli.batch.columns import COLUMNS, FILES
from heygem_cli.batch.manifest import RawRow, parse_manifest
from heygem_cli.batch.report import BatchReport, JobReport
from heygem_cli.batch.rows import Row, canonical_path, complete_values, portable_values
from heygem_cli.batch.text_file import read_text_file
from heygem_cli.errors import HeygemError, InputError, write_error
from heygem_cli.files import write_atomically
from heygem_cli.media.write import check_output

SCHEMA = 1
JUNIT_PROPERTIES = (
    "output",
    "attempts",
    "audio_seconds",
    "real_time_factor",
    "frames",
    "frames_without_face",
    "frames_turned_away",
    "frames_covered",
    "frames_outside",
    "frames_other_person",
    "shots",
    "people",
)
"""Fields of a job for which JUnit has no attribute or element of its own."""


@dataclass(frozen=True)
class ReportFiles:
    """The paths of the report files; those that are None are not written."""

    report: Path | None = None
    junit: Path | None = None
    failed_manifest: Path | None = None

    @property
    def paths(self) -> list[Path]:
        """The files to write."""
        return [path for path in (self.report, self.junit, self.failed_manifest) if path is not None]

    def check(self, inputs: Collection[Path], outputs: Iterable[str | Path]) -> None:
        """Check that the files can be written, before hours of work.

        Args:
            inputs: Files that must not be replaced.
            outputs: Other files that the batch writes.

        Raises:
            InputError: A file cannot be written, or would replace another one.
        """
        folders: dict[str, str] = {}
        taken = {canonical_path(path, folders) for path in outputs}
        for path in self.paths:
            check_output(path, inputs, suffixes=None)
            canonical = canonical_path(path, folders)
            if canonical in taken:
                message = "this batch writes another file of this name"
                raise InputError("same-file", message, hint="Choose another name for the report", path=path)
            taken.add(canonical)
        if self.failed_manifest is not None:
            _check_failed_manifest(self.failed_manifest)

    def write(self, report: BatchReport, rows: Iterable[Row] = ()) -> list[HeygemError]:
        """Write the files; delete an old manifest of failed rows if no row failed.

        Returns:
            The errors of the files that could not be written.
        """
        errors = []
        for path, text in self._contents(report, rows):
            # JSON can put half a surrogate pair into a name; it is written as JSON would escape it.
            content = text.encode("utf-8", "backslashreplace")
            try:
                if content:
                    write_atomically(path, content)
                else:
                    path.unlink(missing_ok=True)
            except OSError as error:
                message = f"it cannot be written ({error.strerror})"
                errors.append(HeygemError("report-failed", message, hint="Choose another file or folder", path=path))
        return errors

    def _contents(self, report: BatchReport, rows: Iterable[Row]) -> Iterator[tuple[Path, str]]:
        if self.report is not None:
            yield self.report, format_json(report)
        if self.junit is not None:
            yield self.junit, format_junit(report)
        if self.failed_manifest is not None:
            failed_ids = {job.id for job in report.jobs if job.status == "failed"}
            failed_rows = [row for row in rows if row.id in failed_ids and row.output]
            suffix = self.failed_manifest.suffix
            yield self.failed_manifest, format_manifest(failed_rows, suffix) if failed_rows else ""


def _files_of(row: RawRow) -> list[str]:
    return [*(name for name in FILES if name != "audio" or "speak" not in row.values), "output"]


def _check_failed_manifest(path: Path) -> None:
    """Check that a manifest of failed rows, which a run without failures deletes, is not another file."""
    if not path.is_file() or not path.stat().st_size:
        return
    rows, problems = parse_manifest(read_text_file(path))
    written = not problems and all(
        "id" in row.values and all(Path(row.values.get(name, "")).is_absolute() for name in _files_of(row))
        for row in rows
    )
    if not written:
        message = "this file exists and is not a manifest of failed rows"
        raise InputError("not-failed-rows", message, hint="Name another file, or delete it", path=path)


def format_json(report: BatchReport) -> str:
    """Return a report as JSON."""
    return json.dumps({"schema": SCHEMA, **report.to_dict()}, ensure_ascii=False, indent=2) + "\n"


def format_junit(report: BatchReport) -> str:
    """Return a report as JUnit XML for CI systems."""
    root = ET.Element("testsuites")
    suite = ET.SubElement(
        root,
        "testsuite",
        name=_escape_control(Path(report.manifest).name),
        tests=str(len(report.jobs)),
        failures=str(report.counts["failed"]),
        errors="0",
        skipped=str(report.counts["interrupted"] + report.counts["waiting"]),
        time=f"{report.seconds:.3f}",
    )
    for job in report.jobs:
        _add_test_case(suite, job)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_test_case(suite: ET.Element, job: JobReport) -> None:
    name, time = _escape_control(job.id), f"{job.seconds:.3f}"
    case = ET.SubElement(suite, "testcase", classname="heygem.batch", name=name, time=time)
    properties = ET.SubElement(case, "properties")
    for name in JUNIT_PROPERTIES:
        value = getattr(job, name)
        if value is not None:
            ET.SubElement(properties, "property", name=name, value=_escape_control(str(value)))
    if job.already_done:
        ET.SubElement(properties, "property", name="already_done", value="true")
    if job.status == "failed":
        error = {key: _escape_control(value) for key, value in (job.error or {}).items()}
        failure = ET.SubElement(case, "failure", type=error["code"], message=error["message"])
        failure.text = error["hint"]
    elif job.status != "done":
        ET.SubElement(case, "skipped", message=job.status)
    if job.warnings:
        ET.SubElement(case, "system-out").text = _escape_control("\n".join(job.warnings))


def _escape_control(text: str) -> str:
    """Escape the characters that XML does not allow."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", lambda found: repr(found[0])[1:-1], text)


def check_new_manifest(path: Path) -> None:
    """Check that a manifest can be written; one that exists may have been edited, and stays.

    Raises:
        InputError: It cannot be created, or something has this name.
    """
    check_output(path, suffixes=None)
    if os.path.lexists(path):
        raise InputError("manifest-exists", "this file exists", hint="Name another one, or delete it", path=path)


def write_new_manifest(path: Path, rows: Iterable[Row]) -> None:
    """Write a manifest that makes the same videos without any option of a row on the command line.

    Raises:
        HeygemError: It cannot be written.
    """
    content = format_manifest(rows, path.suffix.lower(), complete_values).encode("utf-8", "backslashreplace")
    try:
        write_atomically(path, content)
    except OSError as error:
        raise write_error(error, path, path.parent) from error


def format_manifest(
    rows: Iterable[Row], suffix: str, values_of: Callable[[Row], dict[str, str]] = portable_values
) -> str:
    """Return rows as a manifest that is valid in any folder.

    Args:
        rows: The rows.
        suffix: ``.json``, ``.jsonl`` (JSON Lines), ``.tsv`` (separated by tabs), or any other for CSV.
        values_of: Returns the cells of a row.
    """
    values = [values_of(row) for row in rows]
    if suffix == ".json":
        return json.dumps(values, ensure_ascii=False, indent=2) + "\n"
    if suffix == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in values)
    columns = [name for name in COLUMNS if any(name in row for row in values)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", delimiter="\t" if suffix == ".tsv" else ",")
    writer.writeheader()
    writer.writerows(values)
    return text.getvalue()
