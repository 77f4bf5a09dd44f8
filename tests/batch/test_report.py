"""Tests of reports and report files."""

import json
import os
import signal
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from batch_program import make_packed_inputs
from heygem_cli.batch.journal import JobState
from heygem_cli.batch.manifest import RawRow, parse_manifest
from heygem_cli.batch.plan import PlannedJob
from heygem_cli.batch.report import (
    BatchReport,
    JobReport,
    merge_reports,
    read_report,
    report_job,
)
from heygem_cli.batch.report_files import (
    ReportFiles,
    check_new_manifest,
    format_json,
    format_junit,
    format_manifest,
    write_new_manifest,
)
from heygem_cli.batch.rows import complete_values, make_rows
from heygem_cli.errors import InputError
from heygem_cli.option_fields import with_values
from heygem_cli.options import ROW_OPTIONS, Person, RenderOptions
from unprivileged import unprivileged

ERROR = {"code": "no-face", "message": "x.mp4: no face", "hint": "Another"}
DONE = JobReport("a", 1, "a.mp4", "done", 1, 2.0, 1.0, 2.0, 25, 3, None)
FAILED = JobReport("b\x1b\n", 2, "b.mp4", "failed", 2, 0.5, 1.0, None, None, None, ERROR)
WAITING = JobReport("c", 3, "c.mp4", "waiting", 0, 0.0, 1.0, None, None, None, None)


def report_of(*jobs, **fields):
    return BatchReport("lists/m.csv", "r", 100.0, 9.0, jobs, **fields)


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (report_of(), 0),
        (report_of(DONE, DONE), 0),
        (report_of(FAILED, FAILED), 1),
        (report_of(FAILED, WAITING), 1),
        (report_of(DONE, FAILED), 3),
        (report_of(DONE, WAITING), 3),
        (report_of(DONE, missing=["2/2"]), 3),
        (report_of(DONE, FAILED, stopped=signal.SIGINT), 130),
        (report_of(DONE, stopped=signal.SIGTERM), 143),
    ],
)
def test_exit_codes(report, code):
    assert report.exit_code == code


def job(action="do", key="key"):
    rows, _ = make_rows([RawRow(4, None, {"audio": "a", "face": "f", "id": "a"})], Path(), RenderOptions())
    return PlannedJob(rows[0], make_packed_inputs(2.0), action, "reason", key)


RESULT = {"duration": 2.0, "frames": 50, "frames_without_face": 1, "frames_turned_away": 4}


@pytest.mark.parametrize(
    ("planned", "state", "status"),
    [
        (job(), JobState("done", "key", "a.mp4", "now", result=RESULT), "done"),
        (job("done"), JobState("done", "key", "a.mp4", "before", result=RESULT), "done"),
        (job(), JobState("done", "key", "a.mp4", "before", result=RESULT), "waiting"),  # forced, but not started
        (job("changed"), JobState("done", "old", "a.mp4", "before", result=RESULT), "waiting"),
        (job(), None, "waiting"),
        (job(), JobState("interrupted", "key", "a.mp4", "now"), "interrupted"),
        (job(), JobState("retrying", "key", "a.mp4", "now", error=ERROR), "waiting"),
        (job("failed"), JobState("failed", "key", "a.mp4", "before", error=ERROR), "failed"),
        (job("failed", key=""), JobState("done", "key", "a.mp4", "now", result=RESULT), "done"),
        (job("failed", key=""), None, "failed"),
    ],
)
def test_status_of_a_job(planned, state, status):
    found = report_job(planned, state, "now")
    assert (found.id, found.row, found.status) == ("a", 4, status)
    assert (found.error is not None) == (status == "failed" or (state is not None and state.status == "retrying"))
    assert (found.frames_without_face == 1) == (status == "done")
    assert (found.frames_turned_away == 4) == (status == "done")


