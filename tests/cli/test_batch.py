"""Tests of ``heygem batch`` as a process: what is rendered, reported and skipped."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import pytest
from rich.text import Text

from batch_program import Batch, is_complete
from heygem_cli.media.part import cut_video
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from portrait import make_face_video, portrait, scene


@pytest.fixture(scope="module")
def finished(batch_inputs, tmp_path_factory):
    """A batch with one failed row, and its completed process."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(batch_inputs, folder / "list")
    batch = Batch(folder / "list", folder / "cache")
    batch.rows("""
        audio;face;id;crf
        a.wav;face.mp4;one;20
        b.wav;nobody.mp4;two;
        c.wav;other.mp4;three;
        b.wav;face.mp4;four;
    """)
    reports = ("--report", "r.json", "--junit", "r.xml", "--failed-manifest", "failed.csv")
    return batch, batch.run(*reports)


@pytest.fixture
def again(finished, tmp_path):
    """A copy of the finished batch, to run the command again."""
    folder = tmp_path / "again"
    shutil.copytree(finished[0].folder, folder)
    return Batch(folder, tmp_path / "cache")


def test_good_rows_are_rendered_and_the_failure_is_reported(finished):
    batch, done = finished
    assert done.returncode == 3
    assert batch.new_files() == ["failed.csv", "four.mp4", "one.mp4", "r.json", "r.xml", "three.mp4"]
    assert is_complete(batch.folder / "one.mp4", 0.4)
    assert "4 jobs: 3 done, 1 failed" in done.stdout
    assert re.search(r"1 +one +done +1 +[\d.]+ +×[\d.]+ +none", done.stdout)
    assert "no-face: nobody.mp4: no face found in 15 frames" in done.stdout
    assert "--retry-failed" in done.stderr


def test_jobs_of_a_face_run_one_after_another_and_share_its_track(finished):
    batch, _ = finished
    done = {event["id"]: event["result"] for event in batch.events("done")}
    assert [event["id"] for event in batch.events("started")] == ["four", "one", "two", "three"]
    assert [done[name]["track_cached"] for name in ("four", "one", "three")] == [False, True, False]


