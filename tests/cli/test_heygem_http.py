"""The engine ``heygem-http`` through the command line, with a fake of the official service."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from batch_program import Batch, is_complete
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_service import FAILED, REFUSED, Service
from media_factory import make_audio, make_video
from messages import without_progress
from portrait import make_face_video, make_voice, scene

CODES = {
    "bad-parameter": "service-bad-parameter",
    "lock": "service-locked",
    "error": "service-error",
    "strange-code": "service-unexpected",
    **{mode: mode for mode in FAILED},
    "unknown-failure": "job-failed",
    "lost": "service-forgot",
    "no-file": "false-success",
    "cut-off": "false-success",
    "too-short": "false-success",
    "no-audio": "false-success",
    "unchanged": "no-face",
    "hangs": "stalled",
    "other-result": "service-stale",
    "other-task": "service-stale",
    "outside": "false-success",
    "html": "service-garbage",
    "truncated": "service-garbage",
    "http-500": "service-http-error",
}
RAW = ("-c:v", "ffv1", "-pix_fmt", "yuv444p")
GOOD = ["ok", "slow", "forgets", "late", "flaky"]


@pytest.fixture(scope="module")
def inputs(media):
    folder = media / "service"
    folder.mkdir()
    make_face_video(folder / "新 face.mp4", [scene(160, 120, (80 + k, 60, 110)) for k in range(4)])
    make_voice(folder / "a b.wav", 0.4)
    return folder


@pytest.fixture
def serve(tmp_path):
    """Start services, each with a folder of its own."""
    started = []

    def start(*script, **settings):
        started.append(Service(tmp_path / f"shared {len(started)}", *script, **settings))
        return started[-1]

    yield start
    for service in started:
        service.close()


def options(service, *args):
    return ["--engine", "heygem-http", "--url", service.url, "--map", service.map, *args]


@pytest.fixture
def heygem(inputs, tmp_path):
    """Run heygem in a folder with the inputs."""
    folder = tmp_path / "work"
    folder.mkdir()

    def run(command, *args, voice=inputs / "a b.wav", face=inputs / "新 face.mp4", **environment):
        files = [str(voice), str(face), "-o", "out.mp4"] if command == "render" else []
        return subprocess.run(
            [sys.executable, "-m", "heygem_cli", command, *files, *map(str, args)],
            cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    run.folder = folder
    return run


@pytest.fixture
def batch(inputs, tmp_path):
    batch = Batch(tmp_path / "list", tmp_path / "cache", encoding=())
    batch.folder.mkdir()

    def with_rows(ids):
        lines = [f"{name},{inputs / 'a b.wav'},{inputs / '新 face.mp4'}" for name in ids]
        batch.rows("\n".join(["id,audio,face", *lines]))
        return batch

    return with_rows


def leftovers(service):
    return [path.name for path in service.shared.rglob("*") if path.is_file() and path != service.log_file]


def kept_inputs(service):
    """Return the inputs that the service may still read."""
    return [name for name in leftovers(service) if name in ("audio.wav", "video.mp4")]


def test_render_succeeds_and_cleans_up(serve, heygem):
    service = serve("busy", "busy", "ok")
    done = heygem("render", *options(service, "--json"))
    result = json.loads(done.stdout)
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    assert (result["engine"], result["frames"]) == ("heygem-http", 10)
    assert (result["provider"], result["frames_with_face"]) == (None, None)
    assert set(result["seconds"]) == {"prepare", "start", "render"}
    assert is_complete(heygem.folder / "out.mp4", 0.4)
    assert leftovers(service) == []
    modes = [task["mode"] for task in service.submitted]
    assert modes == ["busy", "busy", "ok"]
    task = service.submitted[0]
    assert {key: task[key] for key in ("chaofen", "watermark_switch", "digital_auth", "pn")} == {
        "chaofen": 0, "watermark_switch": 0, "digital_auth": 0, "pn": 1,
    }  # fmt: skip
    assert len(set(service.queries) - {"heygem-doctor"}) == 1


def test_output_has_the_original_audio_of_unusual_inputs(serve, heygem, tmp_path):
    voice = make_audio(tmp_path / "stereo.m4a", seconds=0.8, rate=48000, channels=2)
    face = make_video(tmp_path / "odd $(x)'.mkv", size=(161, 121), rate="30000/1001", codec=RAW)
    done = heygem("render", *options(serve("ok"), "--loop", "forward"), voice=voice, face=face)
    assert done.returncode == 0, done.stderr
    audio, video = probe_audio(heygem.folder / "out.mp4"), probe_video(heygem.folder / "out.mp4")
    assert (audio.sample_rate, audio.channels, audio.codec) == (48000, 2, "aac")
    assert (video.width, video.height, video.fps) == (160, 120, 30)


def test_every_failure_has_its_code_and_does_not_affect_other_jobs(serve, batch):
    modes = [*CODES, *GOOD, "ok"]
    random.Random(6).shuffle(modes)  # noqa: S311
    service = serve(*modes)
    names = [f"{number:02}-{mode}" for number, mode in enumerate(modes)]
    manifest = batch(names)
    report = manifest.json(*options(service, "--retries", 0, "--stall-timeout", 2))
    jobs = {job["id"]: job for job in report["jobs"]}
    for name, mode in zip(names, modes, strict=True):
        error = jobs[name].get("error") or {}
        assert (mode, error.get("code")) == (mode, CODES.get(mode)), error
        assert error == {} or (error["message"] and error["hint"])
    assert [task["mode"] for task in service.submitted] == modes
    assert len({task["code"] for task in service.submitted}) == len(modes)
    assert len(kept_inputs(service)) >= 2  # of the job that hangs
    good = [name for name, mode in zip(names, modes, strict=True) if mode not in CODES]
    assert manifest.new_files() == sorted(f"{name}.mp4" for name in good)
    assert all(is_complete(manifest.folder / f"{name}.mp4", 0.4) for name in good)
    service.restart()
    service.script = ["ok"]
    manifest.json(*options(service, "--retry-failed", "--only", min(set(names) - set(good))))
    assert leftovers(service) == []


def test_batch_retries_random_failures(serve, batch):
    rng = random.Random(13)  # noqa: S311
    failures = ["busy", "startup-timeout", "queue-full", "error", "no-file", "unchanged", "lock"]
    script = [mode for _ in range(6) for mode in ("ok", "ok", rng.choice(failures))]
    service = serve(*script, "ok")
    manifest = batch([f"{number:02}" for number in range(10)])
    statuses = manifest.statuses(*options(service, "--retries", 5))
    permanent = [task["mode"] for task in service.submitted].count("unchanged")
    assert sorted(statuses.values()) == sorted(["done"] * (10 - permanent) + ["failed"] * permanent)
    assert leftovers(service) == []


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--url", "http://127.0.0.1:9"], 4, "cannot be reached"),
        (["--url", "ftp://x"], 2, "not an http address"),
        (["--map", "/no/such/folder:/code/data"], 2, "/no/such/folder"),
        (["--map", "nonsense"], 2, "HOST:CONTAINER"),
        (["--face", "left"], 2, "--engine mesh"),
        (["--on-missing-face", "fail"], 2, "--engine mesh"),
        (["--loop", "none"], 2, "longer face video"),
    ],
)
def test_unusable_settings_fail_before_anything_is_submitted(serve, heygem, args, code, message):
    service = serve()
    base = options(service)
    if args[0] == "--map":
        base = base[:-2]
    done = heygem("render", *base, *args)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert message in done.stderr
    assert (service.submitted, leftovers(service), list(heygem.folder.iterdir())) == ([], [], [])


def test_map_is_required_and_may_come_from_the_environment(serve, heygem):
    service = serve()
    without_map = options(service)[:-2]
    assert "--map" in heygem("render", *without_map).stderr
    link = service.shared.with_name("shared")  # HEYGEM_MAP is split at spaces
    link.symlink_to(service.shared)
    done = heygem("render", *without_map, HEYGEM_MAP=f"{link}:/code/data")
    assert done.returncode == 0, done.stderr


def test_stale_files_of_other_runs_are_removed(serve, heygem):
    service = serve("ok")
    old = [service.temp / f"heygem0123456789ab{end}" for end in ("-r.mp4", "_format.mp4", "_format.wav")]
    new, foreign = service.temp / "heygem0123456789ac-r.mp4", service.temp / "heygem-notes.txt"
    for path in (*old, new, foreign):
        path.write_bytes(b"x")
        os.utime(path, (0, 0) if path != new else None)
    assert heygem("render", *options(service)).returncode == 0
    assert sorted(leftovers(service)) == sorted([new.name, foreign.name])


def test_service_that_stops_during_a_job_is_unreachable(serve, heygem):
    service = serve("dies")
    done = heygem("render", *options(service, "--stall-timeout", 3))
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert list(heygem.folder.iterdir()) == []


def test_busy_service_is_retried_until_the_time_out(serve, batch):
    service = serve("busy")
    manifest = batch(["one"])
    (job,) = manifest.json(*options(service, "--timeout", 4))["jobs"]
    assert job["error"]["code"] == "timeout"
    assert 2 <= len(service.submitted) <= 4


def start_and_signal(service, inputs, folder, signum):
    """Stop a render after its job was submitted, and return its exit code."""
    files = [str(inputs / "a b.wav"), str(inputs / "新 face.mp4"), "-o", "out.mp4"]
    command = [sys.executable, "-m", "heygem_cli", "render", *files, *options(service)]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        while not service.submitted or (service.jobs and len(service.queries) < 2):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        while not service.jobs and list(service.shared.glob("*/in-use")):  # until the refusal has arrived
            time.sleep(0.01)
        process.send_signal(signum)
        _, stderr = process.communicate(timeout=20)
    assert "Traceback" not in stderr
    assert list(folder.iterdir()) == []
    return process.returncode


def test_signal_leaves_no_files_of_a_job_that_was_not_accepted(serve, inputs, heygem):
    service = serve("busy")
    assert start_and_signal(service, inputs, heygem.folder, signal.SIGINT) == 130
    assert leftovers(service) == []


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_inputs_stay_until_the_service_has_ended_an_interrupted_job(serve, inputs, heygem, signum, code):
    service = serve("plateau", "ok")
    assert start_and_signal(service, inputs, heygem.folder, signum) == code
    assert sorted(kept_inputs(service)) == ["audio.wav", "video.mp4"]
    while service.jobs[service.submitted[0]["code"]]["status"] == 1:
        time.sleep(0.05)
    assert heygem("render", *options(service)).returncode == 0
    assert kept_inputs(service) == []


def test_inputs_stay_until_the_service_is_restarted(serve, inputs, heygem):
    service = serve("endless", "ok", "ok")
    start_and_signal(service, inputs, heygem.folder, signal.SIGTERM)
    assert heygem("render", *options(service)).returncode == 0  # a real one would be busy
    assert sorted(kept_inputs(service)) == ["audio.wav", "video.mp4"]
    service.restart()
    assert heygem("render", *options(service, "--overwrite")).returncode == 0
    assert kept_inputs(service) == []


@pytest.mark.parametrize("log", [True, False])
def test_standing_at_20_percent_is_no_stall(serve, heygem, log):
    done = heygem("render", *options(serve("plateau", log=log), "--stall-timeout", 1))
    assert done.returncode == 0, done.stderr


def test_job_is_given_up_when_its_own_time_is_over(serve, heygem):
    start = time.monotonic()
    done = heygem("render", *options(serve("hangs"), "--stall-timeout", 1, "--json"))
    assert json.loads(done.stdout)["error"]["code"] == "stalled"
    assert time.monotonic() - start > 20  # ten frames at half a frame a second


def test_job_waits_until_the_service_can_draw(serve, heygem):
    service = serve("ok", loading=4)
    assert heygem("render", *options(service)).returncode == 0
    assert len(service.submitted) == 1


def test_job_does_not_wait_for_ever_for_a_log(serve, heygem):
    service = serve("ok")
    service.log_file.write_text("2025-06-06 10:10:38,930-[x]-a.py[line:1]-INFO: system ->get_audio_p[1] start\n")
    assert heygem("render", *options(service, "--stall-timeout", 2)).returncode == 0


def test_frames_that_the_service_leaves_are_removed_after_the_job(serve, heygem, tmp_path):
    service = serve("ok")
    make_voice(tmp_path / "longer.wav", 0.8)
    photo = service.temp / "photo.png"
    photo.touch()
    assert heygem("render", *options(service), voice=tmp_path / "longer.wav").returncode == 0
    assert service.submitted[0]["pn"] == 1
    assert leftovers(service) == ["photo.png"]


def test_frames_stay_while_another_job_may_use_them(serve, inputs, heygem, tmp_path):
    service = serve("endless", "ok")
    make_voice(tmp_path / "longer.wav", 0.8)
    start_and_signal(service, inputs, heygem.folder, signal.SIGTERM)
    assert heygem("render", *options(service), voice=tmp_path / "longer.wav").returncode == 0
    assert {"1.png", "4.png"} <= set(leftovers(service))


def test_every_failing_behaviour_is_tested():
    assert set(REFUSED) | set(FAILED) < set(CODES)