def test_figures_of_a_job():
    state = JobState("done", "key", "a.mp4", "now", attempts=2, seconds=5.0, result=RESULT)
    assert report_job(job(), state, "now") == JobReport("a", 4, "a.mp4", "done", 2, 5.0, 2.0, 2.5, 50, 1, None, 4)


def test_what_was_done_before_is_told_apart(tmp_path):
    before = report_job(job("done"), JobState("done", "key", "a.mp4", "before", result=RESULT), "now")
    now = report_job(job(), JobState("done", "key", "a.mp4", "now", result=RESULT), "now")
    failed = report_job(job("failed"), JobState("failed", "key", "a.mp4", "before", error=ERROR), "now")
    assert [each.already_done for each in (before, now, failed)] == [True, False, False]
    report = report_of(before, now, failed)
    assert (report.counts["done"], report.already_done, report.exit_code) == (2, 1, 3)
    content = json.loads(format_json(report))
    assert (content["counts"]["already_done"], content["jobs"][0]["already_done"]) == (1, True)
    cases = ET.fromstring(format_junit(report)).findall(".//testcase")  # noqa: S314
    values = [case.find("properties/property[@name='already_done']") for case in cases]
    assert [None if value is None else value.get("value") for value in values] == ["true", None, None]
    for each in content["jobs"]:
        del each["already_done"]  # as in older reports
    (tmp_path / "r.json").write_text(json.dumps(content))
    assert read_report(tmp_path / "r.json").already_done == 0


def test_report_is_written_and_read(tmp_path):
    report = report_of(DONE, FAILED, WAITING, shard="1/2")
    assert ReportFiles(report=tmp_path / "r.json").write(report) == []
    read = read_report(tmp_path / "r.json")
    assert replace(read, jobs=tuple(read.jobs), missing=()) == report
    counts = {"done": 1, "failed": 1, "interrupted": 0, "waiting": 1, "already_done": 0}
    assert json.loads(format_json(report))["counts"] == counts
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"jobs": [{"id": 1}]}', '{"jobs": [1]}', '{"schema": 1, "error": {}}', "[" * 100_000]
)
def test_file_that_is_not_a_report_is_an_error(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(InputError, match="not a report of a batch"):
        read_report(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("report_fields", "job_fields"),
    [
        ({"began": "x"}, {}), ({"seconds": True}, {}), ({"began": 1e999}, {}), ({"shard": "1/9999999"}, {}),
        ({"shard": "x/y"}, {}), ({"manifest": 5}, {}), ({"stopped": "x"}, {}), ({"missing": {}}, {}),
        ({"stopped": 128}, {}), ({"began": 10**400}, {}), ({"seconds": 1e300}, {}), ({}, {"frames": 10**400}),
        ({}, {"status": "sleeping"}), ({}, {"seconds": "x"}), ({}, {"error": "boo"}), ({}, {"error": {"code": 1}}),
        ({}, {"frames": 1.5}), ({}, {"id": None}),
    ],
)  # fmt: skip
def test_report_with_an_invalid_field_is_an_error(tmp_path, report_fields, job_fields):
    whole = json.loads(format_json(report_of(DONE, FAILED)))
    path = tmp_path / "r.json"
    path.write_text(json.dumps(whole))
    format_junit(merge_reports([read_report(path)]))
    path.write_text(
        json.dumps({**whole, **report_fields, "jobs": [whole["jobs"][0], {**whole["jobs"][1], **job_fields}]})
    )
    with pytest.raises(InputError, match="not a report of a batch"):
        read_report(path)


def test_warnings_are_reported(tmp_path):
    result = RESULT | {"warnings": ["a.m4a: the audio is damaged\x1b"]}
    warned = report_job(job(), JobState("done", "key", "a.mp4", "now", result=result), "now")
    report = report_of(warned, DONE)
    (tmp_path / "r.json").write_text(format_json(report))
    assert [job.warnings for job in read_report(tmp_path / "r.json").jobs] == [tuple(result["warnings"]), ()]
    assert ET.fromstring(format_junit(report)).findtext(".//system-out") == "a.m4a: the audio is damaged\\x1b"  # noqa: S314
    older = json.loads(format_json(report))
    for each in older["jobs"]:
        del each["warnings"]
    (tmp_path / "r.json").write_text(json.dumps(older))
    assert [job.warnings for job in read_report(tmp_path / "r.json").jobs] == [(), ()]


def test_report_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_report(tmp_path / "r.json")
    with pytest.raises(InputError, match="this is a folder"):
        read_report(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), Path("/proc/self/mem")):
        with pytest.raises(InputError, match="this is a pipe, a device"):
            read_report(path)


