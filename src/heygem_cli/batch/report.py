"""What became of every job: one object, from which the table, the JSON, the JUnit file and the exit code are made."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_type_hints
from xml.etree import ElementTree as ET

from heygem_cli.batch.columns import COLUMNS
from heygem_cli.batch.journal import JobState
from heygem_cli.batch.plan import Job
from heygem_cli.batch.rows import Row, cells_of
from heygem_cli.batch.shard import Shard
from heygem_cli.batch.validate import all_match
from heygem_cli.errors import HeygemError, InputError
from heygem_cli.files import write_atomically

SCHEMA = 1
Ending = Literal["done", "failed", "interrupted", "waiting"]
ENDINGS: tuple[Ending, ...] = ("done", "failed", "interrupted", "waiting")
LEFT: tuple[Ending, ...] = ("interrupted", "waiting")
"""What a run that was stopped has not brought to an end."""
PROPERTIES = (
    "output",
    "attempts",
    "audio_seconds",
    "real_time_factor",
    "frames",
    "frames_without_face",
    "frames_turned_away",
)
"""Of a job, beside its name, status, seconds and error: JUnit has no place of its own for them."""
SHARD = re.compile(r"[0-9]{1,6}/[0-9]{1,6}")


@dataclass(frozen=True)
class JobReport:
    """One job.

    Attributes:
        status: ``waiting`` is a job that the run did not come to.
        attempts: with these inputs and options, over all runs.
        seconds: of the last attempt.
        audio_seconds: of its audio.
        real_time_factor: seconds of work a second of video; None while there is no video.
        error: code, message and hint of a failure.
        frames_turned_away: of those with the face; the head is turned too far to the side there, and they passed.
    """

    id: str
    row: int
    output: str
    status: Ending
    attempts: int
    seconds: float
    audio_seconds: float
    real_time_factor: float | None
    frames: int | None
    frames_without_face: int | None
    error: Mapping[str, str] | None
    frames_turned_away: int | None = None


@dataclass(frozen=True)
class Report:
    """One run, or several merged.

    Attributes:
        began: seconds since 1970.
        seconds: from the beginning to the end.
        shard: of the run.
        missing: shards whose report was not among those merged.
        stopped: number of the signal that ended the run.
    """

    manifest: str
    run: str
    began: float
    seconds: float
    jobs: Sequence[JobReport]
    shard: str | None = None
    missing: Sequence[str] = ()
    stopped: int | None = None

    @property
    def counts(self) -> dict[Ending, int]:
        """How many jobs ended how."""
        found = Counter(job.status for job in self.jobs)
        return {ending: found[ending] for ending in ENDINGS}

    @property
    def exit_code(self) -> int:
        """0 all done, 1 all failed, 3 some; 130 or 143 after a signal."""
        if self.stopped is not None:
            return 128 + self.stopped
        counts = self.counts
        if counts["done"] == len(self.jobs) and not self.missing:
            return 0
        return 1 if counts["failed"] and not counts["done"] else 3

    def to_dict(self) -> dict[str, object]:
        """What ``--json`` and ``--report`` hold."""
        return {"counts": self.counts, **asdict(self)}


def report_job(job: Job, state: JobState | None, run: str) -> JobReport:
    """Say what became of a job.

    Args:
        job: as it was planned.
        state: as the journal knows it at the end.
        run: this one.
    """
    counts = state is not None and (state.run == run or (state.key == job.key and not job.wanted))
    if state is None or not counts:
        state = JobState("retrying", job.key, job.row.output, run)
    status: Ending = "failed" if job.action == "failed" else "waiting"
    if state.status in ("done", "failed", "interrupted"):
        status = state.status
    unusable = {"code": "unusable", "message": job.reason, "hint": ""} if status == "failed" else None
    result = state.result or {}
    return JobReport(
        id=job.row.id,
        row=job.row.cells.number,
        output=str(job.row.job.output),
        status=status,
        attempts=state.attempts,
        seconds=state.seconds,
        audio_seconds=round(job.seconds, 3),
        real_time_factor=round(state.seconds / result["duration"], 3) if result.get("duration") else None,
        frames=result.get("frames"),
        frames_without_face=result.get("frames_without_face"),
        error=_whole_error(state.error or unusable),
        frames_turned_away=result.get("frames_turned_away"),
    )


def merge(reports: Sequence[Report]) -> Report:
    """Put the reports of shards, or of runs one after another, together; of a job's reports the latest counts.

    Raises:
        InputError: they are of different manifests.
    """
    names = {Path(report.manifest).name for report in reports}
    if len(names) > 1:
        message = f"the reports are of different manifests: {', '.join(sorted(names))}"
        raise InputError("different-manifests", message, hint="Merge those of one manifest")
    in_time = sorted(reports, key=lambda report: report.began)
    jobs = {job.id: job for report in in_time for job in report.jobs}
    stopped = [report.stopped for report in in_time if report.stopped is not None]
    return Report(
        manifest=in_time[-1].manifest,
        run="+".join(report.run for report in in_time),
        began=in_time[0].began,
        seconds=round(max(report.began + report.seconds for report in in_time) - in_time[0].began, 3),
        jobs=sorted(jobs.values(), key=lambda job: job.row),
        missing=_missing(report.shard for report in in_time),
        stopped=stopped[-1] if stopped and any(job.status in LEFT for job in jobs.values()) else None,
    )


def _missing(shards: Iterable[str | None]) -> list[str]:
    named = {shard for shard in shards if shard}
    counts = {int(shard.partition("/")[2]) for shard in named}
    wanted = {str(Shard(index, count)) for count in counts for index in range(1, count + 1)}
    return sorted(wanted - named)


def read_report(path: Path) -> Report:
    """Read what ``--report`` wrote.

    Raises:
        InputError: it is no report.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        fields = {
            name: content[name] for name in ("manifest", "run", "began", "seconds", "shard", "missing", "stopped")
        }
        report = _checked(Report(jobs=[_read_job(job) for job in content["jobs"]], **fields), fields)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        hint = "Give files that `heygem batch --report` made"
        raise InputError("not-a-report", "this is no report of a batch", hint=hint, path=path) from error
    except FileNotFoundError as error:
        raise InputError("not-found", "there is no such file", path=path) from error
    except OSError as error:
        raise InputError("unreadable-file", f"it cannot be read ({error.strerror})", path=path) from error
    return report


