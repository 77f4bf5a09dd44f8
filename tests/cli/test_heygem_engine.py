"""``heygem render`` and ``heygem batch`` with a HeyGem installation that works or fails.

The installation is a fake that behaves like HeyGem, see ``heygem_stand_in``: real weights are not available.
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

import cv2
import pytest

from batch_program import Batch, children, command_of, is_complete, worker_of
from heygem_cli.heygem.installation.tree import MODEL_FILES
from heygem_cli.heygem.local.engine import HeygemEngine
from heygem_cli.job import Inputs, RenderJob
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_output import probe_output
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.options import EngineOptions, RenderOptions
from heygem_program import Program, wait_for_jobs
from heygem_stand_in import environment, make_stand_in, processes_of, set_behaviour
from media_factory import make_audio, make_video


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_stand_in(tmp_path_factory.mktemp("heygem") / "home")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A small face video, a voice and a longer one."""
    folder = tmp_path_factory.mktemp("clips")
    make_video(folder / "face.mp4", size=(128, 128), seconds=0.4, filters="hue=s=0")
    make_audio(folder / "voice.wav", seconds=0.4)
    make_audio(folder / "longer.m4a", seconds=1.0, channels=2, extra=("-c:a", "aac"))
    return folder


@pytest.fixture
def heygem(home, clips, tmp_path):
    set_behaviour(home)
    return Program(home, clips, tmp_path)


def has_red_bar(path):
    """Return whether the fake installation has drawn its red bar in place of the mouth."""
    frame = cv2.cvtColor(next(read_frames(probe_video(path))), cv2.COLOR_YUV2BGR_I420)
    return frame[80, 64, 2] > 150 and frame[80, 64, 0] < 80


def test_installation_renders_a_job(heygem):
    before = {path: path.read_bytes() for path in heygem.home.glob("config/*")}
    shutil.copy(heygem.clips / "face.mp4", heygem.clips / "新闻 '$(exit).mp4")  # HeyGem puts names into shell commands
    done = heygem.render("--json", audio="longer.m4a", face="新闻 '$(exit).mp4")
    result = json.loads(done.stdout)
    assert (result["engine"], result["provider"], result["duration"]) == ("heygem", "CUDAExecutionProvider", 1.0)
    output = probe_output(heygem.folder / "out.mp4")
    video = probe_video(heygem.folder / "out.mp4")
    assert (video.width, video.height) == (128, 128)
    assert (output.video_seconds, output.audio_seconds) == (pytest.approx(1, abs=0.05), pytest.approx(1, abs=0.15))
    assert set(result["seconds"]) == {"prepare", "start", "render"}
    assert has_red_bar(heygem.folder / "out.mp4")
    assert {path: path.read_bytes() for path in heygem.home.glob("config/*")} == before


def test_worker_runs_in_python_3_8(heygem):
    python = shutil.which("python3.8")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip("there is no Python 3.8 here")
    assert heygem.render("--python", python).returncode == 0


def test_output_has_the_original_audio_and_is_marked_as_synthetic(heygem):
    heygem.render(audio="longer.m4a")
    audio = probe_audio(heygem.folder / "out.mp4")
    assert (audio.codec, audio.sample_rate, audio.channels) == ("aac", 44100, 2)
    assert b"compositeWithTrainedAlgorithmicMedia" in (heygem.folder / "out.mp4").read_bytes()


def test_progress_comes_from_the_log_and_a_worker_that_dies_between_jobs_is_replaced(heygem):
    job = RenderJob(
        heygem.clips / "voice.wav", heygem.clips / "face.mp4", heygem.folder / "out.mp4", RenderOptions(overwrite=True)
    )
    inputs = Inputs(probe_audio(job.audio), probe_video(job.face))
    updates = []
    with closing(
        HeygemEngine(EngineOptions(home=heygem.home, python=sys.executable), environment(heygem.home))
    ) as engine:
        engine.render(job, inputs, updates.append)
        drawing_process = next(pid for pid in processes_of(heygem.home) if b"spawn_main" in command_of(pid))
        os.kill(drawing_process, signal.SIGKILL)
        time.sleep(0.5)
        engine.render(job, inputs, lambda _: None)
    assert "encoding" in {progress.detail for progress in updates}
    assert [stage for stage, _ in groupby(updates, lambda progress: progress.stage)] == ["prepare", "start", "render"]
    frames = [progress.done for progress in updates if progress.stage == "render"]
    assert frames == sorted(frames)
    assert (updates[-1].done, updates[-1].total) == (10, 10)
    assert sum(progress.done == progress.total for progress in updates) == 1  # on_progress may still raise before that
    heygem.check_nothing_is_left()


def test_slow_start_is_awaited(heygem):
    set_behaviour(heygem.home, start="slow")
    assert heygem.render("--stall-timeout", 10).returncode == 0


def test_time_outs_of_heygems_queues_are_extended(heygem):
    set_behaviour(heygem.home, "late", queue_timeout=5)  # in the worker, and in the drawing process
    assert heygem.render().returncode == 0


