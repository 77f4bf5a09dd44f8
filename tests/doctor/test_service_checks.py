"""Checks of servers that respond, respond wrongly, slowly or not at all."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from heygem_cli.doctor import probes, service_checks
from heygem_cli.doctor.child_process import ProbeResult
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.heygem.installation.tree import CONFIG_INI
from heygem_tree import make_installation


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/hang":
            self.server.stop.wait(30)
        if path == "/drip":
            self.send_response(200)
            self.end_headers()
            while not self.server.stop.wait(0.05):
                self.wfile.write(b".")
        if path == "/" and self.server.no_page:
            self.send_error(404)
            return
        if path == "/who":
            body = self.headers.get("Authorization", "").encode()
        else:
            body = json.dumps({"code": 10004, "query": query}).encode()
        self.send_response(500 if path == "/broken" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments):
        pass  # the doctor has closed the connection


@pytest.fixture
def address():
    with Server(("127.0.0.1", 0), Handler) as server:
        server.stop = threading.Event()
        server.no_page = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.stop.set()
        server.shutdown()


WAIT = "print(flush=True); import time; time.sleep(60)"


@pytest.mark.parametrize(("gpus", "status"), [(("0", "0"), "warn"), (("0", "1"), "ok"), ((None, None), "warn")])
def test_several_heygem_on_one_gpu(tmp_path, gpus, status):
    """The forked workers of a HeyGem do not count."""
    proc = tmp_path / "proc"  # of these processes only: others may run HeyGem on this machine
    proc.mkdir()
    with contextlib.ExitStack() as stack:
        for name, gpu in zip("AB", gpus, strict=True):
            home = make_installation(tmp_path / name)
            (home / "app.py").write_text(f"import os\nprint(os.getpid(), flush=True); os.fork()\n{WAIT}")
            command = [sys.executable, "-u", "app.py"]
            running = subprocess.Popen(
                command,
                cwd=home,
                env={"CUDA_VISIBLE_DEVICES": gpu} if gpu else {},
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            stack.enter_context(running)
            stack.callback(os.killpg, running.pid, signal.SIGKILL)
            for _line in range(3):
                running.stdout.readline()
            children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
            for pid in (running.pid, *children):
                (proc / str(pid)).symlink_to(f"/proc/{pid}")
        (tmp_path / "nvidia0").touch()
        finding = service_checks.instances(Inputs(proc=proc, dev=tmp_path))
        assert service_checks.instances(Inputs(proc=proc, dev=proc)).found == "no NVIDIA GPU"
    assert finding.status == status
    assert finding.found.startswith(f"2 on GPU {gpus[0] or 'all'}: ") is (status == "warn")


def test_port_is_taken_by_another_program(tmp_path, address):
    home = make_installation(tmp_path / "HeyGem")
    (home / "app.py").unlink()
    (home / "app_local.py").touch()
    port = address.rpartition(":")[2]
    config = (home / CONFIG_INI).read_text()

    def finding(number, reserved=()):
        (home / CONFIG_INI).write_text(config.replace("8383", str(number)))
        return service_checks.port(Inputs(home=home), list(reserved))

    taken = finding(port)
    assert taken.status == "warn"
    assert taken.found.startswith(f"{port} is used by process {os.getpid()}: ")
    assert finding(1).found == "1 is free"
    assert finding(8383, [(8300, 8400)]).found == "8383 is reserved by Windows"


@pytest.mark.parametrize("source", ["", "demo.launch(server_port={})"])
def test_port_is_used_by_heygem_itself(tmp_path, source):
    home = make_installation(tmp_path / "HeyGem")
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    listen = f"import socket; s = socket.create_server(('127.0.0.1', {number}))"
    (home / "app.py").write_text(f"# gradio, {source.format(number)}\n{listen}; {WAIT}")
    environment = {} if source else {"GRADIO_SERVER_PORT": str(number)}
    command = [sys.executable, "app.py"]
    with subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.PIPE) as running:
        try:
            running.stdout.readline()
            finding = service_checks.port(Inputs(home=home), [])
        finally:
            running.kill()
    assert finding.status == "ok"
    assert finding.found.startswith(f"{number} is used by process {running.pid}: ")


def test_ports_that_windows_reserves(tmp_path):
    (tmp_path / "version").write_text("Linux version 5.15.90.1-microsoft-standard-WSL2")
    netsh = tmp_path / "netsh.exe"
    netsh.write_text(
        "#!/bin/sh\nprintf 'Start Port    End Port\\n----------    --------\\n      8300        8399\\r\\n'\n"
    )
    netsh.chmod(0o755)
    inputs = Inputs(home=tmp_path, proc=tmp_path, environment={"PATH": str(tmp_path)})
    assert probes.reserved_ports(inputs) == [(8300, 8399)]
    assert probes.reserved_ports(Inputs(home=tmp_path, environment={"PATH": str(tmp_path)})) == []


def finding_of(url, **inputs):
    inputs = Inputs(url=url, **inputs)
    return service_checks.http(inputs, probes.service(inputs))


def test_server_responds(address):
    finding = finding_of(address)
    assert finding.status == "ok"
    assert finding.found.startswith(f"{address} answers 200 in ")


def test_proxy_of_the_environment_is_not_used(address):
    assert finding_of(address, environment={"http_proxy": "http://127.0.0.1:9"}).status == "ok"


def test_server_responds_with_an_error(address):
    finding = finding_of(f"{address}/broken")
    assert finding.status == "fail"
    assert "answers 500" in finding.found


@pytest.mark.parametrize("page", ["hang", "drip"])
def test_response_without_end_times_out(address, page):
    start = time.monotonic()
    finding = finding_of(f"{address}/{page}", timeout=1)
    assert (finding.status, finding.found) == ("fail", f"{address}/{page}: timed out after 1 s")
    assert time.monotonic() - start < 20


def test_connection_is_refused(address):
    port = int(address.rpartition(":")[2])
    # Nothing listens on port 1 of the loopback.
    finding = finding_of(address.replace(str(port), "1"))
    assert (finding.status, finding.found) == ("fail", "http://127.0.0.1:1: Connection refused")


def test_credentials_are_sent(address):
    inputs = Inputs(url=address.replace("//", "//me:p%40ss@") + "/who")
    assert probes.service(inputs).facts["body"] == "Basic bWU6cEBzcw=="


def test_slow_server():
    result = ProbeResult({"status": 200, "seconds": 2.5, "body": ""})
    assert service_checks.http(Inputs(url="http://x"), result).status == "warn"


@pytest.mark.parametrize(
    ("status", "reason", "finding", "text"),
    [("ready", "", "ok", "can render"), ("not ready", "the engine is being loaded", "fail", "engine is being loaded")],
)
@pytest.mark.parametrize("page", [200, 401])
def test_heygem_serve_tells_whether_it_can_render(page, status, reason, finding, text):
    answer = ProbeResult({"status": page, "seconds": 0.1, "body": "<html>"})
    body = json.dumps({"service": "heygem", "status": status, "reason": reason})
    own = ProbeResult({"status": 200 if finding == "ok" else 503, "seconds": 0.1, "body": body})
    found = service_checks.http(Inputs(url="http://x:7860"), answer, own)
    assert (found.status, text in found.found) == (finding, True)


@pytest.mark.parametrize(("body", "status"), [('{"code": 10004}', "ok"), ("<html>", "fail"), ("[]", "fail")])
def test_official_service_must_respond_like_heygem(body, status):
    result = ProbeResult({"status": 200, "seconds": 0.1, "body": body})
    assert service_checks.http(Inputs(url="http://x:8383"), result).status == status
    # A URL with a path may be any page.
    assert service_checks.http(Inputs(url="http://x:8383/health"), result).status == "ok"


@pytest.mark.parametrize(
    ("url", "official"), [("http://x:8383", True), ("http://x:8383/", True), ("http://x:7860", False)]
)
def test_official_address(url, official):
    assert probes.is_official(url) is official


def test_official_service_under_another_port():
    """It has no page, and a container publishes it under any port."""
    with Server(("127.0.0.1", 0), Handler) as server:
        server.stop, server.no_page = threading.Event(), True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        inputs = Inputs(url=f"http://127.0.0.1:{server.server_port}")
        finding = service_checks.http(inputs, probes.service(inputs))
        server.shutdown()
    assert (finding.status, "answers 200" in finding.found) == ("ok", True)


def test_http_is_skipped_without_an_address():
    assert service_checks.http(Inputs(), probes.service(Inputs())).status == "skip"


def test_process_is_skipped_if_none_runs(tmp_path):
    assert service_checks.process(Inputs()).status == "skip"
    assert service_checks.process(Inputs(home=make_installation(tmp_path))).status == "skip"
