"""The command line of ``heygem serve``: what it refuses before it starts."""

import os
import socket
import subprocess
import sys

import pytest

from heygem_cli.cli.serve import _with_api
from heygem_cli.locks import FileLock
from heygem_cli.serve_options import parse_root_path
from serve_program import free_port

ALL = "0.0.0.0"  # noqa: S104 - it is refused


def serve(*arguments, **environment):
    command = [sys.executable, "-m", "heygem_cli", "serve", *arguments]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", ALL], "--no-auth"),
        (["--host", "::"], "--no-auth"),
        (["--host", ALL, "--auth", "nobody"], "--auth"),
        (["--auth", "a:b", "--no-auth"], "exclude each other"),
        (["--token", "short"], "--token"),
        (["--api", "easy"], "--data"),
        (["--api", "other"], "--api"),
        (["--max-upload", "many"], "not understood"),
        (["--root-path", "https://example.org/heygem"], "--root-path"),
        (["--engine", "mesj"], "mesh"),
        (["--home", "/opt/heygem"], "--home"),
        (["--host", "203.0.113.9", "--no-auth"], "--host"),
    ],
)
def test_wrong_options_are_errors_of_one_line(tmp_path, arguments, message):
    done = serve("--folder", str(tmp_path / "folder"), "--port", "1234", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "folder").exists() or list((tmp_path / "folder/jobs").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "path"), [("/", ""), ("", ""), ("/heygem", "/heygem"), ("heygem/", "/heygem"), ("/a/b_c/", "/a/b_c")]
)
def test_root_path_with_or_without_slashes(text, path):
    assert parse_root_path(text) == path


def test_port_in_use_is_an_error(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = serve("--folder", str(tmp_path), "--port", str(other.getsockname()[1]))
    assert done.returncode == 2
    assert "is in use" in done.stderr


def test_ffmpeg_that_does_not_work_ends_the_server(tmp_path):
    done = serve("--folder", str(tmp_path), "--port", str(free_port()), IMAGEIO_FFMPEG_EXE="/bin/false")
    assert done.returncode == 4
    problem = "/bin/false: this is no ffmpeg that works: it says nothing. Unset IMAGEIO_FFMPEG_EXE"
    assert problem in done.stderr.splitlines()[-1]


def test_second_server_on_a_folder_is_refused(tmp_path):
    lock = FileLock(tmp_path / "serve.lock")
    assert lock.try_acquire()
    done = serve("--folder", str(tmp_path), "--port", "0" + str(20000 + os.getpid() % 20000))
    lock.release()
    assert done.returncode == 5, done.stderr
    assert "another heygem serve" in done.stderr


def test_missing_extra_names_its_installation():
    code = "import sys; sys.modules['gradio'] = None; from heygem_cli.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 4, done.stderr
    assert "pip install 'heygem-cli[serve]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_loads_no_server():
    code = (
        "import sys, heygem_cli.cli.main as m; print([n for n in ('gradio', 'fastapi', 'uvicorn') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "completed"),
    [
        ([], []),
        (["--api"], ["--api=jobs"]),
        (["--api", "easy"], ["--api", "easy"]),
        (["--api", "--token", "x"], ["--api=jobs", "--token", "x"]),
        (["--api=easy"], ["--api=easy"]),
    ],
)
def test_api_has_a_value_or_none(arguments, completed):
    assert _with_api(arguments) == completed
