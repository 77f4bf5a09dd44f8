"""``heygem restart`` as a command, with real processes and a fake ``docker``."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from containers import FakeDocker
from heygem_tree import APP, make_installation

SERVER = """\
import http.server, os, signal, sys
if os.environ.get("STUBBORN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open("starts", "a") as file:
    file.write(f"{os.getpid()} {os.environ.get('MARK')} {' '.join(sys.argv[1:])}\\n")
if os.path.exists("broken"):
    sys.exit(1)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
"""
SERVE = "http.server.ThreadingHTTPServer(('127.0.0.1', {port}), Handler).serve_forever()\n"


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def home(tmp_path, port):
    home = make_installation(tmp_path / "HeyGem")
    (home / "app.py").write_text(SERVER + SERVE.format(port=port) + APP)  # what follows the server is never reached
    yield home
    for pid, *_ in starts(home):
        if is_alive(int(pid)):
            os.kill(int(pid), signal.SIGKILL)


def starts(home):
    path = home / "starts"
    return [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def start(home, port, **environment):
    command = [sys.executable, "app.py", "--share"]
    process = subprocess.Popen(command, cwd=home, env={**os.environ, "MARK": "kept", **environment})
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.1)
    raise TimeoutError


def restart(*arguments, **environment):
    command = [sys.executable, "-m", "heygem_cli", "restart", *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_process_gets_its_command_line_folder_and_environment_again(home, port):
    process = start(home, port)
    done = restart("--home", home, "--yes")
    assert done.returncode == 0, done.stderr
    assert f"      kill {process.pid}\n" in done.stdout
    assert f"      cd {home} && " in done.stdout
    assert f"\nhttp://127.0.0.1:{port} answers after " in f"\n{done.stdout}"
    process.wait(5)
    first, second = starts(home)
    assert first[1:] == ["kept", "--share"]
    assert second[1:3] == ["kept", "--share"]
    assert is_alive(int(second[0]))


def test_process_that_ignores_sigterm_is_killed(home, port):
    process = start(home, port, STUBBORN="1")
    done = restart("--home", home, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["url"] == f"http://127.0.0.1:{port}"
    assert process.wait(5) == -signal.SIGKILL


def test_nothing_happens_without_consent(home, port):
    process = start(home, port)
    done = restart("--home", home)
    assert (done.returncode, "Add --yes" in done.stderr) == (2, True)
    assert restart("--home", home, "--dry-run").returncode == 0
    assert is_alive(process.pid)
    assert len(starts(home)) == 1


def test_start_that_fails_is_reported(home, port):
    start(home, port)
    (home / "broken").touch()
    done = restart("--home", home, "--yes")
    assert done.returncode == 1
    assert "HeyGem has ended right after its start" in done.stderr


def test_process_that_is_not_heygem_is_never_touched(home):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd=home)
    try:
        done = restart("--home", home, "--yes")
        assert done.returncode == 2
        assert f"{home}: HeyGem does not run there. Start it: cd {home} && python app.py" in done.stderr
        assert is_alive(other.pid)
    finally:
        other.kill()
        other.wait()


def test_container(home, port, tmp_path):
    docker = FakeDocker(tmp_path / "bin", home)
    (docker.folder / "on-restart").write_text(f"#!/bin/sh\ncd {home} && {sys.executable} app.py >/dev/null 2>&1 &\n")
    (docker.folder / "on-restart").chmod(0o755)
    url = f"http://127.0.0.1:{port}"
    done = restart("--container", "server", "--url", url, "--yes", **docker.environment)
    assert done.returncode == 0, done.stderr
    assert "      docker restart server\n" in done.stdout
    assert f"{url} answers after " in done.stdout


def test_container_that_does_not_answer(home, port, tmp_path):
    docker = FakeDocker(tmp_path / "bin", home)
    url = f"http://127.0.0.1:{port}"
    done = restart("--container", "server", "--url", url, "--yes", "--wait", 2, **docker.environment)
    assert done.returncode == 1
    assert f"{url} has not answered after 2 s" in done.stderr


def test_error_of_the_server_is_named(home, port, tmp_path):
    source = SERVER.replace("send_response(200)", "send_response(503)") + SERVE.format(port=port)
    (home / "app.py").write_text(source + APP)
    start(home, port)
    docker = FakeDocker(tmp_path / "bin", home)
    url = f"http://127.0.0.1:{port}"
    done = restart("--container", "server", "--url", url, "--yes", "--wait", 2, **docker.environment)
    assert done.returncode == 1
    assert f"HeyGem runs, but {url} answers HTTP 503 after 2 s" in done.stderr


def test_container_without_heygem_is_never_restarted(tmp_path):
    (tmp_path / "empty").mkdir()
    docker = FakeDocker(tmp_path / "bin", tmp_path / "empty", has_python=False)
    done = restart("--container", "server", "--yes", **docker.environment)
    assert done.returncode == 2
    assert "there is no HeyGem in this container" in done.stderr
    assert "restart" not in docker.calls.read_text()
