"""Tests of rows that are skipped since they have problems."""

from pathlib import Path

from heygem_cli.batch.bad_rows import unusable_jobs
from heygem_cli.batch.manifest import Problem, parse_manifest
from heygem_cli.batch.report import report_job
from heygem_cli.batch.rows import make_rows
from heygem_cli.options import RenderOptions

MANIFEST = b"""{"audio": "a.wav", "face": "f.mp4", "id": "one"}
{"audio": "a.wav", "face": "f.mp4", "id": "one"}
{"face": "f.mp4", "id": "two", "output": "x.mp4", "crf": 99}
{"face": "f.mp4", "output": "y.mp4"}
{"broken
{"audio": "b.wav", "face": "f.mp4", "crf": 99, "loop": "never"}
"""


def test_each_bad_row_is_a_failed_job_of_its_own():
    raw_rows, problems = parse_manifest(MANIFEST)
    rows, row_problems = make_rows(raw_rows, Path(), RenderOptions())
    late = Problem("b.wav: there is no such file", "Check the path", 6, column="audio")
    jobs = unusable_jobs(rows, raw_rows, [*problems, *row_problems, late])
    reports = [report_job(job, None, "run") for job in jobs]
    assert [(each.row, each.id, each.output) for each in reports] == [
        (2, "one (row 2)", "one.mp4"),
        (3, "two", ""),
        (4, "y", ""),
        (5, "row 5", ""),
        (6, "f_b", "f_b.mp4"),
    ]
    assert {each.status for each in reports} == {"failed"}
    assert {each.error["code"] for each in reports} == {"unusable"}
    assert (
        reports[1].error["message"] == "column audio: it is empty; column crf: '99' is not a whole number from 0 to 51"
    )
    assert reports[1].error["hint"] == "Name the audio file to speak"
    assert reports[4].error["message"].endswith("column audio: b.wav: there is no such file")
    assert reports[3].error["message"].startswith("it is not JSON")


def test_rows_without_problems_are_no_jobs():
    raw_rows, problems = parse_manifest(b"audio,face\na.wav,f.mp4\n")
    rows, _ = make_rows(raw_rows, Path(), RenderOptions())
    assert unusable_jobs(rows, raw_rows, problems) == []