@pytest.mark.parametrize(
    ("loop", "audio", "pn"),
    [
        ("pingpong", "longer.m4a", 1),
        ("pingpong", "voice.wav", 0),
        ("forward", "longer.m4a", 0),
        ("hold", "longer.m4a", 0),
    ],
)
def test_only_a_video_shorter_than_the_audio_is_played_backwards(heygem, loop, audio, pn):
    set_behaviour(heygem.home, pn=pn)
    assert heygem.render("--loop", loop, audio=audio).returncode == 0


@pytest.mark.parametrize("log", ["console", "newer"])
def test_other_formats_of_the_log_are_read(heygem, log):
    set_behaviour(heygem.home, log=log)
    assert heygem.render().returncode == 0
    (heygem.folder / "out.mp4").unlink()
    set_behaviour(heygem.home, "startup-log", log=log)
    assert heygem.error()[1] == "startup-timeout"


def test_ready_lines_may_come_late_and_in_any_order(heygem):
    set_behaviour(heygem.home, start="late")
    assert heygem.render("--stall-timeout", 5).returncode == 0


def test_encoding_that_logs_nothing_is_no_stall(heygem):
    set_behaviour(heygem.home, "silent-encode")
    assert heygem.render("--stall-timeout", 2).returncode == 0


@pytest.mark.parametrize(
    ("start", "options", "expected"),
    [
        ("never", ["--stall-timeout", 2], (1, "startup-timeout")),
        ("child-crash", [], (1, "worker-died")),
        ("import", [], (4, "load-failed")),
        ("cpu", [], (4, "cuda-missing")),
    ],
)
def test_failing_start_has_its_code(heygem, start, options, expected):
    set_behaviour(heygem.home, start=start)
    assert heygem.error(*options)[:2] == expected


def test_allow_cpu_renders_on_the_cpu(heygem):
    set_behaviour(heygem.home, start="cpu")
    done = heygem.render("--json", "--allow-cpu")
    assert json.loads(done.stdout)["provider"] == "CPUExecutionProvider"


def test_wrong_python_is_an_error(heygem):
    module = heygem.home / "service/other.cpython-38-x86_64-linux-gnu.so"
    module.touch()
    try:
        code, name, text = heygem.error()
    finally:
        module.unlink()
    assert (code, name) == (4, "wrong-python")
    assert "3.8" in text
    assert "--python" in text
    assert heygem.error("--python", "/bin/false")[:2] == (4, "wrong-python")


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
def test_missing_parts_are_errors_before_anything_starts(heygem, options, variables, expected):
    *codes, text = heygem.error(*options, **variables)
    assert tuple(codes) == expected
    assert ("--python" in text) == (expected[1] in ("no-program", "no-python"))
    assert not (heygem.home / "jobs.txt").exists()


@pytest.mark.parametrize("content", [None, b""], ids=["missing", "empty"])
def test_missing_or_empty_model_is_an_error(heygem, content):
    path = heygem.home / MODEL_FILES[-1]
    content_before = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    try:
        code, name, text = heygem.error()
    finally:
        path.write_bytes(content_before)
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
def failing_batch(home, clips, tmp_path_factory):
    """The report of a batch whose jobs fail in every known way, each followed by a good one."""
    folder = tmp_path_factory.mktemp("failing")
    set_behaviour(home, *(mode for failing in FAILURES for mode in (failing, "ok")))
    batch = Batch(folder, folder, encoding=())
    batch.environment = environment(home)
    names = [name for failing in FAILURES for name in (failing, f"after-{failing}")]
    batch.rows("id,audio,face\n" + "\n".join(f"{name},{clips}/voice.wav,{clips}/face.mp4" for name in names))
    report = batch.json("--retries", 0, "--stall-timeout", 4)
    assert processes_of(home) == []
    return {job["id"]: job for job in report["jobs"]}, folder


@pytest.mark.parametrize("mode", FAILURES)
def test_every_failure_has_its_code_and_hint_and_does_not_affect_the_next_job(failing_batch, mode):
    jobs, folder = failing_batch
    assert (jobs[mode]["status"], jobs[mode]["error"]["code"]) == ("failed", FAILURES[mode])
    assert jobs[mode]["error"]["hint"]
    assert not (folder / f"{mode}.mp4").exists()
    assert jobs[f"after-{mode}"]["status"] == "done"
    assert has_red_bar(folder / f"after-{mode}.mp4")


@pytest.fixture
def batch(home, tmp_path):
    batch = Batch(tmp_path, tmp_path, encoding=())
    batch.environment = environment(home)
    return batch