def test_reports_are_written(finished):
    batch, _ = finished
    report = json.loads((batch.folder / "r.json").read_text())
    assert (report["schema"], report["counts"]["done"], report["counts"]["failed"]) == (1, 3, 1)
    one, two, *_ = report["jobs"]
    assert (one["id"], one["status"], one["attempts"]) == ("one", "done", 1)
    assert (one["frames"], one["frames_without_face"], one["frames_turned_away"]) == (10, 0, 0)
    assert (one["frames_other_person"], one["frames_outside"], one["shots"], one["people"]) == (0, 0, 1, 1)
    assert one["real_time_factor"] == pytest.approx(one["seconds"] / 0.4, abs=0.01)
    assert (two["status"], two["error"]["code"]) == ("failed", "no-face")
    assert "larger than" in two["error"]["hint"]
    suite = ET.parse(batch.folder / "r.xml").getroot().find("testsuite")  # noqa: S314
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")
    with (batch.folder / "failed.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["audio"]) == ("two", str(batch.folder / "b.wav"))


def test_second_run_renders_nothing(again):
    stamps = {path.name: path.stat().st_mtime_ns for path in again.folder.glob("*.mp4")}
    done = again.run()
    assert (done.returncode, done.stderr) == (3, "Failed rows are left alone until you add --retry-failed\n")
    assert "4 jobs: 3 already done, 1 failed, in" in done.stdout
    assert re.search("1  one    already done ", done.stdout)
    assert not re.search(" $", done.stdout, re.MULTILINE)
    assert stamps == {path.name: path.stat().st_mtime_ns for path in again.folder.glob("*.mp4")}
    assert len(again.events("started")) == 4


def test_only_changed_rows_are_rendered_again(again):
    shutil.copy(again.folder / "c.wav", again.folder / "a.wav")
    (again.folder / "four.mp4").unlink()
    plan = {job["id"]: job["action"] for job in again.json("--dry-run")["jobs"]}
    assert plan == {"one": "changed", "two": "failed", "three": "done", "four": "do"}
    assert again.statuses() == {"one": "done", "two": "failed", "three": "done", "four": "done"}
    assert [event["id"] for event in again.events("started")][4:] == ["four", "one"]
    assert is_complete(again.folder / "one.mp4", 0.5)


def test_retry_failed_and_only_select_rows(again):
    shutil.copy(again.folder / "face.mp4", again.folder / "nobody.mp4")
    assert again.statuses("--only", "two", "--retry-failed", "--failed-manifest", "failed.csv") == {"two": "done"}
    assert not (again.folder / "failed.csv").exists()
    assert again.run().returncode == 0
    assert [event["id"] for event in again.events("started")][4:] == ["two"]


def test_dry_run_prints_a_table_and_writes_nothing(again):
    before = again.files()
    done = again.run("--dry-run", "--force")
    assert done.returncode == 0
    assert "4 jobs: 4 to do; 2.1 s of audio to render" in done.stdout
    assert again.files() == before
    assert "Did you mean three?" in again.run("--only", "thre").stderr


def test_rows_stay_done_when_the_folder_is_moved(again, tmp_path):
    again.folder.rename(tmp_path / "elsewhere")
    again.folder = tmp_path / "elsewhere"
    assert {job["action"] for job in again.json("--dry-run")["jobs"]} == {"done", "failed"}


def test_nothing_is_started_if_there_are_problems(batch):
    batch.rows("""
        audio,face,id,crf,lop
        a.wav,face.mp4,x,,
        no.wav,face.mp4,x,99,
        a.wav,a.wav,y,,
    """)
    done = batch.run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: m.csv: 5 problems, nothing was started:",
        "  column lop: there is no such column. Did you mean loop?",
        "  row 2 (line 3), column crf: '99' is not a whole number from 0 to 51. Correct it, or leave it empty",
        "  row 2 (line 3), column output: x.mp4 is also the output of row 1. Give each row its own output or id",
        "  row 2 (line 3), column audio: no.wav: there is no such file. "
        "Check the path; in a manifest it is relative to the manifest's folder",
        "  row 3 (line 4), column face: a.wav: it has no video stream. Give a video or an image of a face",
    ]
    error = json.loads(batch.run("--json").stdout)["error"]
    assert [problem["column"] for problem in error["problems"]] == ["lop", "crf", "output", "audio", "face"]
    assert batch.new_files() == []
    assert batch.files() == sorted(batch.before)


