"""``heygem serve`` as a process, over real HTTP: jobs, refusals, and workers that die or hang."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from heygem_cli.media.probe_video import probe_video
from serve_program import Server, wait_for


def test_job_is_rendered(server, short, tmp_path):
    answer = server.submit(*short, crf="30", person="main")
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["audio_name"], job["face_name"]) == ("a b.wav", "面 'a'.mp4")
    assert job["options"] == {"crf": "30", "person": "main"}
    with server.client.stream("GET", f"/api/v1/jobs/{job['id']}/events") as events:
        states = [json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: ")]
    assert states[-1]["phase"] == "done"
    assert states[-1]["percent"] == 100
    assert states[-1]["result"]["frames"] == 10
    assert str(server.folder) not in json.dumps(states)
    result = server.client.get(f"/api/v1/jobs/{job['id']}/result")
    assert result.headers["content-type"] == "video/mp4"
    (tmp_path / "out.mp4").write_bytes(result.content)
    assert probe_video(tmp_path / "out.mp4").frames == 10


def test_files_are_used_again_with_other_options(server, short):
    first = server.submit(*short).json()["id"]
    answer = server.client.post(f"/api/v1/jobs/{first}/again", data={"quality": "best"})
    assert answer.status_code == 202, answer.text
    again = server.wait_for_phase(answer.json()["id"], "done")
    assert again["options"] == {"quality": "best"}
    assert server.client.delete(f"/api/v1/jobs/{first}").status_code == 204
    assert server.client.get(f"/api/v1/jobs/{first}").status_code == 404
    assert not (server.folder / "jobs" / first).exists()


@pytest.mark.parametrize(
    ("audio", "face", "options", "code"),
    [
        ("audio", "text", {}, "unreadable-media"),
        ("text", "face", {}, "unreadable-media"),
        ("face", "audio", {}, "swapped-inputs"),
        ("audio", "face", {"crf": "99"}, "bad-option"),
        ("audio", "face", {"timeline": "x.csv"}, "unknown-option"),
        ("audio", "face", {"drive_audio": "/etc/passwd"}, "unknown-option"),
        ("audio", "face", {"person": "/etc/passwd.jpg"}, "bad-face-choice"),
        ("audio", "face", {"start": "9"}, "empty-part"),
    ],
)
def test_what_cannot_be_rendered_is_refused(server, short, tmp_path, audio, face, options, code):
    (tmp_path / "text.mp4").write_text("no media, but text\n" * 100)
    files = {"audio": short[0], "face": short[1], "text": tmp_path / "text.mp4"}
    before = set((server.folder / "jobs").iterdir())
    answer = server.submit(files[audio], files[face], **options)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert str(server.folder) not in answer.text
    assert set((server.folder / "jobs").iterdir()) == before


def test_missing_file_is_an_error(server, short):
    answer = server.client.post("/api/v1/jobs", files={"audio": short[0].read_bytes()})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "missing-argument")


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/gradio_api/upload"])
@pytest.mark.parametrize("chunked", [False, True])
def test_upload_over_the_limit_is_refused(server, chunked, path):
    def body():
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\n'
        for _ in range(30):
            yield bytes(100_000)

    content = body() if chunked else b"".join(body())
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = server.client.post(path, content=content, headers=headers)
    assert answer.status_code == 413
    assert "--max-upload" in answer.text
    wait_for(lambda: not [path for path in (server.folder / "uploads").iterdir() if path.is_file()])


@pytest.mark.parametrize("path", [b"/api/v1/jobs", b"/gradio_api/upload"])
def test_half_an_upload_leaves_nothing(server, path):
    head = (
        b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b'Content-Length: 1900000\r\n\r\n--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    ) % path
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head + bytes(900_000))
    wait_for(lambda: not [path for path in (server.folder / "uploads").iterdir() if path.is_file()])
    assert server.client.get("/healthz").status_code == 200
    assert "Traceback" not in server.log()


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/jobs/..%2f..%2fserve.lock/result",
        "/api/v1/jobs/../../serve.lock",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../etc/passwd",
        "/gradio_api/file={folder}/serve.lock",
        "/gradio_api/file={folder}/log/serve.log",
        "/gradio_api/file={folder}/jobs/../serve.lock",
        "/file={folder}/uploads/link",
    ],
)
def test_nothing_outside_the_folder_can_be_read(server, path):
    link = server.folder / "uploads" / "link"
    if not link.is_symlink():
        link.symlink_to("/etc/passwd")
    answer = server.client.get(path.format(folder=server.folder))
    assert answer.status_code in (403, 404), answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize("path", ["api/predict", "call/predict", "info", "openapi.json"])
def test_api_of_the_page_is_closed(server, path):
    assert server.client.get(f"/gradio_api/{path}").status_code == 404
    assert server.client.post(f"/gradio_api/{path}", json={"data": []}).status_code == 404


def test_page_is_shown(server):
    answer = server.client.get("/")
    assert answer.status_code == 200
    assert "<html" in answer.text
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"


def test_description_of_the_api_needs_no_internet(server):
    page = server.client.get("/api/v1/").text
    assert "/api/v1/jobs/{id}/events" in page
    assert "http://" not in page
    assert "https://" not in page
    paths = server.client.get("/api/v1/openapi.json").json()["paths"]
    assert {"/jobs", "/jobs/{id}", "/jobs/{id}/events", "/jobs/{id}/result", "/jobs/{id}/cancel"} <= set(paths)


def test_api_is_found_without_the_final_slash(server):
    answer = server.client.get("/api/v1")
    assert (answer.status_code, answer.headers["location"]) == (307, "v1/")  # also right below a proxy's path
    assert server.client.get("/api/v1", follow_redirects=True).text == server.client.get("/api/v1/").text


def test_metrics_are_for_prometheus(server, short):
    server.wait_for_phase(server.submit(*short).json()["id"], "done")
    families = {each.name: each for each in text_string_to_metric_families(server.client.get("/metrics").text)}
    done = {sample.labels["result"]: sample.value for sample in families["heygem_jobs"].samples}
    assert done["done"] >= 1
    assert {"heygem_queue_length", "heygem_worker_restarts", "heygem_frames_per_second", "heygem_job_seconds"} <= set(
        families
    )


def test_full_queue_refuses_a_job_and_canceling_frees_it(server, long):
    first = server.submit(*long).json()["id"]
    server.wait_for_phase(first, "running")
    os.kill(server.worker(), signal.SIGSTOP)  # hung
    again = [server.client.post(f"/api/v1/jobs/{first}/again") for _ in range(3)]
    assert [answer.status_code for answer in again] == [202, 202, 429]
    assert again[-1].json()["error"]["code"] == "queue-full"
    waiting = [answer.json()["id"] for answer in again[:2]]
    assert [server.job(id)["position"] for id in waiting] == [1, 2]
    server.cancel(waiting[0])
    assert [(server.job(id)["phase"], server.job(id)["position"]) for id in waiting] == [
        ("canceled", 0),
        ("queued", 1),
    ]
    assert server.client.delete(f"/api/v1/jobs/{first}").status_code == 409
    began = time.monotonic()
    server.cancel(first)
    assert server.wait_for_phase(waiting[1], "running", seconds=20)
    # The queue is free after 5 s; loading the models again comes on top.
    assert time.monotonic() - began < 5, "slow to cancel a job that hangs"
    server.cancel(waiting[1])  # while the new worker loads
    server.wait_for_phase(waiting[1], "canceled", seconds=5)
    assert server.client.get(f"/api/v1/jobs/{first}/result").status_code == 409


@pytest.mark.parametrize("stage", ["track", "render"])
def test_job_is_canceled_in_any_stage(server, long, short, stage):
    id = server.submit(*long, no_cache="yes").json()["id"]
    server.wait_for_stage(id, stage)
    began = time.monotonic()
    server.cancel(id)
    wait_for(lambda: server.job(id)["finished"], 5)
    assert time.monotonic() - began < 5
    assert server.job(id)["phase"] == "canceled"
    files = sorted(path.name for path in (server.folder / "jobs" / id).iterdir())
    assert [name for name in files if name.startswith((".", "output"))] == []
    server.wait_for_phase(server.submit(*short).json()["id"], "done")


def test_job_whose_worker_is_killed_is_tried_again(server, long):
    id = server.submit(*long).json()["id"]
    server.wait_for_stage(id, "render")
    restarts = server.metrics()["heygem_worker_restarts_total"]
    os.kill(server.worker(), signal.SIGKILL)
    job = server.wait_for_phase(id, "done", "failed", seconds=90)
    assert job["phase"] == "done", job["error"]
    assert server.metrics()["heygem_worker_restarts_total"] == restarts + 1
    assert "was killed by SIGKILL" in server.log()


def test_worker_that_dies_while_it_has_nothing_to_do_is_replaced(server):
    wait_for(lambda: all(job["finished"] for job in server.client.get("/api/v1/jobs").json()["jobs"]))
    server.wait_until_ready()
    restarts = server.metrics()["heygem_worker_restarts_total"]
    killed = server.worker()
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: server.client.get("/readyz").json()["reason"] == "the engine is being loaded", 5)
    server.wait_until_ready()
    assert server.worker() != killed
    assert server.metrics()["heygem_worker_restarts_total"] == restarts + 1


def test_engine_that_is_killed_while_it_is_loaded_ends_the_server(tmp_path):
    server = Server(tmp_path / "folder")
    while server.process.poll() is None:
        for pid in server.workers():
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    output = server.process.communicate()[0]
    assert server.process.returncode == 4, output
    assert "was killed by SIGKILL while it loaded, three times in a row" in output.splitlines()[-1]


def test_job_that_kills_its_worker_twice_fails_and_the_next_one_is_done(server, long, short):
    id = server.submit(*long).json()["id"]
    following = server.submit(*short).json()["id"]
    for _ in range(2):
        server.wait_for_stage(id, "render")
        os.kill(server.worker(), signal.SIGKILL)
        wait_for(lambda: server.job(id)["progress"] is None)
    assert server.wait_for_phase(id, "failed")["error"]["code"] == "process-died"
    assert server.wait_for_phase(following, "done", "failed")["phase"] == "done"


def test_heygem_http_engine_renders_through_the_easy_api(server, data, short, tmp_path):
    command = [sys.executable, "-m", "heygem_cli", "render", *map(str, short), "-o", str(tmp_path / "out.mp4")]
    engine = ["--engine", "heygem-http", "--url", server.url, "--map", f"{data}:/code/data", "--json"]
    done = subprocess.run([*command, *engine], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 10
    assert probe_video(tmp_path / "out.mp4").frames == 10
    assert [path for path in data.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("task", "code"),
    [
        ({"audio_url": "/code/data/../../etc/passwd", "video_url": "f.mp4", "code": "a"}, 10002),
        ({"audio_url": "/etc/passwd", "video_url": "/etc/passwd", "code": "a"}, 10002),
        ({"audio_url": "link.wav", "video_url": "link.wav", "code": "a"}, 10002),
        ({"audio_url": "x.wav", "video_url": "x.wav", "code": "../../a"}, 10002),
        ({"audio_url": "x.wav"}, 10002),
        ([], 10002),
        ('{"audio_url": "x", "video_url": "x", "code": "a", "pn": 1e999}', 10002),
        ('{"audio_url": "\\u0000", "video_url": "\\ud800", "code": "a"}', 10002),
        ("}", 10002),
    ],
)
def test_easy_api_refuses_what_is_not_in_the_shared_folder(server, data, task, code):
    link = data / "link.wav"
    link.symlink_to("/etc/passwd")
    try:
        answer = server.client.post("/easy/submit", content=task if isinstance(task, str) else json.dumps(task))
    finally:
        link.unlink()
    assert (answer.status_code, answer.json()["code"]) == (200, code)


def test_one_of_two_simultaneous_tasks_with_a_code_is_accepted(server, data, short):
    audio, face = (shutil.copy(path, data / path.name) for path in short)
    task = {"audio_url": audio.name, "video_url": f"/code/data/{face.name}", "code": "twice"}
    with ThreadPoolExecutor(2) as threads:
        codes = sorted(answer.json()["code"] for answer in threads.map(lambda _: server.easy_submit(task), range(2)))
    assert codes == [10000, 10002]
    state = wait_for(lambda: state if (state := server.easy_query("twice"))["status"] != 1 else None)
    assert state["status"] == 2, state
    assert probe_video(data / "temp" / state["result"].lstrip("/")).frames == 10
    assert server.easy_submit(task).json()["code"] == 10000  # the first one has ended
    wait_for(lambda: server.easy_query("twice")["status"] == 2)
    for path in (audio, face, data / "temp" / "twice-r.mp4"):
        path.unlink()


def test_unknown_task_of_the_easy_api(server):
    assert server.client.get("/easy/query", params={"code": "x"}).json()["code"] == 10004


def test_jobs_survive_the_death_of_the_server_and_a_stop(tmp_path, long, short):
    first = Server(
        tmp_path / "folder", "--api", "--root-path", "/heygem/", "--allow-host", "video.example"
    ).wait_until_ready()
    ids = [first.submit(*long, duration="20", quality="best").json()["id"], first.submit(*short).json()["id"]]
    first.wait_for_stage(ids[0], "render")
    (first.folder / "uploads" / "half").write_bytes(b"half an upload")
    first.stop(signal.SIGKILL)

    second = Server(tmp_path / "folder", "--api").wait_until_ready()
    assert not (first.folder / "uploads" / "half").exists()
    assert second.job(ids[0])["phase"] == "running"
    began = time.monotonic()
    assert second.stop() == 143
    assert time.monotonic() - began < 8
    assert "Traceback" not in second.output
    records = [json.loads((first.folder / "jobs" / id / "job.json").read_text()) for id in ids]
    assert [(record["phase"], record["crashes"]) for record in records] == [("queued", 1), ("queued", 0)]

    third = Server(tmp_path / "folder", "--api").wait_until_ready()
    jobs = [third.wait_for_phase(id, "done", "failed", seconds=120) for id in ids]
    assert [job["phase"] for job in jobs] == ["done", "done"]
    assert jobs[0]["finished"] < jobs[1]["started"]
    assert third.stop(signal.SIGINT) == 130


def test_job_that_hangs_is_ended_by_the_time_limit(tmp_path, long, short):
    server = Server(tmp_path / "folder", "--api", "--timeout", "15", "--keep-days", "3").wait_until_ready()
    id = server.submit(*long, no_cache="yes").json()["id"]
    server.wait_for_phase(id, "running")
    os.kill(server.worker(), signal.SIGSTOP)
    assert server.wait_for_phase(id, "failed")["error"]["code"] == "timeout"
    following = server.wait_for_phase(server.submit(*short).json()["id"], "done", "failed")
    assert following["phase"] == "done", following["error"]
    server.stop()
