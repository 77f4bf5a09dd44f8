"""``heygem render`` and ``heygem batch`` through a HeyGem installation that behaves, and one that does not.

The installation is a stand-in that behaves as HeyGem is known to, see ``heygem_stand_in``: real weights are not to be
had.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from itertools import groupby
from pathlib import Path

import cv2
import pytest

from batch_program import Batch, children, command_of, is_complete, worker_of
from heygem_cli.heygem.installation.tree import MODEL_FILES
from heygem_cli.heygem.local.engine import HeygemEngine
from heygem_cli.job import Inputs, RenderJob
from heygem_cli.media.probe import probe_audio, probe_output, probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.options import HeygemSettings
from heygem_stand_in import behave, environment, make_stand_in, processes_of
from media_factory import make_audio, make_video


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_stand_in(tmp_path_factory.mktemp("heygem") / "home")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A tiny face, a voice, and a longer one."""
    folder = tmp_path_factory.mktemp("clips")
    make_video(folder / "face.mp4", size=(128, 128), seconds=0.4, filters="hue=s=0")
    make_audio(folder / "voice.wav", seconds=0.4)
    make_audio(folder / "longer.m4a", seconds=1.0, channels=2, extra=("-c:a", "aac"))
    return folder


class Program:
    """``heygem`` in an empty folder, told by its environment to use the stand-in."""

    def __init__(self, home: Path, clips: Path, folder: Path) -> None:
        self.home, self.clips, self.folder = home, clips, folder

    def start(self, *args, **more):
        command = [sys.executable, "-m", "heygem_cli", *map(str, args)]
        return subprocess.Popen(
            command, cwd=self.folder, env=environment(self.home, **more), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def render(self, *args, audio="voice.wav", face="face.mp4", **more):
        process = self.start("render", self.clips / audio, self.clips / face, "-o", "out.mp4", *args, **more)
        out, err = process.communicate(timeout=100)
        assert "Traceback" not in err
        self.nothing_is_left()
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def code(self, *args, **more):
        """The exit code, the error code and the hint of a render that fails; nothing was written."""
        done = self.render("--json", *args, **more)
        error = json.loads(done.stdout)["error"]
        assert list(self.folder.iterdir()) == []
        return done.returncode, error["code"], error["message"] + error["hint"]

    def nothing_is_left(self):
        deadline = time.monotonic() + 10
        while processes_of(self.home) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert processes_of(self.home) == []
        assert [path.name for name in ("result", "temp") for path in (self.home / name).iterdir()] == []


@pytest.fixture
def heygem(home, clips, tmp_path):
    behave(home)
    return Program(home, clips, tmp_path)


def drawn(path):
    """Whether the stand-in has drawn its red bar where a mouth would be."""
    picture = cv2.cvtColor(next(read_frames(probe_video(path))), cv2.COLOR_YUV2BGR_I420)
    return picture[80, 64, 2] > 150 and picture[80, 64, 0] < 80


def test_a_job_goes_through_the_installation(heygem):
    before = {path: path.read_bytes() for path in heygem.home.glob("config/*")}
    shutil.copy(heygem.clips / "face.mp4", heygem.clips / "新闻 '$(exit).mp4")  # HeyGem puts names into shell commands
    done = heygem.render("--json", audio="longer.m4a", face="新闻 '$(exit).mp4")
    told = json.loads(done.stdout)
    assert (told["engine"], told["provider"], told["duration"]) == ("heygem", "CUDAExecutionProvider", 1.0)
    made = probe_output(heygem.folder / "out.mp4")
    assert (made.width, made.height) == (128, 128)
    assert (made.video_seconds, made.audio_seconds) == (pytest.approx(1, abs=0.05), pytest.approx(1, abs=0.15))
    assert set(told["seconds"]) == {"prepare", "start", "render"}
    assert drawn(heygem.folder / "out.mp4")
    assert {path: path.read_bytes() for path in heygem.home.glob("config/*")} == before


def test_the_worker_runs_in_heygems_own_python_3_8(heygem):
    python = shutil.which("python3.8")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip("there is no Python 3.8 here")
    assert heygem.render("--python", python).returncode == 0


def test_the_sound_is_the_original_and_the_video_is_marked_as_synthetic(heygem):
    heygem.render(audio="longer.m4a")
    sound = probe_audio(heygem.folder / "out.mp4")
    assert (sound.codec, sound.sample_rate, sound.channels) == ("aac", 44100, 2)
    assert b"compositeWithTrainedAlgorithmicMedia" in (heygem.folder / "out.mp4").read_bytes()


def test_progress_is_read_from_the_log_and_a_worker_that_dies_between_two_jobs_is_replaced(heygem):
    job = RenderJob(heygem.clips / "voice.wav", heygem.clips / "face.mp4", heygem.folder / "out.mp4", overwrite=True)
    inputs = Inputs(probe_audio(job.audio), probe_video(job.face))
    told = []
    with closing(HeygemEngine(HeygemSettings(heygem.home, sys.executable), environment(heygem.home))) as engine:
        engine.render(job, inputs, told.append)
        drawing = next(pid for pid in processes_of(heygem.home) if b"spawn_main" in command_of(pid))
        os.kill(drawing, signal.SIGKILL)
        time.sleep(0.5)
        engine.render(job, inputs, lambda _: None)
    assert [stage for stage, _ in groupby(told, lambda progress: progress.stage)] == ["prepare", "start", "render"]
    frames = [progress.done for progress in told if progress.stage == "render"]
    assert frames == sorted(frames)
    assert (told[-1].done, told[-1].total) == (10, 10)
    assert sum(progress.done == progress.total for progress in told) == 1  # the inputs are looked at once more then
    heygem.nothing_is_left()


def test_a_slow_start_is_waited_for(heygem):
    behave(heygem.home, start="slow")
    assert heygem.render("--stall-timeout", 10).returncode == 0


def test_heygem_waits_longer_for_its_own_queues_than_it_would_by_itself(heygem):
    behave(heygem.home, "late", patience=5)  # in the worker, and in the process that waits for frames
    assert heygem.render().returncode == 0


@pytest.mark.parametrize(("loop", "pn"), [("forward", 0), ("hold", 1)])
def test_the_loop_is_heygems_own_or_part_of_what_it_is_given(heygem, loop, pn):
    behave(heygem.home, pn=pn)
    assert heygem.render("--loop", loop, audio="longer.m4a").returncode == 0


@pytest.mark.parametrize(
    ("start", "options", "expected"),
    [
        ("never", ["--stall-timeout", 2], (1, "startup-timeout")),
        ("child-crash", [], (1, "worker-died")),
        ("import", [], (4, "load-failed")),
        ("cpu", [], (4, "cuda-missing")),
    ],
)
def test_a_start_that_fails_is_told(heygem, start, options, expected):
    behave(heygem.home, start=start)
    *found, _ = heygem.code(*options)
    assert tuple(found) == expected


def test_the_cpu_is_taken_where_it_is_allowed(heygem):
    behave(heygem.home, start="cpu")
    done = heygem.render("--json", "--allow-cpu")
    assert json.loads(done.stdout)["provider"] == "CPUExecutionProvider"


def test_a_python_that_cannot_load_the_modules_is_told(heygem):
    module = heygem.home / "service/other.cpython-38-x86_64-linux-gnu.so"
    module.touch()
    try:
        code, name, text = heygem.code()
    finally:
        module.unlink()
    assert (code, name) == (4, "wrong-python")
    assert "3.8" in text
    assert "--python" in text
    assert heygem.code("--python", "/bin/false")[:2] == (4, "wrong-python")


@pytest.mark.parametrize(
    ("options", "variables", "expected"),
    [
        (["--python", "nowhere/python"], {}, (2, "no-program")),
        (["--conda-env", "no-such-one"], {"HEYGEM_PYTHON": ""}, (2, "no-conda-env")),
        ([], {"HEYGEM_PYTHON": ""}, (2, "no-python")),
        (["--home", "."], {}, (2, "not-heygem")),
        (["--home", "nowhere"], {}, (2, "home-missing")),
        (["--face", "left"], {}, (2, "unheeded-option")),
        ([], {"PATH": "/nowhere"}, (4, "ffmpeg-missing")),
    ],
)
def test_what_is_missing_is_told_before_anything_starts(heygem, options, variables, expected):
    *found, text = heygem.code(*options, **variables)
    assert tuple(found) == expected
    assert ("--python" in text) == (expected[1] in ("no-program", "no-python"))
    assert not (heygem.home / "jobs.txt").exists()


@pytest.mark.parametrize("content", [None, b""], ids=["missing", "empty"])
def test_a_model_that_was_not_downloaded_is_told(heygem, content):
    path = heygem.home / MODEL_FILES[-1]
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    try:
        code, name, text = heygem.code()
    finally:
        path.write_bytes(whole)
    assert (code, name) == (4, "model-missing")
    assert str(path) in text


FAILURES = {
    "hang": "stalled",
    "no-answer": "startup-timeout",
    "startup-log": "startup-timeout",
    "queue-full": "queue-full",
    "many-faces": "many-faces",
    "no-face": "no-face",
    "unchanged": "no-face",
    "format": "format-error",
    "crash": "worker-died",
    "child-crash": "worker-died",
    "killed": "out-of-memory",
    "memory": "out-of-memory",
    "kernel": "no-kernel",
    "exit": "job-failed",
    "orphans": "worker-died",
    "false-success": "false-success",
    "nothing": "false-success",
    "poison": "job-failed",
}


@pytest.fixture(scope="module")
def many(home, clips, tmp_path_factory):
    """The report of a batch in which jobs fail in every known way, with a good one after each."""
    folder = tmp_path_factory.mktemp("many")
    behave(home, *(mode for failing in FAILURES for mode in (failing, "ok")))
    batch = Batch(folder, folder)
    batch.environment = environment(home)
    names = [name for failing in FAILURES for name in (failing, f"after-{failing}")]
    batch.rows("id,audio,face\n" + "\n".join(f"{name},{clips}/voice.wav,{clips}/face.mp4" for name in names))
    report = batch.json("--retries", 0, "--stall-timeout", 4)
    assert processes_of(home) == []
    return {job["id"]: job for job in report["jobs"]}, folder


@pytest.mark.parametrize("mode", FAILURES)
def test_every_known_failure_has_its_code_and_its_hint_and_does_not_touch_the_next_job(many, mode):
    jobs, folder = many
    assert (jobs[mode]["status"], jobs[mode]["error"]["code"]) == ("failed", FAILURES[mode])
    assert jobs[mode]["error"]["hint"]
    assert not (folder / f"{mode}.mp4").exists()
    assert jobs[f"after-{mode}"]["status"] == "done"
    assert drawn(folder / f"after-{mode}.mp4")


@pytest.fixture
def batch(home, tmp_path):
    made = Batch(tmp_path, tmp_path)
    made.environment = environment(home)
    return made


def test_a_batch_over_a_worker_that_fails_at_random_ends_with_every_good_job_done(batch, home, clips):
    behave(home, "random", share=0.15)
    voices, face = f"{clips}/voice.wav", f"{clips}/face.mp4"
    batch.rows("id,audio,face\n" + "\n".join(f"good{n},{voices},{face}" for n in range(50)))
    report = batch.json("--retries", 8, "--stall-timeout", 2, "--recycle-after", 7)
    assert {job["status"] for job in report["jobs"]} == {"done"}
    assert sum(job["attempts"] for job in report["jobs"]) > 52
    assert all(is_complete(batch.folder / f"good{n}.mp4", 0.4) for n in range(50))
    assert processes_of(home) == []
    assert {job["action"] for job in batch.json("--dry-run")["jobs"]} == {"done"}


def test_the_worker_serves_many_jobs_and_is_replaced_after_as_many_as_were_named(batch, home, clips):
    behave(home, "ok")
    log = home / "log/dh.log"
    log.unlink()
    batch.rows("id,audio,face\n" + "\n".join(f"j{n},{clips}/voice.wav,{clips}/face.mp4" for n in range(5)))
    assert set(batch.statuses("--recycle-after", 2).values()) == {"done"}
    assert log.read_text().count("init_wh_process进程启动") == 3


def test_what_is_done_stays_done_until_the_installation_changes(batch, home, clips):
    behave(home, "ok")
    batch.rows(f"id,audio,face\na,{clips}/voice.wav,{clips}/face.mp4")
    assert batch.statuses() == {"a": "done"}
    plan = batch.json("--dry-run")["jobs"]
    assert [job["action"] for job in plan] == ["done"]
    os.utime(home / MODEL_FILES[0])
    assert [job["action"] for job in batch.json("--dry-run")["jobs"]] == ["changed"]


def test_rows_can_name_their_engines_and_only_what_is_named_is_loaded(batch, home, clips):
    behave(home, "ok")
    batch.rows(f"id,audio,face,engine\na,{clips}/voice.wav,{clips}/face.mp4,heygem")
    batch.environment |= {"HEYGEM_WHISPER_MODEL": str(home), "HEYGEM_ENGINE": "mesh"}
    assert batch.statuses() == {"a": "done"}


def until_begun(process, home, jobs=1):
    """Wait until HeyGem has begun so many jobs."""
    begun = home / "jobs.txt"
    while not begun.exists() or len(begun.read_text().splitlines()) < jobs:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.fixture
def stuck(heygem):
    """A render that hangs in the installation."""
    behave(heygem.home, "hang")
    process = heygem.start("render", heygem.clips / "voice.wav", heygem.clips / "face.mp4", "-o", "out.mp4")
    until_begun(process, heygem.home)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_whatever_ends_heygem_no_process_is_left_and_the_next_run_works(heygem, stuck, signum):
    stuck.send_signal(signum)
    _, err = stuck.communicate(timeout=20)
    assert stuck.returncode == (-signum if signum == signal.SIGKILL else 128 + signum)
    assert "Traceback" not in err
    assert list(heygem.folder.iterdir()) == []
    behave(heygem.home)
    assert heygem.render().returncode == 0  # and removes what the killed run has left


def test_the_guard_may_be_killed_as_well(heygem, stuck):
    guard = next(pid for pid in children(stuck.pid) if b"supervisor.py" in command_of(pid))
    os.kill(guard, signal.SIGKILL)
    assert stuck.wait(20) == 1
    heygem.nothing_is_left()


@pytest.mark.parametrize("isolate", [[], ["--isolate"]])
def test_a_job_that_hangs_longer_than_its_time_is_ended_with_all_its_processes(batch, home, clips, isolate):
    behave(home, "hang", "ok")
    batch.rows("id,audio,face\n" + "\n".join(f"{name},{clips}/voice.wav,{clips}/face.mp4" for name in ("a", "b")))
    report = batch.json("--timeout", 4, *isolate)
    assert [(job["status"], (job["error"] or {}).get("code")) for job in report["jobs"]] == [
        ("failed", "timeout"),
        ("done", None),
    ]
    assert processes_of(home) == []


def test_a_child_process_that_is_killed_takes_the_worker_along(batch, home, clips):
    behave(home, "hang", "ok")
    batch.rows(f"id,audio,face\na,{clips}/voice.wav,{clips}/face.mp4")
    process = batch.start("--isolate", "--json")
    until_begun(process, home)
    os.kill(worker_of(process), signal.SIGKILL)
    out, _ = process.communicate(timeout=60)
    assert [job["status"] for job in json.loads(out)["jobs"]] == ["done"]
    assert processes_of(home) == []


def test_a_batch_that_is_stopped_goes_on_where_it_was(batch, home, clips):
    behave(home, "ok", "hang", "ok")
    batch.rows("id,audio,face\n" + "\n".join(f"j{n},{clips}/voice.wav,{clips}/face.mp4" for n in range(3)))
    process = batch.start()
    until_begun(process, home, 2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143
    assert processes_of(home) == []
    assert batch.statuses() == {"j0": "done", "j1": "done", "j2": "done"}


def test_heygem_that_runs_by_itself_is_not_disturbed(heygem):
    (heygem.home / "app.py").write_text("import time; time.sleep(100)")
    with subprocess.Popen([sys.executable, "app.py"], cwd=heygem.home) as app:
        try:
            other = heygem.start("render", heygem.clips / "voice.wav", heygem.clips / "face.mp4", "--json")
            out, _ = other.communicate(timeout=60)
        finally:
            app.kill()
    error = json.loads(out)["error"]
    assert (other.returncode, error["code"]) == (5, "in-use")
    assert str(app.pid) in error["message"]


def test_two_runs_do_not_share_an_installation(heygem, stuck):
    other = heygem.start("render", heygem.clips / "voice.wav", heygem.clips / "face.mp4", "--json")
    out, _ = other.communicate(timeout=60)
    assert (other.returncode, json.loads(out)["error"]["code"]) == (5, "locked")
    assert stuck.poll() is None
