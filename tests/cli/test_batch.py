"""``heygem batch`` as a user starts it: real jobs, real signals, and what is left on the disk."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

from heygem_cli.batch.journal import parse_events
from heygem_cli.media.probe import probe_output
from portrait import make_face_video, make_voice, scene

FAST = ("--preset", "ultrafast", "--crf", "30")


@pytest.fixture(scope="module")
def inputs(media, clip):
    """A folder with a face, another one, a video without any, and voices."""
    folder = media / "batch"
    folder.mkdir()
    for name, size in (("face.mp4", 200), ("other.mp4", 180)):
        make_face_video(folder / name, [scene(256, 256, (128 + k, 140, size)) for k in range(4)])
    shutil.copy(clip, folder / "nobody.mp4")
    for name, seconds in (("a.wav", 0.4), ("b.wav", 0.6), ("c.wav", 0.5), ("long.wav", 10), ("minute.wav", 60)):
        make_voice(folder / name, seconds)
    return folder


class Batch:
    """A folder with a manifest, and the command that renders it."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"HEYGEM_CACHE_DIR": str(cache)}
        self.manifest = folder / "m.csv"
        self.before: set[str] = set()

    def rows(self, text: str) -> None:
        self.manifest.write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n")
        self.before = set(self.files())

    def start(self, *args, manifest="m.csv", **options) -> subprocess.Popen:
        command = [sys.executable, "-m", "heygem_cli", "batch", manifest, *FAST, *map(str, args)]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, **options)

    def run(self, *args, stdin=None, **options) -> subprocess.CompletedProcess:
        process = self.start(*args, stdin=subprocess.PIPE if stdin else None, **options)
        out, err = process.communicate(stdin, timeout=120)
        assert "Traceback" not in err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def json(self, *args, **options) -> dict:
        return json.loads(self.run(*args, "--json", **options).stdout)

    def statuses(self, *args, **options) -> dict[str, str]:
        return {job["id"]: job["status"] for job in self.json(*args, **options)["jobs"]}

    def events(self, kind=None, journal="m.csv.journal.jsonl") -> list[dict]:
        path = self.folder / journal
        events = parse_events(path.read_bytes()) if path.exists() else []
        return [event for event in events if kind in (None, event["event"])]

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def made(self) -> list[str]:
        """Files that were not there before, without the journal and its lock."""
        kept = {"m.csv.journal.jsonl", "m.csv.journal.lock"}
        return [name for name in self.files() if name not in self.before | kept]

    def until(self, process: subprocess.Popen, kind: str, name: str, **where) -> None:
        """Wait for an event of a job."""
        while not any(event.get("id") == name for event in self.events(kind, **where)):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)


@pytest.fixture
def batch(inputs, tmp_path):
    folder = tmp_path / "list"
    shutil.copytree(inputs, folder)
    return Batch(folder, tmp_path / "cache")


def whole(path: Path, seconds: float) -> bool:
    made = probe_output(path)
    return abs(made.video_seconds - seconds) < 0.05 and abs(made.audio_seconds - seconds) < 0.15


@pytest.fixture(scope="module")
def story(inputs, tmp_path_factory):
    """A batch of which one row has failed: what was printed, and the folder as it was left."""
    folder = tmp_path_factory.mktemp("story")
    shutil.copytree(inputs, folder / "list")
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
def again(story, tmp_path):
    """The same folder for a test of its own, to run the command again."""
    folder = tmp_path / "again"
    shutil.copytree(story[0].folder, folder)
    return Batch(folder, tmp_path / "cache")


def test_good_rows_are_rendered_and_the_bad_one_is_explained(story):
    batch, done = story
    assert done.returncode == 3
    assert batch.made() == ["failed.csv", "four.mp4", "one.mp4", "r.json", "r.xml", "three.mp4"]
    assert whole(batch.folder / "one.mp4", 0.4)
    assert "4 jobs: 3 done, 1 failed" in done.stdout
    assert "no-face: nobody.mp4: no face: the face was found in 0 of 15 frames" in done.stdout
    assert "--retry-failed" in done.stderr


def test_rows_of_a_face_run_together_and_share_its_track(story):
    batch, _ = story
    done = {event["id"]: event["result"] for event in batch.events("done")}
    assert [event["id"] for event in batch.events("started")] == ["four", "one", "two", "three"]
    assert [done[name]["track_cached"] for name in ("four", "one", "three")] == [False, True, False]