def test_any_name_can_be_written(tmp_path):
    path = tmp_path / ("报" * 80 + ".json")
    ReportFiles(report=path).write(report_of(replace(DONE, output="half\udcff.mp4")))
    assert read_report(path).jobs[0].output == "half\udcff.mp4"
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_junit_has_failures_and_escaped_names():
    suite = ET.fromstring(format_junit(report_of(DONE, FAILED, WAITING))).find("testsuite")  # noqa: S314
    assert {name: suite.get(name) for name in ("name", "tests", "failures", "skipped", "time")} == {
        "name": "m.csv", "tests": "3", "failures": "1", "skipped": "1", "time": "9.000",
    }  # fmt: skip
    done, failed, waiting = suite.findall("testcase")
    assert (done.get("name"), done.get("time")) == ("a", "2.000")
    assert {found.get("name"): found.get("value") for found in done.iter("property")} == {
        "output": "a.mp4", "attempts": "1", "audio_seconds": "1.0", "real_time_factor": "2.0", "frames": "25",
        "frames_without_face": "3",
    }  # fmt: skip
    assert [child.tag for child in failed] == ["properties", "failure"]
    assert failed.get("name") == "b\\x1b\n"
    assert failed.find("failure").attrib == {"type": "no-face", "message": "x.mp4: no face"}
    assert failed.find("failure").text == "Another"
    assert waiting.find("skipped").get("message") == "waiting"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ""])
def test_manifest_of_failed_rows_resolves_to_the_same_rows(suffix):
    raw_rows = [
        RawRow(1, None, {"audio": 'a ",\n\r.wav', "face": "f;.mp4", "crf": "3"}),
        RawRow(2, None, {"audio": "ä", "face": "f"}),
    ]
    rows, _ = make_rows(raw_rows, Path("somewhere"), RenderOptions())
    written, problems = parse_manifest(format_manifest(rows, suffix).encode())
    again, row_problems = make_rows(written, Path("elsewhere"), RenderOptions())
    assert (problems, row_problems) == ([], [])
    assert [(row.id, row.job.options) for row in again] == [(row.id, row.job.options) for row in rows]
    assert [row.job.audio for row in again] == [row.job.audio.absolute() for row in rows]


OTHER_VALUES = {
    "overwrite": "yes", "engine": "heygem", "person": "left", "audio_track": "2", "video_track": "3",
    "start": "0:01:02.5", "duration": "1.25", "face_start": "3", "loop": "hold", "on_missing_face": "fail",
    "mouth": "0.5", "idle": "0.2", "background": "navy", "quality": "best", "crf": "20", "preset": "slow",
    "encoder": "libx264", "pixel_format": "10bit", "timeline": "t.csv", "drive_audio": "d.wav", "sound": "s.wav",
    "no_cache": "true",
}  # fmt: skip


