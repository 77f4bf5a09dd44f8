"""A server and media that its tests share."""

from __future__ import annotations

import pytest

from portrait import make_face_video, make_voice, scene
from serve_program import Server

FACE = (80, 60, 110)


@pytest.fixture(scope="session")
def short(media):
    """0.4 s of speech, and a face video of four frames."""
    folder = media / "serve short"
    folder.mkdir()
    video = make_face_video(folder / "面 'a'.mp4", [scene(160, 120, (FACE[0] + k, *FACE[1:])) for k in range(4)])
    return make_voice(folder / "a b.wav", 0.4), video


@pytest.fixture(scope="session")
def long(media):
    """30 s of speech, and a face video of 150 frames: nothing is done at once."""
    folder = media / "serve long"
    folder.mkdir()
    frames = [scene(160, 120, (FACE[0] + k % 9, *FACE[1:])) for k in range(150)]
    return make_voice(folder / "long.wav", 30), make_face_video(folder / "long.mp4", frames)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """The folder that clients name ``/code/data``."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def server(tmp_path_factory, data):
    """A server for tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("serve") / "folder"
    limits = ("--max-upload", "2M", "--queue-size", "3")
    arguments = ("--api", "--api", "easy", "--data", str(data), "--root-path", "/", *limits)
    proxies = {"ALL_PROXY": "socks5://127.0.0.1:9", "http_proxy": "none", "NO_PROXY": "::1/128"}  # and none is asked
    running = Server(folder, *arguments, **proxies)
    yield running.wait_until_ready()
    running.stop()