def test_batch_completes_all_jobs_despite_random_failures(batch, home, clips):
    set_behaviour(home, "random", failure_rate=0.15)
    voice, face = f"{clips}/voice.wav", f"{clips}/face.mp4"
    batch.rows("id,audio,face\n" + "\n".join(f"good{n},{voice},{face}" for n in range(50)))
    report = batch.json("--retries", 8, "--stall-timeout", 2, "--recycle-after", 7)
    assert {job["status"] for job in report["jobs"]} == {"done"}
    assert sum(job["attempts"] for job in report["jobs"]) > 52
    assert all(is_complete(batch.folder / f"good{n}.mp4", 0.4) for n in range(50))
    assert processes_of(home) == []
    assert {job["action"] for job in batch.json("--dry-run")["jobs"]} == {"done"}


def test_worker_is_replaced_after_recycle_after_jobs(batch, home, clips):
    set_behaviour(home, "ok")
    log = home / "log/dh.log"
    log.unlink()
    batch.rows("id,audio,face\n" + "\n".join(f"j{n},{clips}/voice.wav,{clips}/face.mp4" for n in range(5)))
    assert set(batch.statuses("--recycle-after", 2).values()) == {"done"}
    assert log.read_text().count("init_wh_process进程启动") == 3


def test_finished_jobs_are_skipped_until_the_installation_changes(batch, home, clips):
    set_behaviour(home, "ok")
    batch.rows(f"id,audio,face\na,{clips}/voice.wav,{clips}/face.mp4")
    assert batch.statuses() == {"a": "done"}
    plan = batch.json("--dry-run")["jobs"]
    assert [job["action"] for job in plan] == ["done"]
    os.utime(home / MODEL_FILES[0])
    assert [job["action"] for job in batch.json("--dry-run")["jobs"]] == ["changed"]


def test_rows_can_choose_the_engine_and_other_engines_are_not_loaded(batch, home, clips):
    set_behaviour(home, "ok")
    batch.rows(f"id,audio,face,engine\na,{clips}/voice.wav,{clips}/face.mp4,heygem")
    batch.environment |= {"HEYGEM_DEVICE": "cuda", "HEYGEM_ENGINE": "mesh"}  # mesh would fail
    assert batch.statuses() == {"a": "done"}


@pytest.fixture
def stuck(heygem):
    """A render that hangs in the installation."""
    set_behaviour(heygem.home, "hang")
    process = heygem.start("render", heygem.clips / "voice.wav", heygem.clips / "face.mp4", "-o", "out.mp4")
    wait_for_jobs(process, heygem.home)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_signal_leaves_no_process_and_the_next_run_works(heygem, stuck, signum):
    stuck.send_signal(signum)
    _, err = stuck.communicate(timeout=20)
    assert stuck.returncode == (-signum if signum == signal.SIGKILL else 128 + signum)
    assert "Traceback" not in err
    assert list(heygem.folder.iterdir()) == []
    set_behaviour(heygem.home)
    assert heygem.render().returncode == 0  # and it removes the leftovers of the killed run


def test_killed_supervisor_leaves_nothing(heygem, stuck):
    supervisor = next(pid for pid in children(stuck.pid) if b"supervisor.py" in command_of(pid))
    os.kill(supervisor, signal.SIGKILL)
    assert stuck.wait(20) == 1
    heygem.check_nothing_is_left()


@pytest.mark.parametrize("isolate", [[], ["--isolate"]])
def test_time_out_kills_all_processes_of_a_job(batch, home, clips, isolate):
    set_behaviour(home, "hang", "ok")
    batch.rows("id,audio,face\n" + "\n".join(f"{name},{clips}/voice.wav,{clips}/face.mp4" for name in ("a", "b")))
    report = batch.json("--timeout", 4, *isolate)
    assert [(job["status"], (job["error"] or {}).get("code")) for job in report["jobs"]] == [
        ("failed", "timeout"),
        ("done", None),
    ]
    assert processes_of(home) == []


def test_killed_isolated_job_is_retried(batch, home, clips):
    set_behaviour(home, "hang", "ok")
    batch.rows(f"id,audio,face\na,{clips}/voice.wav,{clips}/face.mp4")
    process = batch.start("--isolate", "--json")
    wait_for_jobs(process, home)
    os.kill(worker_of(process), signal.SIGKILL)
    out, _ = process.communicate(timeout=60)
    assert [job["status"] for job in json.loads(out)["jobs"]] == ["done"]
    assert processes_of(home) == []


def test_stopped_batch_can_be_resumed(batch, home, clips):
    set_behaviour(home, "ok", "hang", "ok")
    batch.rows("id,audio,face\n" + "\n".join(f"j{n},{clips}/voice.wav,{clips}/face.mp4" for n in range(3)))
    process = batch.start()
    wait_for_jobs(process, home, 2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143
    assert processes_of(home) == []
    assert batch.statuses() == {"j0": "done", "j1": "done", "j2": "done"}


def test_running_heygem_is_not_disturbed(heygem):
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


def test_second_run_in_an_installation_is_locked_out(heygem, stuck):
    other = heygem.start("render", heygem.clips / "voice.wav", heygem.clips / "face.mp4", "--json")
    out, _ = other.communicate(timeout=60)
    assert (other.returncode, json.loads(out)["error"]["code"]) == (5, "locked")
    assert stuck.poll() is None
