"""What can befall a batch: signals, deaths, hangs, inputs that change; real processes, and what is left on the disk."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from batch_program import children, command_of, no_more, signal_encoder, whole, worker_of


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


def test_a_file_that_takes_the_name_of_an_output_is_kept(batch):
    batch.rows("audio,face,id\nlong.wav,face.mp4,long\na.wav,face.mp4,next")
    process = batch.start()
    batch.until(process, "started", "long")
    (batch.folder / "long.mp4").write_text("mine")
    process.communicate(timeout=120)
    assert process.returncode == 3
    assert {event["id"]: event["error"]["code"] for event in batch.events("failed")} == {"long": "output-exists"}
    assert (batch.folder / "long.mp4").read_text() == "mine"
    assert batch.made() == ["long.mp4", "next.mp4"]
    assert "long.mp4: the output exists. Use --overwrite to replace it" in batch.run("--retry-failed").stderr
    assert batch.statuses("--retry-failed", "--overwrite") == {"long": "done", "next": "done"}


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


@pytest.mark.parametrize(
    ("signum", "isolate"), [(signal.SIGINT, ()), (signal.SIGTERM, ("--isolate",)), (signal.SIGHUP, ())]
)
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
    assert any(name.endswith(".heygem-part") for name in batch.files())
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


def test_isolated_work_survives_a_crash_by_itself(batch):
    batch.rows("audio,face,id\nlong.wav,face.mp4,deadly\na.wav,face.mp4,good\nc.wav,other.mp4,fine")
    process = batch.start("--isolate", "--json")
    for signum in (0, signal.SIGSTOP):  # what the dead have left is ended, even if it does not end by itself
        signal_encoder(process, "deadly", signum)
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
    assert batch.made() == ["fine.mp4", "good.mp4"]


def test_ctrl_c_reaches_a_child_that_loads_too(batch):
    batch.rows("audio,face\na.wav,face.mp4")
    process = batch.start("--isolate", start_new_session=True)
    while not any(b"spawn_main" in command_of(pid) for pid in children(process.pid)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    os.kill(worker_of(process), signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 0


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
    process.send_signal(signal.SIGSTOP)  # however long the second one takes to start
    second = batch.run()
    assert second.returncode == 5
    assert f"another run of this manifest is going on: process {process.pid} on " in second.stderr
    share = batch.run("--shard", "1/2")
    assert share.returncode == 5
    assert f"m.csv.journal.jsonl: another run of this manifest is going on: process {process.pid} on " in share.stderr
    process.kill()
    process.communicate()
