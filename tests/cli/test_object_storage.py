"""Tests of batches whose files are in object storage, on a real S3 server of this machine."""

import functools
import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from batch_program import is_complete
from heygem_cli.batch.remote_output import prepare_remote
from heygem_cli.errors import HeygemError, InputError
from heygem_cli.job import RenderJob
from heygem_cli.remote import Remote, RemoteFiles, _errors_of, digest_of, is_store_url, is_url, upload, version_of

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")

ROW = "audio,face,output\ns3://media/in/a.wav,s3://media/face.mp4,s3://media/out/one.mp4\n"


@pytest.fixture(scope="module")
def endpoint():
    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch, batch):
    """A bucket with a face video and an audio; this process and the batch have access to it."""
    import fsspec

    variables = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    batch.environment |= variables
    fsspec.filesystem("s3").clear_instance_cache()
    store = fsspec.filesystem("s3")
    store.makedirs("media", exist_ok=True)
    store.rm([path for path in store.find("media") if path.startswith("media/")]) if store.find("media") else None
    store.put_file(str(batch.folder / "a.wav"), "media/in/a.wav")
    store.put_file(str(batch.folder / "face.mp4"), "media/face.mp4")
    yield store
    fsspec.filesystem("s3").clear_instance_cache()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://bucket/a.wav", True),
        (" s3://bucket/a b.wav ", True),
        ("gs://bucket/folder/a.wav", True),
        ("s3://bucket/", False),
        ("s3://bucket", False),
        ("file:///a.wav", False),
        ("https://example.org/a.wav", True),
        ("https://example.org/", False),
        ("memory://a/b", False),
        ("a.wav", False),
        ("C:\\a.wav", False),
    ],
)
def test_urls(text, expected):
    assert is_url(text) is expected
    assert is_store_url(text) is (expected and not text.startswith("https"))


def test_files_are_fetched_and_the_output_is_uploaded(batch, bucket, tmp_path):
    batch.rows(ROW)
    report = batch.json("--report", "r.json")
    assert [(job["status"], job["output"]) for job in report["jobs"]] == [("done", "s3://media/out/one.mp4")]
    bucket.invalidate_cache()
    assert bucket.ls("media/out", detail=False) == ["media/out/one.mp4"]
    bucket.get_file("media/out/one.mp4", str(tmp_path / "one.mp4"))
    assert is_complete(tmp_path / "one.mp4", 0.4)
    assert batch.new_files() == ["r.json"]
    outputs = Path(batch.environment["HEYGEM_CACHE_DIR"]) / "outputs"
    assert list(outputs.iterdir()) == []
    # The next run has nothing to do, as long as nothing changes.
    assert plan(batch) == ("done", "")
    bucket.rm_file("media/out/one.mp4")
    assert plan(batch) == ("do", "the output is missing")
    assert batch.statuses() == {"s3://media/out/one": "done"}
    bucket.put_file(str(batch.folder / "b.wav"), "media/in/a.wav")
    assert plan(batch)[0] == "changed"
    assert batch.json()["jobs"][0]["audio_seconds"] == 0.6


def plan(batch):
    (job,) = batch.json("--dry-run")["jobs"]
    return job["action"], job["why"]


