"""Tests of what can happen to a running batch: signals, crashes, hangs and changing inputs, with real processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from batch_program import children, command_of, is_complete, worker_of


def test_temporary_error_is_retried_after_the_other_jobs(batch):
    batch.rows("""
        audio,face,id
        long.wav,face.mp4,killed
        a.wav,face.mp4,next
    """)
    process = batch.start("--retries", 2)
    batch.signal_encoder(process, "killed", signal.SIGKILL)
    batch.wait_for_event(process, "done", "next")
    batch.signal_encoder(process, "killed", signal.SIGKILL)
    process.communicate(timeout=120)
    events = [(event["event"], event["id"]) for event in batch.events() if event["event"] != "run"]
    assert events == [
        ("started", "killed"), ("retrying", "killed"), ("started", "next"), ("done", "next"),
        ("started", "killed"), ("retrying", "killed"), ("started", "killed"), ("done", "killed"),
    ]  # fmt: skip
    assert process.returncode == 0
    assert {job["id"]: job["attempts"] for job in batch.json()["jobs"]} == {"killed": 3, "next": 1}


def test_input_changed_or_deleted_after_the_check_fails_its_job(batch):
    batch.rows("""
        audio,face,id
        long.wav,face.mp4,first
        b.wav,face.mp4,gone
        c.wav,face.mp4,changed
    """)
    process = batch.start()
    batch.wait_for_event(process, "started", "first")
    (batch.folder / "b.wav").unlink()
    shutil.copy(batch.folder / "a.wav", batch.folder / "c.wav")
    process.communicate(timeout=120)
    assert process.returncode == 3
    assert {event["id"]: event["error"]["code"] for event in batch.events("failed")} == {
        "gone": "input-gone",
        "changed": "input-changed",
    }
    assert batch.new_files() == ["first.mp4"]


def test_file_created_under_the_name_of_an_output_is_kept(batch):
    batch.rows("audio,face,id\nlong.wav,face.mp4,long\na.wav,face.mp4,next")
    process = batch.start()
    batch.wait_for_event(process, "started", "long")
    (batch.folder / "long.mp4").write_text("mine")
    process.communicate(timeout=120)
    assert process.returncode == 3
    assert {event["id"]: event["error"]["code"] for event in batch.events("failed")} == {"long": "output-exists"}
    assert (batch.folder / "long.mp4").read_text() == "mine"
    assert batch.new_files() == ["long.mp4", "next.mp4"]
    assert "long.mp4: the output exists. Use --overwrite to replace it" in batch.run("--retry-failed").stderr
    assert batch.statuses("--retry-failed", "--overwrite") == {"long": "done", "next": "done"}


def test_output_that_was_edited_is_kept_without_overwrite(batch):
    batch.rows("audio,face,id\na.wav,face.mp4,one\nb.wav,face.mp4,two")
    assert batch.run().returncode == 0
    (batch.folder / "one.mp4").write_text("mine")
    shutil.copy(batch.folder / "two.mp4", batch.folder / "one.mp4.bak")
    for args in ((), ("--force",), ("--retry-failed", "--crf", 25)):
        report = {job["id"]: job for job in batch.json(*args)["jobs"]}
        assert (report["one"]["status"], report["two"]["status"]) == ("failed", "done")
        assert report["one"]["error"] == {
            "code": "output-exists",
            "message": "one.mp4: the output has been edited or replaced since it was made",
            "hint": "Use --overwrite to replace it",
        }
        assert (batch.folder / "one.mp4").read_text() == "mine"
    assert batch.statuses("--overwrite") == {"one": "done", "two": "done"}
    assert is_complete(batch.folder / "one.mp4", 0.4)


def test_output_of_a_run_that_was_killed_when_it_was_published_is_replaced(batch):
    batch.rows("audio,face,id\na.wav,face.mp4,one")
    code = (
        "import os\nfrom heygem_cli.batch.journal import Journal\nfrom heygem_cli.cli.main import run\n"
        "write = Journal.write\n"
        "Journal.write = lambda *args, **kw: os.kill(os.getpid(), 9) if args[1] == 'done' else write(*args, **kw)\n"
        "run()\n"
    )
    command = [sys.executable, "-c", code, "batch", "m.csv", *batch.encoding]
    subprocess.run(command, cwd=batch.folder, env=batch.environment, check=False, capture_output=True)
    assert batch.new_files() == ["m.csv.journal.receipt", "one.mp4"]
    whole = (batch.folder / "one.mp4").read_bytes()
    shutil.copytree(batch.folder, batch.folder.parent / "copy")
    assert batch.statuses() == {"one": "done"}
    assert batch.new_files() == ["one.mp4"]
    batch.folder = batch.folder.parent / "copy"
    (batch.folder / "one.mp4").write_bytes(whole[:-1])
    assert batch.statuses() == {"one": "failed"}
    assert (batch.folder / "one.mp4").read_bytes() == whole[:-1]


def test_file_that_appears_under_the_output_of_a_killed_job_is_kept(batch):
    batch.rows("audio,face,id\nlong.wav,face.mp4,long")
    process = batch.start()
    batch.signal_encoder(process, "long", 0)
    process.kill()
    process.communicate()
    (batch.folder / "long.mp4").write_text("mine")
    done = batch.run()
    assert done.returncode == 2
    assert "long.mp4: the output exists. Use --overwrite to replace it" in done.stderr
    assert (batch.folder / "long.mp4").read_text() == "mine"


def test_job_is_canceled_between_frames_when_its_time_is_up(batch):
    batch.rows("audio,face\nminute.wav,face.mp4")
    done = batch.run("--timeout", 1)
    assert done.returncode == 1
    assert "timeout: it took longer than 1 s" in done.stdout
    assert (batch.new_files(), len(batch.events("run"))) == ([], 1)


def test_job_hanging_in_native_code_times_out_and_the_batch_continues(batch):
    batch.rows("""
        audio,face,id
        c.wav,face.mp4,hanging
        a.wav,face.mp4,next
    """)
    # The run, --force and the manifest from standard input must survive the restart.
    process = batch.start("--timeout", 5, "--force", "--json", manifest="-", stdin=subprocess.PIPE)
    process.stdin.write(batch.manifest.read_text())
    process.stdin.close()
    process.stdin = None
    batch.wait_for_event(process, "started", "hanging", journal="stdin.journal.jsonl")
    while not (decoder := [pid for pid in children(process.pid) if b"ffmpeg" in command_of(pid)]):
        assert process.poll() is None, process.communicate()
    os.kill(decoder[0], signal.SIGSTOP)
    out, err = process.communicate(timeout=120)
    assert {job["id"]: job["status"] for job in json.loads(out)["jobs"]} == {"hanging": "failed", "next": "done"}, err
    events = batch.events(journal="stdin.journal.jsonl")
    assert [event["event"] for event in events] == ["run", "started", "failed", "run", "started", "done"]
    assert len({event["run"] for event in events}) == 1
    assert events[0]["pid"] == events[3]["pid"]
    assert events[2]["error"]["code"] == "timeout"
    assert not Path(f"/proc/{decoder[0]}").exists()
    assert batch.new_files() == ["next.mp4", "stdin.journal.jsonl", "stdin.journal.lock"]


@pytest.mark.parametrize(
    ("signum", "isolate"), [(signal.SIGINT, ()), (signal.SIGTERM, ("--isolate",)), (signal.SIGHUP, ())]
)
def test_signal_interrupts_the_job_and_the_next_run_continues(batch, signum, isolate):
    batch.rows("audio,face,id\nlong.wav,face.mp4,long\na.wav,face.mp4,short")
    process = batch.start("--report", "r.json", *isolate)
    batch.wait_for_event(process, "started", "long")
    process.send_signal(signum)
    sent = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signum
    assert err.splitlines()[-1] == f"error: stopped by {'Ctrl-C' if signum == signal.SIGINT else signum.name}"
    assert time.monotonic() - sent < 20  # documented as 5 s; this machine may be busy
    assert batch.events()[-1]["event"] == "interrupted"
    assert batch.new_files() == ["r.json"]
    assert json.loads((batch.folder / "r.json").read_text())["counts"] == {
        "done": 0, "already_done": 0, "failed": 0, "interrupted": 1, "waiting": 1,
    }  # fmt: skip
    assert batch.statuses(*isolate) == {"long": "done", "short": "done"}


def test_killed_run_loses_only_the_current_job(batch):
    batch.rows("audio,face,id\nb.wav,face.mp4,first\nlong.wav,other.mp4,long\na.wav,other.mp4,last")
    process = batch.start()
    batch.wait_for_event(process, "done", "first")
    batch.signal_encoder(process, "long", 0)
    process.kill()
    process.communicate()
    assert any(name.endswith(".heygem-part") for name in batch.files())
    assert batch.statuses() == {"first": "done", "long": "done", "last": "done"}
    assert Counter(event["id"] for event in batch.events("done")) == {"first": 1, "long": 1, "last": 1}
    assert batch.new_files() == ["first.mp4", "last.mp4", "long.mp4"]
    assert is_complete(batch.folder / "long.mp4", 10)


def test_job_that_crashes_twice_does_not_block_the_batch(batch):
    batch.rows("audio,face,id\nlong.wav,face.mp4,crashing\na.wav,face.mp4,good")
    for _ in range(2):
        process = batch.start()
        batch.signal_encoder(process, "crashing", 0)
        process.send_signal(signal.SIGSEGV)
        process.communicate()
        batch.wait_for_encoder_exit("crashing")
    report = {job["id"]: job for job in batch.json()["jobs"]}
    assert (report["good"]["status"], report["crashing"]["status"]) == ("done", "failed")
    assert (report["crashing"]["error"]["code"], report["crashing"]["attempts"]) == ("process-died", 2)
    assert batch.run("--only", "crashing").returncode == 1
    assert batch.new_files() == ["good.mp4"]


def test_isolated_batch_survives_a_crash(batch):
    batch.rows("audio,face,id\nlong.wav,face.mp4,crashing\na.wav,face.mp4,good\nc.wav,other.mp4,fine")
    process = batch.start("--isolate", "--json")
    for signum in (0, signal.SIGSTOP):  # the encoder of a killed worker is killed, even if it is stopped
        batch.signal_encoder(process, "crashing", signum)
        os.kill(worker_of(process), signal.SIGSEGV)
        batch.wait_for_encoder_exit("crashing")
    out, _ = process.communicate(timeout=120)
    report = {job["id"]: job for job in json.loads(out)["jobs"]}
    assert {name: job["status"] for name, job in report.items()} == {
        "crashing": "failed",
        "good": "done",
        "fine": "done",
    }
    assert "was killed by SIGSEGV" in report["crashing"]["error"]["message"]
    assert process.returncode == 3
    assert [event["event"] for event in batch.events() if event.get("id") == "crashing"] == [
        "started", "died", "started", "died", "failed",
    ]  # fmt: skip
    assert batch.new_files() == ["fine.mp4", "good.mp4"]


@pytest.mark.parametrize(("kills", "first"), [(2, "done"), (3, "failed")])
def test_worker_that_is_killed_while_it_loads_is_started_again_twice(batch, kills, first):
    batch.rows("audio,face,id\nb.wav,face.mp4,first\na.wav,face.mp4,second")
    process = batch.start("--isolate", "--json")
    killed = set()
    while len(killed) < kills:
        assert process.poll() is None, process.communicate()
        for pid in children(process.pid):
            if pid not in killed and b"import serve" in command_of(pid):
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
    out, _ = process.communicate(timeout=120)
    report = {job["id"]: job for job in json.loads(out)["jobs"]}
    assert {name: job["status"] for name, job in report.items()} == {"first": first, "second": "done"}
    assert process.returncode == (3 if first == "failed" else 0)
    if first == "failed":
        assert report["first"]["error"]["code"] == "worker-died"
        assert "was killed by SIGKILL while it loaded" in report["first"]["error"]["message"]


def test_child_process_ignores_ctrl_c_while_it_loads(batch):
    batch.rows("audio,face\na.wav,face.mp4")
    process = batch.start("--isolate", start_new_session=True)
    while not any(b"heygem_cli.batch.worker" in command_of(pid) for pid in children(process.pid)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    os.kill(worker_of(process), signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 0


def test_child_process_of_a_killed_run_is_killed(batch):
    batch.rows("audio,face,id\nlong.wav,face.mp4,long")
    process = batch.start("--isolate")
    batch.signal_encoder(process, "long", 0)
    worker = worker_of(process)
    process.kill()
    process.communicate()
    end = time.monotonic() + 30
    while Path(f"/proc/{worker}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not Path(f"/proc/{worker}").exists()


def test_file_system_without_locks(batch, tmp_path):
    source = "#include <errno.h>\nint flock(int fd, int op) { errno = ENOLCK; return -1; }\n"
    command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(tmp_path / "noflock.so")]
    if not shutil.which("cc") or subprocess.run(command, input=source, text=True, check=False).returncode:
        pytest.skip("there is no C compiler")
    batch.environment["LD_PRELOAD"] = str(tmp_path / "noflock.so")
    batch.rows("audio,face,id\nlong.wav,face.mp4,long")
    process = batch.start()
    encoder = batch.signal_encoder(process, "long", signal.SIGSTOP)
    process.send_signal(signal.SIGSTOP)
    second = batch.run()
    assert second.returncode == 5
    assert f"another run of this batch is in progress: process {process.pid} on " in second.stderr
    process.kill()
    process.communicate()
    os.kill(encoder, signal.SIGKILL)  # stopped, it would stay for ever
    assert batch.statuses() == {"long": "done"}
    assert not [name for name in batch.files() if name.endswith(".holder")]


def test_second_run_names_the_process_that_holds_the_lock(batch):
    batch.rows("audio,face,id\nlong.wav,face.mp4,long")
    process = batch.start()
    batch.wait_for_event(process, "started", "long")
    process.send_signal(signal.SIGSTOP)  # so that it is still running when the second one starts
    second = batch.run()
    assert second.returncode == 5
    assert f"another run of this batch is in progress: process {process.pid} on " in second.stderr
    shard = batch.run("--shard", "1/2")
    assert shard.returncode == 5
    assert f"m.csv.journal.jsonl: another run of this batch is in progress: process {process.pid} " in shard.stderr
    process.kill()
    process.communicate()
