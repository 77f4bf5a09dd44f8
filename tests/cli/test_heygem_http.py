"""The engine ``heygem-http`` through the command line, against a stand-in for the official service."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from batch_program import Batch, is_complete
from heygem_cli.media.probe import probe_audio, probe_video
from heygem_service import FAILED, REFUSED, Service
from media_factory import make_audio, make_video
from portrait import make_face_video, make_voice, scene

CODES = {
    "bad-parameter": "service-bad-parameter",
    "lock": "service-locked",
    "error": "service-error",
    "strange-code": "service-unexpected",
    **{mode: mode for mode in FAILED},
    "unknown-failure": "job-failed",
    "loses": "service-forgot",
    "no-file": "false-success",
    "cut-off": "false-success",
    "too-short": "false-success",
    "silent": "false-success",
    "unchanged": "no-face",
    "hangs": "stalled",
    "stale": "service-stale",
    "stranger": "service-stale",
    "escapes": "false-success",
    "html": "service-garbage",
    "half": "service-garbage",
    "http-500": "service-http-error",
}
RAW = ("-c:v", "ffv1", "-pix_fmt", "yuv444p")
GOOD = ["ok", "slow", "forgets", "late", "stutters"]


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

    def start(*script):
        started.append(Service(tmp_path / f"shared {len(started)}", *script))
        return started[-1]

    yield start
    for service in started:
        service.close()


def options(service, *more):
    return ["--engine", "heygem-http", "--url", service.url, "--map", service.map, *more]


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
    made = Batch(tmp_path / "list", tmp_path / "cache")
    made.folder.mkdir()

    def rows(ids):
        lines = [f"{name},{inputs / 'a b.wav'},{inputs / '新 face.mp4'}" for name in ids]
        made.rows("\n".join(["id,audio,face", *lines]))
        return made

    return rows


def left_in(service):
    return [path.name for path in service.shared.rglob("*") if path != service.temp]


def test_it_renders_and_cleans_up(serve, heygem):
    service = serve("busy", "busy", "ok")
    done = heygem("render", *options(service, "--json"))
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (told["engine"], told["frames"], told["provider"], told["frames_with_face"]) == (
        "heygem-http",
        10,
        None,
        None,
    )
    assert set(told["seconds"]) == {"prepare", "start", "render"}
    assert is_complete(heygem.folder / "out.mp4", 0.4)
    assert left_in(service) == []
    modes = [task["mode"] for task in service.submitted]
    assert modes == ["busy", "busy", "ok"]
    task = service.submitted[0]
    assert {key: task[key] for key in ("chaofen", "watermark_switch", "digital_auth", "pn")} == {
        "chaofen": 0, "watermark_switch": 0, "digital_auth": 0, "pn": 1,
    }  # fmt: skip
    assert len(set(service.reads) - {"heygem-doctor"}) == 1


def test_the_sound_is_the_original_and_the_inputs_may_be_anything(serve, heygem, tmp_path):
    voice = make_audio(tmp_path / "stereo.m4a", seconds=0.8, rate=48000, channels=2)
    face = make_video(tmp_path / "odd $(x)'.mkv", size=(161, 121), rate="30000/1001", codec=RAW)
    done = heygem("render", *options(serve("ok"), "--loop", "forward"), voice=voice, face=face)
    assert done.returncode == 0, done.stderr
    sound, picture = probe_audio(heygem.folder / "out.mp4"), probe_video(heygem.folder / "out.mp4")
    assert (sound.sample_rate, sound.channels, sound.codec) == (48000, 2, "aac")
    assert (picture.width, picture.height, picture.fps) == (160, 120, 30)


def test_no_failure_blocks_the_next_job_and_each_has_its_code(serve, batch):
    modes = [*CODES, *GOOD, "ok"]
    random.Random(6).shuffle(modes)  # noqa: S311
    service = serve(*modes)
    list_ = batch(modes_named(modes))
    told = list_.json(*options(service, "--retries", 0, "--stall-timeout", 2))
    jobs = {job["id"]: job for job in told["jobs"]}
    for name, mode in zip(modes_named(modes), modes, strict=True):
        error = jobs[name].get("error") or {}
        assert (mode, error.get("code")) == (mode, CODES.get(mode)), error
        assert error == {} or (error["message"] and error["hint"])
    assert [task["mode"] for task in service.submitted] == modes
    assert len({task["code"] for task in service.submitted}) == len(modes)
    assert left_in(service) == []
    good = [name for name, mode in zip(modes_named(modes), modes, strict=True) if mode not in CODES]
    assert list_.new_files() == sorted(f"{name}.mp4" for name in good)
    assert all(is_complete(list_.folder / f"{name}.mp4", 0.4) for name in good)


def modes_named(modes):
    return [f"{number:02}-{mode}" for number, mode in enumerate(modes)]


def test_ten_jobs_at_a_service_that_fails_at_random(serve, batch):
    chance = random.Random(13)  # noqa: S311
    weak = ["busy", "startup-timeout", "queue-full", "error", "no-file", "unchanged", "lock"]
    script = [mode for _ in range(6) for mode in ("ok", "ok", chance.choice(weak))]
    service = serve(*script, "ok")
    list_ = batch([f"{number:02}" for number in range(10)])
    statuses = list_.statuses(*options(service, "--retries", 5))
    lost = [task["mode"] for task in service.submitted].count("unchanged")
    assert sorted(statuses.values()) == sorted(["done"] * (10 - lost) + ["failed"] * lost)
    assert left_in(service) == []


@pytest.mark.parametrize(
    ("args", "code", "says"),
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
def test_what_cannot_be_used_is_told_before_anything_is_sent(serve, heygem, args, code, says):
    service = serve()
    given = options(service)
    if args[0] == "--map":
        given = given[:-2]
    done = heygem("render", *given, *args)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert says in done.stderr
    assert (service.submitted, left_in(service), list(heygem.folder.iterdir())) == ([], [], [])


def test_a_map_is_needed_and_may_come_from_the_environment(serve, heygem):
    service = serve()
    bare = options(service)[:-2]
    assert "--map" in heygem("render", *bare).stderr
    plain = service.shared.with_name("shared")
    plain.symlink_to(service.shared)
    done = heygem("render", *bare, HEYGEM_MAP=f"{plain}:/code/data")
    assert done.returncode == 0, done.stderr


def test_what_killed_runs_and_hanging_jobs_have_left_is_removed(serve, heygem):
    service = serve("ok")
    old = [service.temp / f"heygem0123456789ab{end}" for end in ("-r.mp4", "_format.mp4", "_format.wav")]
    young, others = service.temp / "heygem0123456789ac-r.mp4", service.temp / "heygem-notes.txt"
    for path in (*old, young, others):
        path.write_bytes(b"x")
        os.utime(path, (0, 0) if path != young else None)
    assert heygem("render", *options(service)).returncode == 0
    assert sorted(left_in(service)) == sorted([young.name, others.name])


def test_the_service_dies_in_the_middle(serve, heygem):
    service = serve("dies")
    done = heygem("render", *options(service, "--stall-timeout", 3))
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert (left_in(service), list(heygem.folder.iterdir())) == ([], [])


def test_a_busy_service_is_waited_for_until_the_jobs_time_is_up(serve, batch):
    service = serve("busy")
    list_ = batch(["one"])
    (job,) = list_.json(*options(service, "--timeout", 4))["jobs"]
    assert job["error"]["code"] == "timeout"
    assert 2 <= len(service.submitted) <= 4


@pytest.mark.parametrize(("mode", "signum", "code"), [("hangs", signal.SIGTERM, 143), ("busy", signal.SIGINT, 130)])
def test_a_signal_leaves_nothing(serve, inputs, heygem, mode, signum, code):
    service = serve(mode)
    files = [str(inputs / "a b.wav"), str(inputs / "新 face.mp4"), "-o", "out.mp4"]
    command = [sys.executable, "-m", "heygem_cli", "render", *files, *options(service)]
    with subprocess.Popen(command, cwd=heygem.folder, stderr=subprocess.PIPE, text=True) as process:
        while len(service.submitted) < 1 or len(service.reads) < 2:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
            if mode == "busy" and service.submitted:
                break
        process.send_signal(signum)
        _, stderr = process.communicate(timeout=20)
    assert (process.returncode, "Traceback" in stderr) == (code, False)
    assert (left_in(service), list(heygem.folder.iterdir())) == ([], [])


def test_refusals_are_all_known():
    assert set(REFUSED) | set(FAILED) < set(CODES)