def _checked(report: Report, fields: Mapping[str, object]) -> Report:
    hints = get_type_hints(Report)
    if not all_match(fields, {name: hints[name] for name in fields}) or not SHARD.fullmatch(report.shard or "1/1"):
        raise ValueError("not a report")
    return report


def _read_job(found: dict[str, Any]) -> JobReport:
    if not all_match(found, get_type_hints(JobReport)):
        raise ValueError("not a job")
    return JobReport(**{**found, "error": _whole_error(found["error"])})


def _whole_error(found: Mapping[str, str] | None) -> Mapping[str, str] | None:
    return None if found is None else {"code": "", "message": "", "hint": "", **found}


def as_json(report: Report) -> str:
    """Write a report as JSON."""
    return json.dumps({"schema": SCHEMA, **report.to_dict()}, ensure_ascii=False, indent=2) + "\n"


def as_junit(report: Report) -> str:
    """Write a report as JUnit XML, as CI systems read it."""
    counts = report.counts
    suite = ET.Element(
        "testsuite",
        name=_clean(Path(report.manifest).name),
        tests=str(len(report.jobs)),
        failures=str(counts["failed"]),
        errors="0",
        skipped=str(counts["interrupted"] + counts["waiting"]),
        time=f"{report.seconds:.3f}",
    )
    for job in report.jobs:
        case = ET.SubElement(
            suite, "testcase", classname="heygem.batch", name=_clean(job.id), time=f"{job.seconds:.3f}"
        )
        properties = ET.SubElement(case, "properties")
        for name in PROPERTIES:
            value = getattr(job, name)
            if value is not None:
                ET.SubElement(properties, "property", name=name, value=_clean(str(value)))
        if job.status == "failed":
            error = job.error or {}
            failure = ET.SubElement(case, "failure", type=_clean(error["code"]), message=_clean(error["message"]))
            failure.text = _clean(error["hint"])
        elif job.status != "done":
            ET.SubElement(case, "skipped", message=job.status)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _clean(text: str) -> str:
    """Escape what XML cannot hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", lambda found: repr(found[0])[1:-1], text)


def as_manifest(rows: Iterable[Row], suffix: str) -> str:
    """Write rows as a manifest that means the same anywhere: ``.jsonl`` and ``.json`` as such, else CSV."""
    cells = [cells_of(row) for row in rows]
    if suffix == ".json":
        return json.dumps(cells, ensure_ascii=False, indent=2) + "\n"
    if suffix == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in cells)
    used = [name for name in COLUMNS if any(name in row for row in cells)]
    text = io.StringIO()
    writer = csv.DictWriter(text, used, restval="")
    writer.writeheader()
    writer.writerows(cells)
    return text.getvalue()


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears under its name when it is complete.

    Raises:
        HeygemError: ``report-failed``.
    """
    try:
        write_atomically(
            path, text.encode("utf-8", "backslashreplace")
        )  # half a character in a name, as JSON writes it
    except OSError as error:
        raise HeygemError("report-failed", f"it cannot be written ({error.strerror})", path=path) from error