FILES = {"timeline": "t.csv", "drive_audio": "d.wav", "sound": "s.wav"}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json"])
def test_new_manifest_has_the_options_of_all_rows(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    assert set(OTHER_VALUES) == set(ROW_OPTIONS) - {"speak"}  # it stands instead of the audio
    options = with_values(RenderOptions(), {name: ROW_OPTIONS[name].read(text) for name, text in OTHER_VALUES.items()})
    raw_rows = [RawRow(1, None, {"audio": "a\t,.wav", "face": "f", "crf": "9"})]
    rows, _ = make_rows(raw_rows, Path("somewhere"), options)
    path = tmp_path / f"list{suffix}"
    write_new_manifest(path, rows)
    written, problems = parse_manifest(path.read_bytes())
    (again,), row_problems = make_rows(written, Path("elsewhere"), RenderOptions())
    assert (problems, row_problems) == ([], [])
    crf_of_the_row = with_values(options, {"crf": 9, **{name: tmp_path / text for name, text in FILES.items()}})
    assert (again.id, again.job.options, again.job.output) == (
        rows[0].id,
        crf_of_the_row,
        rows[0].job.output.absolute(),
    )
    picture = with_values(RenderOptions(), {"person": Person(None, picture=Path("anna.jpg"))})
    rows, _ = make_rows([RawRow(1, None, {"audio": "a", "face": "f"})], Path(), picture)
    assert complete_values(rows[0])["person"] == str(tmp_path / "anna.jpg")


def test_file_is_not_replaced_by_a_new_manifest(tmp_path):
    check_new_manifest(tmp_path / "new" / "list.csv")
    (tmp_path / "list.csv").symlink_to("nowhere")
    with pytest.raises(InputError, match="this file exists"):
        check_new_manifest(tmp_path / "list.csv")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json"])
def test_manifest_of_failed_rows_may_be_replaced(tmp_path, suffix):
    rows, _ = make_rows([RawRow(1, None, {"audio": "a", "face": "f"})], Path("somewhere"), RenderOptions())
    path = tmp_path / f"failed{suffix}"
    for content in ("", format_manifest(rows, suffix)):
        path.write_text(content)
        ReportFiles(failed_manifest=path).check((), ())


@pytest.mark.parametrize(
    "content",
    ["My notes", "a,b\n1,2\n", "audio,face\na.wav,f.mp4\n", "audio,face,id,output\na,/f,x,/o\n", "\n", "\0", "[1]"],
)
def test_other_file_is_not_replaced_by_a_manifest_of_failed_rows(tmp_path, content):
    path = tmp_path / "failed.csv"
    path.write_text(content)
    with pytest.raises(InputError, match="is not a manifest of failed rows"):
        ReportFiles(failed_manifest=path).check((), ())
    assert path.read_text() == content


def test_reports_of_shards_are_merged():
    first = report_of(DONE, FAILED, shard="1/3")
    second = replace(report_of(WAITING, shard="2/3"), began=104.0, seconds=20.0, run="s")
    merged = merge_reports([second, first])
    assert [job.id for job in merged.jobs] == ["a", "b\x1b\n", "c"]
    assert (merged.began, merged.seconds, merged.missing, merged.exit_code) == (100.0, 24.0, ["3/3"], 3)


def test_later_report_of_a_job_counts():
    again = replace(report_of(replace(FAILED, status="done", error=None)), began=200.0)
    stopped = report_of(DONE, FAILED, stopped=2)
    merged = merge_reports([again, stopped])
    assert (merged.counts["done"], merged.exit_code) == (2, 0)
    assert merge_reports([report_of(DONE, WAITING, stopped=2)]).exit_code == 130
    assert merge_reports([report_of(DONE, replace(WAITING, status="interrupted"), stopped=2)]).exit_code == 130


def test_reports_of_different_manifests_are_not_merged():
    with pytest.raises(InputError, match=r"m\.csv, n\.csv"):
        merge_reports([report_of(DONE), replace(report_of(DONE), manifest="n.csv")])


def test_report_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "full").mkdir(mode=0o555)
    monkeypatch.chdir(tmp_path)
    with unprivileged():
        (error,) = ReportFiles(report=Path("full/r.json")).write(report_of(DONE))
    assert str(error).startswith("full/r.json: it cannot be written")