def test_the_reports_say_it_too(story):
    batch, _ = story
    report = json.loads((batch.folder / "r.json").read_text())
    assert (report["schema"], report["counts"]["done"], report["counts"]["failed"]) == (1, 3, 1)
    one, two, *_ = report["jobs"]
    assert (one["id"], one["status"], one["attempts"], one["frames"], one["frames_without_face"]) == (
        "one", "done", 1, 10, 0,
    )  # fmt: skip
    assert one["real_time_factor"] == pytest.approx(one["seconds"] / 0.4, abs=0.01)
    assert (two["status"], two["error"]["code"]) == ("failed", "no-face")
    assert "larger than" in two["error"]["hint"]
    suite = ET.parse(batch.folder / "r.xml").getroot().find("testsuite")  # noqa: S314
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")
    with (batch.folder / "failed.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["audio"]) == ("two", str(batch.folder / "b.wav"))


def test_the_same_command_again_does_nothing(again):
    stamps = {path.name: path.stat().st_mtime_ns for path in again.folder.glob("*.mp4")}
    done = again.run()
    assert (done.returncode, done.stderr) == (3, "Failed rows are left alone until you add --retry-failed\n")
    assert stamps == {path.name: path.stat().st_mtime_ns for path in again.folder.glob("*.mp4")}
    assert len(again.events("started")) == 4


def test_only_what_changed_is_rendered_again(again):
    shutil.copy(again.folder / "c.wav", again.folder / "a.wav")
    (again.folder / "four.mp4").unlink()
    plan = {job["id"]: job["action"] for job in again.json("--dry-run")["jobs"]}
    assert plan == {"one": "changed", "two": "failed", "three": "done", "four": "do"}
    assert again.statuses() == {"one": "done", "two": "failed", "three": "done", "four": "done"}
    assert [event["id"] for event in again.events("started")][4:] == ["four", "one"]
    assert whole(again.folder / "one.mp4", 0.5)


def test_failed_rows_are_tried_again_on_demand_and_only_those_named(again):
    shutil.copy(again.folder / "face.mp4", again.folder / "nobody.mp4")
    assert again.statuses("--only", "two", "--retry-failed", "--failed-manifest", "failed.csv") == {"two": "done"}
    assert not (again.folder / "failed.csv").exists()
    assert again.run().returncode == 0
    assert [event["id"] for event in again.events("started")][4:] == ["two"]


def test_dry_run_shows_a_table_and_writes_nothing(again):
    before = again.files()
    done = again.run("--dry-run", "--force")
    assert done.returncode == 0
    assert "4 jobs: 4 do; 2.1 s of audio to render" in done.stdout
    assert again.files() == before
    assert "Did you mean three?" in again.run("--only", "thre").stderr


def test_a_moved_folder_is_still_done(again, tmp_path):
    again.folder.rename(tmp_path / "elsewhere")
    again.folder = tmp_path / "elsewhere"
    assert {job["action"] for job in again.json("--dry-run")["jobs"]} == {"done", "failed"}


def test_nothing_is_started_while_anything_is_wrong(batch):
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
        "  row 2 (line 3), column crf: '99' is not a whole number from 0 to 51",
        "  row 2 (line 3), column output: x.mp4 is the output of row 1 too. "
        "Give each row an output or an id of its own",
        "  row 2 (line 3), column audio: no.wav: there is no such file",
        "  row 3 (line 4), column face: a.wav: no picture in it. Give a video or a picture of a face",
    ]
    error = json.loads(batch.run("--json").stdout)["error"]
    assert [problem["column"] for problem in error["problems"]] == ["lop", "crf", "output", "audio", "face"]
    assert batch.made() == []
    assert batch.files() == sorted(batch.before)


def test_a_manifest_from_standard_input(batch):
    batch.before = set(batch.files())
    lines = '{"audio": "a.wav", "face": "face.mp4"}\n'
    assert batch.statuses(manifest="-", stdin=lines) == {"face_a": "done"}
    assert batch.made() == ["face_a.mp4", "stdin.journal.jsonl", "stdin.journal.lock"]


def test_a_report_that_could_not_be_written_is_told_before_the_work(batch):
    batch.rows("audio,face\na.wav,face.mp4")
    assert "no/r.json" in batch.run("--report", "no/r.json").stderr or batch.made() == []
    done = batch.run("--failed-manifest", "m.csv")
    assert (done.returncode, batch.made()) == (2, [])
    assert "would replace an input" in done.stderr


