"""``heygem serve`` with a HeyGem installation, which is a fake that behaves like HeyGem."""

import os
import signal
import time

import pytest

from heygem_stand_in import environment, make_stand_in, processes_of, set_behaviour
from media_factory import make_audio, make_video
from serve_program import Server, wait_for


@pytest.fixture
def home(tmp_path):
    return make_stand_in(tmp_path / "home")


@pytest.fixture
def inputs(tmp_path):
    video = make_video(tmp_path / "face.mp4", size=(128, 128), seconds=0.4, filters="hue=s=0")
    return make_audio(tmp_path / "voice.wav", seconds=0.4), video


def test_heygem_renders_and_a_job_that_hangs_is_canceled(tmp_path, home, inputs):
    set_behaviour(home, "ok", "hang", "ok")
    own = {name: value for name, value in environment(home).items() if os.environ.get(name) != value}
    # The quality is an option of the built-in engine only.
    server = Server(tmp_path / "folder", "--api", "--home", str(home), quality=None, **own).wait_until_ready()
    assert server.wait_for_phase(server.submit(*inputs).json()["id"], "done", "failed")["result"]["engine"] == "heygem"
    refused = server.submit(*inputs, crf="20")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unheeded-option")
    hanging = server.submit(*inputs).json()["id"]
    server.wait_for_stage(hanging, "render")
    began = time.monotonic()
    server.cancel(hanging)
    wait_for(lambda: server.job(hanging)["finished"], 10)
    assert time.monotonic() - began < 5
    following = server.wait_for_phase(server.submit(*inputs).json()["id"], "done", "failed", seconds=90)
    assert following["phase"] == "done", following["error"]
    assert server.stop() == 143
    wait_for(lambda: not processes_of(home), 15)


def test_job_waits_while_the_worker_cannot_be_loaded_again(tmp_path, home, inputs):
    set_behaviour(home, "hang", "ok")
    own = {name: value for name, value in environment(home).items() if os.environ.get(name) != value}
    server = Server(tmp_path / "folder", "--api", "--home", str(home), quality=None, **own).wait_until_ready()
    first, second = (server.submit(*inputs).json()["id"] for _ in range(2))
    server.wait_for_stage(first, "render")
    away = home.rename(home.with_name("away"))
    os.kill(server.worker(), signal.SIGKILL)
    wait_for(lambda: "the engine cannot be loaded" in server.client.get("/readyz").json()["reason"], 30)
    assert server.client.get("/readyz").status_code == 503
    assert [server.job(id)["phase"] for id in (first, second)] == ["running", "queued"]
    server.cancel(first)
    away.rename(home)
    assert server.wait_for_phase(second, "done", "failed", seconds=90)["phase"] == "done"
    assert server.job(first)["phase"] == "canceled"
    server.wait_until_ready()
    server.stop()


def test_engine_that_cannot_be_loaded_ends_the_server(tmp_path):
    server = Server(tmp_path / "folder", "--engine", "heygem", "--home", str(tmp_path), quality=None)
    output, _ = server.process.communicate(timeout=120)
    assert server.process.returncode in (2, 4), output
    assert "error: " in output.splitlines()[-1]
    assert "Traceback" not in output
