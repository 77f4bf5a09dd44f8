"""The health check of the image, beside processes that have a PID namespace of their own, as those of a container."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEALTH_CHECK = Path(__file__).parents[2] / "docker" / "healthcheck.py"
UNSHARE = ["unshare", "--pid", "--fork", "--mount", "--mount-proc", "--kill-child"]
PID_1 = """
import json, subprocess, sys
commands = json.loads(sys.argv[1])
for command in commands[:-1]:
    subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.readline()
sys.exit(subprocess.call(commands[-1]))
"""
SERVER = """
import socket, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == sys.argv[2] else 404)
        self.end_headers()
class Server(HTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with Server((sys.argv[1], 0), Health) as server:
    print(flush=True)
    server.serve_forever()
"""

pytestmark = pytest.mark.skipif(
    subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode != 0,
    reason="this user may not create namespaces",
)


def check(*commands, pid_1=""):
    """Start commands, and return the status and the output of the check; PID 1 has one more argument."""
    run = [[*command] for command in commands] + [[sys.executable, str(HEALTH_CHECK)]]
    environment = {**os.environ, "http_proxy": "http://192.0.2.1:9"}
    program = [*UNSHARE, sys.executable, "-c", PID_1, json.dumps(run), pid_1]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


def server(host, path="/healthz", command="heygem serve --root-path /heygem"):
    """Return a command that serves on any port, as if a file of options had named it."""
    return [sys.executable, "-c", SERVER, host, path, *command.split()]


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.2", "::", "::1"])  # noqa: S104
def test_server_that_answers_is_healthy(host):
    assert check(server(host)) == (0, "")


@pytest.mark.parametrize(
    "pid_1", ["heygem serve --port 80", "exec heygem serve", "cd /data && heygem serve", "/bin/heygem serve"]
)
def test_server_that_does_not_run_is_not(pid_1):
    assert check(pid_1=pid_1) == (1, "heygem serve does not listen")
    assert check(server("127.0.0.1"), pid_1=pid_1) == (0, "")


def test_server_that_answers_something_else_is_not():
    assert check(server("127.0.0.1", "/")) == (1, "heygem serve answers with status 404")


@pytest.mark.parametrize("pid_1", ["heygem batch serve.csv", "heygem batch list.csv --output-dir serve", "sleep 60"])
def test_other_commands_have_their_own_watchdog(pid_1):
    assert check(pid_1=pid_1) == (0, "")
    assert check(server("127.0.0.1", "/", "heygem batch list.csv"), pid_1=pid_1) == (0, "")


def test_server_of_another_container_does_not_count():
    """Processes of two containers may see each other, as with ``--pid=host``."""
    other = ["unshare", "--mount", *server("127.0.0.1", "/")]
    assert check(other) == (0, "")