def test_good_rows_are_rendered_if_bad_ones_may_be_skipped(batch):
    batch.rows("""
        audio,face,id,crf
        a.wav,face.mp4,good,
        no.wav,face.mp4,lost,
        b.wav,face.mp4,odd,99
        b.wav,face.mp4,good,
        ,face.mp4,empty,
    """)
    plan = {job["id"]: job["action"] for job in batch.json("--skip-bad", "--dry-run")["jobs"]}
    bad = ["lost", "odd", "good (row 4)", "empty"]
    assert plan == {"good": "do", **dict.fromkeys(bad, "failed")}
    reports = ("--report", "r.json", "--failed-manifest", "failed.csv")
    done = batch.run("--skip-bad", *reports)
    assert done.returncode == 3
    assert batch.new_files() == ["failed.csv", "good.mp4", "r.json"]
    assert "5 jobs: 1 done, 4 failed" in done.stdout
    assert "unusable: column audio: no.wav: there is no such file. Check the path" in done.stdout
    assert "--retry-failed" not in done.stderr
    assert {event["id"] for event in batch.events("started")} == {"good"}
    with (batch.folder / "failed.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["lost", "odd", "good (row 4)"]
    assert batch.run("--skip-bad", *reports).returncode == 3
    assert batch.run("--skip-bad", "--only", "odd").returncode == 1
    batch.rows("audio,face,lop\na.wav,face.mp4,1\n")
    assert batch.run("--skip-bad").returncode == 2  # a column concerns all rows


def test_manifest_is_read_from_standard_input(batch):
    batch.before = set(batch.files())
    lines = '{"audio": "a.wav", "face": "face.mp4"}\n'
    assert batch.statuses(manifest="-", stdin=lines) == {"face_a": "done"}
    assert batch.new_files() == ["face_a.mp4", "stdin.journal.jsonl", "stdin.journal.lock"]


def test_unusable_report_path_is_an_error_before_anything_starts(batch):
    batch.rows("audio,face\na.wav,face.mp4")
    assert "m.csv: this is a file, not a folder" in batch.run("--report", "m.csv/r.json").stderr
    for name, message in {
        "m.csv": "would replace an input",
        "a.wav": "would replace an input",
        "./face_a.mp4": "writes another file of this name",
        "m.csv.journal.jsonl": "writes another file of this name",
    }.items():
        done = batch.run("--failed-manifest", name)
        assert (done.returncode, batch.new_files()) == (2, [])
        assert message in done.stderr


def test_fail_fast_and_max_failures_stop_the_batch(batch):
    batch.rows("""
        audio,face,id
        a.wav,nobody.mp4,1
        b.wav,nobody.mp4,2
        a.wav,face.mp4,3
    """)
    assert batch.statuses("--fail-fast") == {"1": "waiting", "2": "failed", "3": "waiting"}
    assert batch.statuses("--max-failures", 2) == {"1": "failed", "2": "failed", "3": "done"}
    assert batch.run("--only", "1").returncode == 1


def test_shards_run_at_the_same_time_and_their_reports_are_merged(batch):
    rows = "".join(f"{audio}.wav,face.mp4,{audio}{number}\n" for audio in "abc" for number in range(2))
    batch.rows(f"audio,face,id\n{rows}")
    shards = [batch.start("--shard", f"{index}/2", "--report", f"r{index}.json") for index in (1, 2)]
    for process in shards:
        process.communicate(timeout=120)
        assert process.returncode == 0
    merged = batch.json("--merge-reports", "r2.json", "--report", "all.json", manifest="r1.json")
    assert (merged["counts"]["done"], merged["missing"]) == (6, [])
    assert json.loads((batch.folder / "all.json").read_text()) == merged
    journals = [f"m.csv.{index}-of-2.journal.jsonl" for index in (1, 2)]
    done = [event["id"] for journal in journals for event in batch.events("done", journal)]
    assert sorted(done) == ["a0", "a1", "b0", "b1", "c0", "c1"]
    # Both use the same face: the second one waited for the track and read it from the cache.
    assert sum(not e["result"]["track_cached"] for j in journals for e in batch.events("done", j)) <= 2
    assert {job["action"] for job in batch.json("--dry-run")["jobs"]} == {"done"}
    assert "would replace an input" in batch.run("--merge-reports", "--report", "r1.json", manifest="r1.json").stderr
    assert (
        "cannot be used with --merge-reports"
        in batch.run("--merge-reports", "--failed-manifest", "f", manifest="r1.json").stderr
    )
    incomplete = batch.run("--merge-reports", manifest="r1.json")
    assert (incomplete.returncode, incomplete.stderr) == (3, "There is no report of shard 2/2\n")


def test_narrow_terminal_shows_the_job_and_the_time_left(batch):
    batch.rows("audio,face,id,output\nb.wav,nobody.mp4,[/red] a name that is much too long,x.mp4")
    batch.environment |= {"FORCE_COLOR": "1", "COLUMNS": "40"}
    done = batch.run()
    plain = Text.from_ansi(done.stderr).plain
    assert "1/1 [/red] a …" in plain
    assert re.search(r"a … .*0:00:0\d (-:--:--|0:0\d:\d\d)", plain)
    assert "row 1: no-face: nobody.mp4: no face" in " ".join(Text.from_ansi(done.stdout).plain.split())
    assert "speed" not in done.stdout
    assert "1 job: 1 failed, in" in Text.from_ansi(done.stdout).plain


STDOUT_FULL = "error: standard output cannot be written (No space left on device). Redirect it elsewhere\n"


def test_broken_output_streams_do_not_stop_the_batch(batch):
    batch.rows("audio,face\na.wav,face.mp4\nb.wav,face.mp4")
    reading, writing = os.pipe()
    os.close(reading)
    with open("/dev/full", "w") as full, open(writing, "w") as broken:  # noqa: PTH123
        assert batch.start(stdout=broken, stderr=full).wait(120) == 0
    assert batch.new_files() == ["face_a.mp4", "face_b.mp4"]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        process = batch.start("--dry-run", stdout=full)
        assert process.communicate(timeout=120)[1] == STDOUT_FULL
    assert process.returncode == 1


def test_example_manifest_is_valid():
    example = Path(__file__).parents[2] / "examples" / "manifest.csv"
    command = [sys.executable, "-m", "heygem_cli", "batch", str(example), "--dry-run", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {job["action"] for job in json.loads(done.stdout)["jobs"]} <= {"do", "done"}


def test_the_looped_row_of_the_example_manifest_loops():
    example = Path(__file__).parents[2] / "examples"
    rows = csv.DictReader((example / "manifest.csv").read_text().splitlines())
    (looped,) = (row for row in rows if row["loop"])
    part = cut_video(probe_video(example / looped["face"]), float(looped["face_start"]))
    assert part.frames / part.fps < probe_audio(example / looped["audio"]).duration


def test_picture_of_the_person_and_timeline_belong_to_their_row(batch):
    (batch.folder / "photos").mkdir()
    photo = batch.folder / "photos" / "grace.png"
    cv2.imwrite(str(photo), portrait())
    batch.rows("""
        audio,face,id,person,timeline
        a.wav,face.mp4,one,photos/grace.png,times/one.csv
        b.wav,face.mp4,two,,two.json
    """)
    assert batch.statuses() == {"one": "done", "two": "done"}
    timeline = batch.folder / "times" / "one.csv"
    assert timeline.read_text().splitlines()[1] == "0.0,0.4,0,9,1,1,rendered"
    assert json.loads((batch.folder / "two.json").read_text())["timeline"][0]["state"] == "rendered"

    def plan():
        return {job["id"]: (job["action"], job["why"]) for job in batch.json("--dry-run")["jobs"]}

    assert plan() == {"one": ("done", ""), "two": ("done", "")}
    (batch.folder / "two.json").unlink()
    assert plan()["two"] == ("do", "the timeline is missing")
    cv2.imwrite(str(photo), portrait(), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert plan()["one"] == ("changed", "inputs, options or models")
    assert batch.statuses() == {"one": "done", "two": "done"}  # its own timeline is replaced
    assert plan() == {"one": ("done", ""), "two": ("done", "")}


def test_problems_with_pictures_and_timelines_are_listed_before_anything_starts(batch):
    batch.rows("""
        audio,face,id,person,timeline
        a.wav,face.mp4,one,no.png,
        a.wav,face.mp4,two,other.mp4,t.csv
        a.wav,face.mp4,three,,t.csv
        a.wav,face.mp4,four,,t.txt
        a.wav,face.mp4,five,,m.csv
    """)
    done = batch.run()
    assert done.returncode == 2
    for line in (
        "row 1 (line 2), column person: no.png: there is no such file",
        "row 2 (line 3), column person: other.mp4: this is a video, and --person takes a picture",
        "row 3 (line 4), column timeline: t.csv is also the timeline of row 2",
        "row 4 (line 5), column timeline: t.txt: the timeline cannot have the format that its name says",
        "row 5 (line 6), column timeline: m.csv: the output is an input or the manifest",
    ):
        assert line in done.stderr
    assert batch.new_files() == []


def test_several_people_speak_in_a_row(batch):
    make_face_video(batch.folder / "two.mp4", [scene(480, 256, (120, 140, 180), (360, 140, 180))] * 4)
    batch.rows("""
        face,speak,sound,id
        two.mp4,1=a.wav;right=b.wav,,both
        two.mp4,2=a.wav,c.wav,one
    """)
    assert batch.statuses() == {"both": "done", "one": "done"}
    assert is_complete(batch.folder / "both.mp4", 0.6)
    assert is_complete(batch.folder / "one.mp4", 0.5)
    shutil.copy(batch.folder / "c.wav", batch.folder / "b.wav")
    plan = {job["id"]: job["action"] for job in batch.json("--dry-run")["jobs"]}
    assert plan == {"both": "changed", "one": "done"}
    batch.rows("audio,face,speak\na.wav,two.mp4,1=b.wav")
    done = batch.run()
    assert done.returncode == 2
    assert "--speak and an audio exclude each other" in done.stderr