def test_inputs_from_a_web_server(batch):
    (batch.folder / "a b.wav").write_bytes((batch.folder / "a.wav").read_bytes())
    handler = functools.partial(SimpleHTTPRequestHandler, directory=batch.folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{web.server_port}"
        batch.rows(f"audio,face,id\n{address}/a b.wav,{address}/face.mp4?x=1,one\n")
        assert batch.statuses() == {"one": "done"}
        assert plan(batch) == ("done", "")
        batch.rows(f"audio,face,output\n{address}/none.wav,face.mp4,{address}/o.mp4\n")
        done = batch.run()
        web.shutdown()
    assert is_complete(batch.folder / "one.mp4", 0.4)
    assert done.returncode == 2
    assert f"column audio: {address}/none.wav: there is no such file. Check the address" in done.stderr


def test_errors_name_the_url_of_a_file(batch, bucket):
    bucket.pipe_file("media/in/text.wav", b"no sound")
    batch.rows("audio,face,id\ns3://media/in/text.wav,s3://media/face.mp4,one\n")
    done = batch.run()
    assert done.returncode == 2
    assert "column audio: s3://media/in/text.wav: " in done.stderr
    assert "/files/" not in done.stderr


KILLED = """
import importlib, os, sys
from heygem_cli.__main__ import main
module, name, before = {0!r}
module = importlib.import_module(module)
real = getattr(module, name)
def kill(*args, **options):
    if not before:
        real(*args, **options)
    os.kill(os.getpid(), 9)
setattr(module, name, kill)
main()
"""


@pytest.mark.parametrize(
    "moment",
    [
        ("heygem_cli.remote", "publish", True),
        ("heygem_cli.batch.session", "make_plan", False),
        ("heygem_cli.batch.remote_output", "upload", True),
        ("heygem_cli.batch.remote_output", "upload", False),
    ],
    ids=["while it fetches", "after the plan", "before the upload", "after the upload"],
)
def test_batch_that_is_killed_loses_nothing(batch, bucket, moment):
    batch.rows(ROW)
    process = batch.start(python=("-c", KILLED.format(moment)))
    _, err = process.communicate(timeout=60)
    assert process.returncode == -9, err
    assert batch.statuses() == {"s3://media/out/one": "done"}
    bucket.invalidate_cache()
    assert bucket.ls("media/out", detail=False) == ["media/out/one.mp4"]
    cache = Path(batch.environment["HEYGEM_CACHE_DIR"])
    assert sorted(path.name for path in cache.glob("files/*/*")) == ["a.wav", "face.mp4"]
    assert list((cache / "outputs").iterdir()) == []
    assert len(batch.events("done")) == 1


def test_shard_on_ray(batch, bucket):
    pytest.importorskip("ray")
    row = "s3://media/in/a.wav,s3://media/face.mp4,s3://media/out"
    batch.rows(f"audio,face,output,id\n{row}/1.mp4,one\n{row}/2.mp4,first\n")  # ids of different shards
    report = batch.json("--ray", "local", "--shard", "1/2")
    assert [(job["id"], job["status"]) for job in report["jobs"]] == [("one", "done")]
    bucket.invalidate_cache()
    assert bucket.ls("media/out", detail=False) == ["media/out/1.mp4"]
    statuses = {job["id"]: job["action"] for job in batch.json("--dry-run")["jobs"]}
    assert statuses == {"one": "done", "first": "do"}


def test_object_of_somebody_else_is_kept(batch, bucket):
    bucket.pipe_file("media/out/one.mp4", b"mine")
    batch.rows(ROW)
    done = batch.run()
    assert done.returncode == 2
    assert "s3://media/out/one.mp4: the output exists. Use --overwrite to replace it" in done.stderr
    assert batch.statuses("--overwrite") == {"s3://media/out/one": "done"}
    bucket.pipe_file("media/out/one.mp4", b"edited")
    assert batch.statuses() == {"s3://media/out/one": "failed"}
    assert bucket.cat_file("media/out/one.mp4") == b"edited"


def test_output_that_was_uploaded_before_the_batch_was_killed_is_known(batch, bucket, tmp_path):
    batch.rows(ROW)
    assert batch.run().returncode == 0
    events = (batch.folder / "m.csv.journal.jsonl").read_text().splitlines()
    digest = json.loads(events[-1])["sha256"]
    assert digest_of("s3://media/out/one.mp4") == digest
    # The same content, uploaded by somebody else, has another version, or none that the journal knows.
    bucket.get_file("media/out/one.mp4", str(tmp_path / "copy"))
    bucket.put_file(str(tmp_path / "copy"), "media/out/one.mp4")
    assert plan(batch) == ("done", "")


@pytest.mark.parametrize(
    ("name", "message"),
    [("media/in/none.wav", "there is no such object"), ("no-bucket/a.wav", "there is no such object")],
)
@pytest.mark.usefixtures("bucket")
def test_object_that_does_not_exist(batch, name, message):
    batch.rows(f"audio,face,id\ns3://{name},face.mp4,one\n")
    done = batch.run()
    assert done.returncode == 2
    assert f"row 1 (line 2), column audio: s3://{name}: {message}" in done.stderr


@pytest.mark.usefixtures("bucket")
def test_store_that_cannot_be_reached(batch):
    batch.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    batch.rows(ROW)
    done = batch.run()
    assert done.returncode == 2
    assert "Could not connect to the endpoint URL" in done.stderr
    assert done.stderr.count("\n") <= 4


def test_no_permission_and_other_errors_of_a_store():
    with pytest.raises(InputError, match="no permission"), _errors_of("s3://b/a"):
        raise PermissionError
    with pytest.raises(HeygemError, match="read timed out"), _errors_of("s3://b/a"):
        raise TimeoutError("read\ntimed out")


def test_input_that_a_machine_does_not_have_is_fetched_by_the_job(batch, bucket, tmp_path):
    found = RemoteFiles(tmp_path).fetch("s3://media/in/a.wav")
    found.path.unlink()
    job = RenderJob(found.path, found.path, tmp_path / "o.mp4", remote=Remote((found,)))
    prepare_remote(job)
    assert found.path.read_bytes() == (batch.folder / "a.wav").read_bytes()
    found.path.unlink()
    bucket.pipe_file("media/in/a.wav", b"another")
    with pytest.raises(InputError, match="it has changed"):
        prepare_remote(job)
    assert not any(path.is_file() for path in tmp_path.rglob("files/*/*"))


def test_other_stores_get_an_upload_under_a_temporary_name(tmp_path, monkeypatch):
    from fsspec.implementations.local import LocalFileSystem

    store = LocalFileSystem()
    monkeypatch.setattr("heygem_cli.remote._store", lambda _: store)
    (tmp_path / "a").write_bytes(b"video")
    url = f"sftp://{tmp_path}/out/o.mp4"
    version = upload(tmp_path / "a", url)
    assert version == version_of(url)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["o.mp4"]
    assert digest_of(url) == hashlib.sha256(b"video").hexdigest()


def test_what_nobody_has_used_for_a_long_time_is_deleted(tmp_path):
    paths = [tmp_path / kind / name / "a.mp4" for kind in ("files", "outputs") for name in ("old", "new")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.touch()
        if path.parent.name == "old":
            os.utime(path, (1e9, 1e9))
    RemoteFiles(tmp_path).delete_old()
    assert [path.parent.exists() for path in paths] == [False, True, False, True]


def test_program_starts_without_fsspec():
    code = "import sys, heygem_cli.cli.main, heygem_cli.batch.session; print({'fsspec', 'ray'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout == b"set()\n"
