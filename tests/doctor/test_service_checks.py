"""A server that answers, answers wrongly, slowly or not at all."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from heygem_cli.doctor import probes, service_checks
from heygem_cli.doctor.child_process import Answer
from heygem_cli.doctor.inputs import Inputs
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
        pass  # the doctor has hung up


@pytest.fixture
def address():
    with Server(("127.0.0.1", 0), Handler) as server:
        server.stop = threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.stop.set()
        server.shutdown()


def finding_of(url, **more):
    inputs = Inputs(url=url, **more)
    return service_checks.http(inputs, probes.service(inputs))


def test_it_answers(address):
    finding = finding_of(address)
    assert finding.status == "ok"
    assert finding.found.startswith(f"{address} answers 200 in ")


def test_a_proxy_of_the_environment_is_not_asked(address):
    assert finding_of(address, environment={"http_proxy": "http://127.0.0.1:9"}).status == "ok"


def test_it_answers_with_an_error(address):
    finding = finding_of(f"{address}/broken")
    assert finding.status == "fail"
    assert "answers 500" in finding.found


@pytest.mark.parametrize("page", ["hang", "drip"])
def test_it_does_not_come_to_an_end(address, page):
    start = time.monotonic()
    finding = finding_of(f"{address}/{page}", limit=1)
    assert (finding.status, finding.found) == ("fail", f"{address}/{page}: gave no answer within 1 s")
    assert time.monotonic() - start < 20


def test_nobody_answers(address):
    port = int(address.rpartition(":")[2])
    # Nothing listens on port 1 of the loopback.
    finding = finding_of(address.replace(str(port), "1"))
    assert (finding.status, finding.found) == ("fail", "http://127.0.0.1:1: Connection refused")


def test_user_and_password(address):
    inputs = Inputs(url=address.replace("//", "//me:p%40ss@") + "/who")
    assert probes.service(inputs).facts["body"] == "Basic bWU6cEBzcw=="


def test_it_is_slow():
    answer = Answer({"status": 200, "seconds": 2.5, "body": ""})
    assert service_checks.http(Inputs(url="http://x"), answer).status == "warn"


@pytest.mark.parametrize(("body", "status"), [('{"code": 10004}', "ok"), ("<html>", "fail"), ("[]", "fail")])
def test_the_official_service_speaks_its_language(body, status):
    answer = Answer({"status": 200, "seconds": 0.1, "body": body})
    assert service_checks.http(Inputs(url="http://x:8383"), answer).status == status
    # A page that was named is asked as it is.
    assert service_checks.http(Inputs(url="http://x:8383/health"), answer).status == "ok"


@pytest.mark.parametrize(
    ("url", "official"), [("http://x:8383", True), ("http://x:8383/", True), ("http://x:7860", False)]
)
def test_which_address_is_the_official_services(url, official):
    assert probes.is_official(url) is official


def test_no_address():
    assert service_checks.http(Inputs(), probes.service(Inputs())).status == "skip"


def test_no_process(tmp_path):
    assert service_checks.process(Inputs()).status == "skip"
    assert service_checks.process(Inputs(home=make_installation(tmp_path))).status == "skip"
