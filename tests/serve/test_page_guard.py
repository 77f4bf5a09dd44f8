"""What the page's server gives out, and what it does not."""

import errno
import json
import os
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from heygem_cli.serve.app import make_app
from heygem_cli.serve.page import STATIC
from heygem_cli.serve_options import ServeOptions
from page_server import finished_job, idle_service, wait_for


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with idle_service(tmp_path_factory.mktemp("serve")) as service:
        yield service


@pytest.fixture(scope="module")
def client(service):
    with TestClient(make_app(service, ServeOptions()), base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="module")
def secret(service):
    """A file beside the folder of the server."""
    path = service.store.folder.parent / "secret.txt"
    path.write_text("nobody may read this")
    return path


def test_the_page_and_its_parts_are_there(client):
    for path in ("/", "/job", "/config", "/theme.css", "/static/img/logo_nosize.svg", "/gradio_api/app_id"):
        assert client.get(path).status_code == 200, path


def test_the_page_names_no_other_host(client):
    policy = client.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'self' ")
    assert "http" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file={secret}",
        "/gradio_api/file={uploads}/../secret.txt",
        "/gradio_api/file={uploads}/{hash}/../../../secret.txt",
        "/gradio_api/file={uploads}/{hash}/..%2f..%2f..%2fsecret.txt",
        "/gradio_api/file={uploads}/{hash}/%2e%2e/%2e%2e/%2e%2e/secret.txt",
        "/gradio_api/file=http://localhost/x",
        "/gradio_api/file/{secret}",
        "/gradio_api/proxy=http://localhost/x",
        "/file={secret}",
        "/static/../../secret.txt",
        "/static/%2e%2e/%2e%2e/{secret}",
        "/static/{secret}",
        "/assets/{secret}",
        "/page/../../secret.txt/video",
        "/page/%2e%2e/video",
        "/page/{hash}/video",
        "/page/{job}/job.json",
        "/page/{job}/audio",
    ],
)
def test_no_other_file_is_read(client, service, secret, path):
    job = finished_job(service)
    hash = "0" * 64
    (service.store.uploads / hash).mkdir(exist_ok=True)
    path = path.format(secret=secret, uploads=service.store.uploads, hash=hash, job=job.id)
    answer = client.get(path, follow_redirects=False)
    assert answer.status_code in (307, 400, 403, 404), answer
    assert secret.read_text() not in answer.text
    assert "face.mp4" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["info", "openapi.json", "call/submit", "run/submit", "api/submit", "vibe-code", "deep_link", "token"],
)
def test_what_gradio_offers_besides_is_closed(client, path):
    assert client.get(f"/gradio_api/{path}").status_code == 404
    assert client.post(f"/gradio_api/{path}", json={"data": []}).status_code in (404, 405)


@pytest.mark.parametrize(
    "path",
    [
        "{secret}",
        "file://{secret}",
        "{uploads}/../../secret.mp4",
        "http://127.0.0.1:9/a.mp4",
        "https://example.org/a.mp4",
        "\0",
    ],
)
def test_no_event_takes_a_file_that_was_not_uploaded(client, service, path):
    secret = service.store.folder.parent / "secret.mp4"
    secret.write_bytes(b"secret")
    path = path.format(secret=secret, uploads=service.store.uploads)
    file = {"path": path, "orig_name": "a.mp4", "meta": {"_type": "gradio.FileData"}}
    refused, jobs = 0, len(service.jobs())
    for event in client.get("/config").json()["dependencies"]:
        body = {"fn_index": event["id"], "data": [file] * len(event["inputs"]), "session_hash": "x"}
        if event["backend_fn"] and event["inputs"]:
            answer = client.post("/gradio_api/run/predict", json=body)
            refused += answer.status_code == 400
            assert "secret" not in answer.text
    assert refused > 3
    assert len(service.jobs()) == jobs
    copies = [path for path in service.store.folder.rglob("*") if path.is_file() and path.read_bytes() == b"secret"]
    assert copies == []


def test_the_config_tells_nothing_of_the_server(client, service):
    config = json.dumps(client.get("/config").json())
    assert str(service.store.folder) not in config
    assert json.loads(config)["analytics_enabled"] is False


def test_a_video_is_sent_whole_or_in_part_under_the_name_of_the_command_line(client, service):
    job = finished_job(service, face_name="Anna & Ben.mp4", audio_name="hello.wav")
    whole = client.get(f"/page/{job.id}/video")
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["content-disposition"].startswith("inline")
    assert whole.content == job.output.read_bytes()
    part = client.get(f"/page/{job.id}/video", headers={"range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, whole.content[2:6])
    saved = client.get(f"/page/{job.id}/video?download")
    assert saved.headers["content-disposition"] == f"attachment; filename*=utf-8''{quote('Anna & Ben_hello.mp4')}"
    assert client.head(f"/page/{job.id}/video").status_code == 200
    assert client.get(f"/page/{job.id}/preview").status_code == 404


@pytest.mark.parametrize("name", ["x" * 251 + ".mp4", "é" * 125 + ".mp4", "语" * 300])
def test_a_long_name_is_cut_to_what_a_file_may_have(service, name):
    job = finished_job(service, face_name=name, audio_name=name)
    assert 200 < len(job.download_name.encode()) <= 255
    assert job.download_name.endswith(".mp4")


def test_the_icon_is_our_own(client):
    answer = client.get("/favicon.ico")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.text == (STATIC / "favicon.svg").read_text(encoding="utf-8")


def test_the_page_needs_the_password(service):
    app = make_app(service, ServeOptions(auth="anna:secret word"))
    with TestClient(app, base_url="http://localhost") as client:
        for path in ("/", "/job", "/config", f"/page/{finished_job(service).id}/video", "/gradio_api/queue/data"):
            assert client.get(path).status_code == 401
        assert client.post("/gradio_api/upload", files={"files": b"x"}).status_code == 401
        assert client.get("/", auth=("anna", "secret word")).status_code == 200


@pytest.fixture
def api(service):
    with TestClient(make_app(service, ServeOptions(api=("jobs",))), base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("path", ["/page/{}/video", "/api/v1/jobs/{}/result"])
def test_a_video_that_somebody_removed_is_missing(api, service, path):
    job = finished_job(service)
    job.output.unlink()
    answer = api.get(path.format(job.id))
    assert answer.status_code == 404
    assert "there is no such file" in answer.text


@pytest.mark.parametrize("path", ["/gradio_api/upload", "/api/v1/jobs"])
@pytest.mark.parametrize(
    ("number", "status", "message"),
    [
        (errno.ENOSPC, 507, "the disk of the server is full"),
        (errno.EROFS, 500, "the server cannot use its folder (Read-only file system)"),
    ],
)
def test_an_upload_that_cannot_be_written_says_why(api, monkeypatch, path, number, status, message):
    def fail(*_arguments, **_options):
        raise OSError(number, os.strerror(number), "/secret/path")

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", fail)
    monkeypatch.setattr("tempfile.NamedTemporaryFile", fail)
    monkeypatch.setattr("gradio.route_utils.NamedTemporaryFile", fail, raising=False)
    answer = api.post(path, files={"files": b"x", "audio": b"x", "face": b"x"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (status, message)
    assert "/secret" not in answer.text


def test_a_server_whose_folder_is_gone_is_not_ready(api, service):
    away = service.store.jobs.rename(service.store.jobs.with_name("away"))
    wait_for(lambda: api.get("/readyz").json()["reason"] == "the folder cannot be written")
    away.rename(service.store.jobs)
    wait_for(lambda: api.get("/readyz").status_code == 200)