def test_failures_stop_the_batch_on_demand(batch):
    batch.rows("""
        audio,face,id
        a.wav,nobody.mp4,1
        b.wav,nobody.mp4,2
        a.wav,face.mp4,3
    """)
    assert batch.statuses("--fail-fast") == {"1": "waiting", "2": "failed", "3": "waiting"}
    assert batch.statuses("--max-failures", 2) == {"1": "failed", "2": "failed", "3": "done"}
    assert batch.run("--only", "1").returncode == 1


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def ffmpegs(name: str) -> list[int]:
    """Processes that write the output of this job."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if f":.{name}.".encode() in command_of(pid)]


def signal_encoder(process: subprocess.Popen, name: str, signum: int) -> None:
    """Send a signal to the ffmpeg that writes the output of a job."""
    while not (pids := ffmpegs(name)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    os.kill(pids[0], signum)


def children(pid: int) -> list[int]:
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


def no_more(name: str) -> None:
    """Wait until the ffmpeg of a dead process has ended too."""
    while ffmpegs(name):
        time.sleep(0.01)


def test_an_error_that_can_pass_is_tried_again_after_the_others(batch):
    batch.rows("""
        audio,face,id
        long.wav,face.mp4,killed
        a.wav,face.mp4,next
    """)
    process = batch.start("--retries", 2)
    signal_encoder(process, "killed", signal.SIGKILL)
    batch.until(process, "done", "next")
    signal_encoder(process, "killed", signal.SIGKILL)
    process.communicate(timeout=120)
    happened = [(event["event"], event["id"]) for event in batch.events() if event["event"] != "run"]
    assert happened == [
        ("started", "killed"), ("retrying", "killed"), ("started", "next"), ("done", "next"),
        ("started", "killed"), ("retrying", "killed"), ("started", "killed"), ("done", "killed"),
    ]  # fmt: skip
    assert process.returncode == 0
    assert {job["id"]: job["attempts"] for job in batch.json()["jobs"]} == {"killed": 3, "next": 1}


def test_an_input_that_changes_or_goes_after_the_check_fails_its_job(batch):
    batch.rows("""
        audio,face,id
        long.wav,face.mp4,first
        b.wav,face.mp4,gone
        c.wav,face.mp4,changed
    """)
    process = batch.start()
    batch.until(process, "started", "first")
    (batch.folder / "b.wav").unlink()
    shutil.copy(batch.folder / "a.wav", batch.folder / "c.wav")
    process.communicate(timeout=120)
    assert process.returncode == 3
    assert {event["id"]: event["error"]["code"] for event in batch.events("failed")} == {
        "gone": "input-gone",
        "changed": "input-changed",
    }
    assert batch.made() == ["first.mp4"]


def test_a_job_that_takes_too_long_is_cancelled_between_frames(batch):
    batch.rows("audio,face\nminute.wav,face.mp4")
    done = batch.run("--timeout", 1)
    assert done.returncode == 1
    assert "timeout: it took longer than 1 s" in done.stdout
    assert (batch.made(), len(batch.events("run"))) == ([], 1)


def test_a_job_stuck_in_native_code_ends_and_the_batch_goes_on(batch):
    batch.rows("""
        audio,face,id
        c.wav,face.mp4,stuck
        a.wav,face.mp4,next
    """)
    # All of it must survive the restart: the run, --force, and the manifest from standard input.
    process = batch.start("--timeout", 5, "--force", "--json", manifest="-", stdin=subprocess.PIPE)
    process.stdin.write(batch.manifest.read_text())
    process.stdin.close()
    process.stdin = None
    batch.until(process, "started", "stuck", journal="stdin.journal.jsonl")
    while not (decoder := [pid for pid in children(process.pid) if b"ffmpeg" in command_of(pid)]):
        assert process.poll() is None, process.communicate()
    os.kill(decoder[0], signal.SIGSTOP)
    out, err = process.communicate(timeout=120)
    assert {job["id"]: job["status"] for job in json.loads(out)["jobs"]} == {"stuck": "failed", "next": "done"}, err
    events = batch.events(journal="stdin.journal.jsonl")
    assert [event["event"] for event in events] == ["run", "started", "failed", "run", "started", "done"]
    assert len({event["run"] for event in events}) == 1
    assert events[0]["pid"] == events[3]["pid"]
    assert events[2]["error"]["code"] == "timeout"
    assert not Path(f"/proc/{decoder[0]}").exists()
    assert batch.made() == ["next.mp4", "stdin.journal.jsonl", "stdin.journal.lock"]


@pytest.mark.parametrize(("signum", "isolate"), [(signal.SIGINT, ()), (signal.SIGTERM, ("--isolate",))])
def test_a_signal_drops_the_job_and_the_next_run_goes_on(batch, signum, isolate):
    batch.rows("audio,face,id\nlong.wav,face.mp4,long\na.wav,face.mp4,short")
    process = batch.start("--report", "r.json", *isolate)
    batch.until(process, "started", "long")
    process.send_signal(signum)
    sent = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signum
    assert time.monotonic() - sent < 20  # a promise of 5 s, on a machine that is not busy
    assert batch.events()[-1]["event"] == "interrupted"
    assert batch.made() == ["r.json"]
    assert json.loads((batch.folder / "r.json").read_text())["counts"] == {
        "done": 0, "failed": 0, "interrupted": 1, "waiting": 1,
    }  # fmt: skip
    assert batch.statuses(*isolate) == {"long": "done", "short": "done"}


def test_a_killed_run_loses_only_the_job_in_flight(batch):
    batch.rows("audio,face,id\nb.wav,face.mp4,first\nlong.wav,other.mp4,long\na.wav,other.mp4,last")
    process = batch.start()
    batch.until(process, "done", "first")
    signal_encoder(process, "long", 0)
    process.kill()
    process.communicate()
    assert any(name.endswith(".heygem-part.mp4") for name in batch.files())
    assert batch.statuses() == {"first": "done", "long": "done", "last": "done"}
    assert Counter(event["id"] for event in batch.events("done")) == {"first": 1, "long": 1, "last": 1}
    assert batch.made() == ["first.mp4", "last.mp4", "long.mp4"]
    assert whole(batch.folder / "long.mp4", 10)


def test_a_job_that_kills_the_process_twice_does_not_block_the_batch(batch):
    batch.rows("audio,face,id\nlong.wav,face.mp4,deadly\na.wav,face.mp4,good")
    for _ in range(2):
        process = batch.start()
        signal_encoder(process, "deadly", 0)
        process.send_signal(signal.SIGSEGV)
        process.communicate()
        no_more("deadly")
    report = {job["id"]: job for job in batch.json()["jobs"]}
    assert (report["good"]["status"], report["deadly"]["status"]) == ("done", "failed")
    assert (report["deadly"]["error"]["code"], report["deadly"]["attempts"]) == ("process-died", 2)
    assert batch.run("--only", "deadly").returncode == 1
    assert batch.made() == ["good.mp4"]


def worker_of(process: subprocess.Popen) -> int:
    """The child that renders; multiprocessing has another one, which tracks resources."""
    (pid,) = [pid for pid in children(process.pid) if b"spawn_main" in command_of(pid)]
    return pid


def test_isolated_work_survives_a_crash_by_itself(batch):
    batch.rows("audio,face,id\nlong.wav,face.mp4,deadly\na.wav,face.mp4,good\nc.wav,other.mp4,fine")
    process = batch.start("--isolate", "--json")
    for _ in range(2):
        signal_encoder(process, "deadly", 0)
        os.kill(worker_of(process), signal.SIGSEGV)
        no_more("deadly")
    out, _ = process.communicate(timeout=120)
    report = {job["id"]: job for job in json.loads(out)["jobs"]}
    assert {name: job["status"] for name, job in report.items()} == {"deadly": "failed", "good": "done", "fine": "done"}
    assert "was killed by SIGSEGV" in report["deadly"]["error"]["message"]
    assert process.returncode == 3
    assert [event["event"] for event in batch.events() if event.get("id") == "deadly"] == [
        "started", "died", "started", "died", "failed",
    ]  # fmt: skip


def test_the_child_of_a_killed_run_dies_with_it(batch):
    batch.rows("audio,face,id\nlong.wav,face.mp4,long")
    process = batch.start("--isolate")
    signal_encoder(process, "long", 0)
    worker = worker_of(process)
    process.kill()
    process.communicate()
    end = time.monotonic() + 30
    while Path(f"/proc/{worker}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not Path(f"/proc/{worker}").exists()


def test_the_second_run_says_who_holds_the_lock(batch):
    batch.rows("audio,face,id\nlong.wav,face.mp4,long")
    process = batch.start()
    batch.until(process, "started", "long")
    second = batch.run()
    assert second.returncode == 5
    assert f"another run of this manifest is going on: process {process.pid} on " in second.stderr
    process.kill()
    process.communicate()


def test_shards_side_by_side_and_their_reports_together(batch):
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
    # One face for both: whoever came second waited for its track and found it.
    assert sum(not e["result"]["track_cached"] for j in journals for e in batch.events("done", j)) <= 2
    assert {job["action"] for job in batch.json("--dry-run")["jobs"]} == {"done"}
    lonely = batch.run("--merge-reports", manifest="r1.json")
    assert (lonely.returncode, lonely.stderr) == (3, "There is no report of shard 2/2\n")


def test_the_example_can_be_rendered():
    example = Path(__file__).parents[2] / "examples" / "manifest.csv"
    command = [sys.executable, "-m", "heygem_cli", "batch", str(example), "--dry-run", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {job["action"] for job in json.loads(done.stdout)["jobs"]} <= {"do", "done"}
