"""Tests of ``heygem batch --ray`` on a real cluster of two nodes on this machine."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from batch_program import is_complete

pytest.importorskip("ray")

SIX = "audio,face,id\n" + "".join(
    f"{audio}.wav,{face}.mp4,{face}-{audio}\n" for face in ("face", "other") for audio in "abc"
)
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster whose head runs no jobs."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # the names of sockets in it must be short
    cache = str(tmp_path_factory.mktemp("cache"))  # of the nodes
    variables = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": folder, "HEYGEM_CACHE_DIR": cache}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        Path(folder, "ray").mkdir()  # Ray writes the address there before it makes the folder
        cluster = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
        for _ in range(2):
            cluster.add_node(**NODE)
        yield cluster
        cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def on_ray(batch, cluster):
    return batch, ("--ray", cluster.address)


def encoder(batch, process, job):
    """Wait for the ffmpeg that writes the output of a job; return its process id and that of the worker."""
    pid = batch.signal_encoder(process, job, 0)
    return pid, int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def node_of(cluster, worker):
    """Return the process id of the raylet of a worker, which is its parent, and its node."""
    raylet = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    (node,) = [node for node in cluster.worker_nodes if raylet in [p.pid for _, p in node.live_processes()]]
    return raylet, node


def kinds(batch, job):
    return [event["event"] for event in batch.events() if event.get("id") == job]


def test_jobs_run_on_all_nodes_and_each_face_on_one(on_ray):
    batch, ray = on_ray
    batch.rows(SIX)
    report = batch.json(*ray)
    assert report["counts"] == {"done": 6, "failed": 0, "interrupted": 0, "waiting": 0, "already_done": 0}
    assert [job["output"] for job in report["jobs"]] == [f"{job['id']}.mp4" for job in report["jobs"]]
    assert is_complete(batch.folder / "face-b.mp4", 0.6)
    assert batch.new_files() == sorted(f"{job['id']}.mp4" for job in report["jobs"])
    workers = {
        face: {e["worker"] for e in batch.events("started") if e["id"].startswith(face)} for face in ("face", "other")
    }
    assert len(workers["face"] | workers["other"]) == 2
    # The next run, here or there, has nothing to do.
    assert batch.json("--dry-run")["seconds"] == 0
    done = batch.run(*ray, "--report", "r.json")
    assert (done.returncode, done.stdout.splitlines()[-1][:21]) == (0, "6 jobs: 6 already don")


def test_job_whose_worker_is_killed_is_tried_again(on_ray):
    batch, ray = on_ray
    batch.rows("audio,face,id\nlong.wav,face.mp4,one\na.wav,other.mp4,two")
    process = batch.start(*ray)
    _, worker = encoder(batch, process, "one")
    os.kill(worker, signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, kinds(batch, "one")) == (0, ["started", "died", "started", "publishing", "done"]), err
    assert "2 jobs: 2 done" in out
    assert "died during this job" in err
    assert is_complete(batch.folder / "one.mp4", 10)
    assert batch.new_files() == ["one.mp4", "two.mp4"]


def test_node_that_is_lost_costs_no_job_and_a_new_one_is_used(on_ray, cluster):
    batch, ray = on_ray
    batch.rows("audio,face,id\nlong.wav,face.mp4,one\nlong.wav,other.mp4,two\nlong.wav,face.mp4,three\n")
    process = batch.start(*ray)
    _, worker = encoder(batch, process, "one")
    _, node = node_of(cluster, worker)
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(**NODE)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "3 jobs: 3 done" in out
    assert kinds(batch, "one") == ["started", "interrupted", "started", "publishing", "done"]
    assert kinds(batch, "two") == ["started", "publishing", "done"]
    assert len({event["worker"] for event in batch.events("started")}) == 3
    assert batch.new_files() == ["one.mp4", "three.mp4", "two.mp4"]


def test_machine_that_is_lost_is_not_a_crash_of_the_job(on_ray, cluster):
    """All of its processes are gone before anybody notices that the node is."""
    batch, ray = on_ray
    batch.rows("audio,face,id\nlong.wav,face.mp4,one")
    process = batch.start(*ray)
    _, worker = encoder(batch, process, "one")
    raylet, node = node_of(cluster, worker)
    for pid in (raylet, worker):
        os.kill(pid, signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(**NODE)
    assert process.returncode == 0, err
    assert kinds(batch, "one") == ["started", "interrupted", "started", "publishing", "done"]


HANGS_SOON = """
import sys
from heygem_cli.batch import parallel
from heygem_cli.__main__ import main
parallel.KILL_AFTER = 1
main()
"""


def test_worker_that_hangs_is_killed(on_ray):
    batch, ray = on_ray
    batch.rows("audio,face,id\nminute.wav,face.mp4,one\na.wav,face.mp4,two")
    options = ("--ray-workers", "1", "--timeout", "15")
    process = batch.start(*ray, *options, python=("-c", HANGS_SOON))
    _, worker = encoder(batch, process, "one")
    os.kill(worker, signal.SIGSTOP)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 3, err
    assert [kinds(batch, job)[-1] for job in ("one", "two")] == ["failed", "done"]
    assert batch.events("failed")[0]["error"]["code"] == "timeout"
    assert len({event["worker"] for event in batch.events("started")}) == 2
    wait_until_gone(worker)
    assert batch.statuses(*ray) == {"one": "failed", "two": "done"}
    assert batch.new_files() == ["two.mp4"]


def wait_until_gone(pid):
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_files_that_arrive_in_a_folder(on_ray):
    batch, ray = on_ray
    inbox = batch.folder / "inbox"
    inbox.mkdir()
    options = ("--watch-folder", "inbox", "--video", "face.mp4", "--output-dir", "out")
    process = batch.start(*options, *ray, manifest="--no-cache")
    for name in ("a", "b"):  # two groups: each starts its workers anew
        shutil.copy(batch.folder / f"{name}.wav", inbox)
        while not (batch.folder / "out" / f"face_{name}.mp4").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out.count("1 done") == 2
    assert is_complete(batch.folder / "out" / "face_b.mp4", 0.6)


def test_encoder_that_no_node_has(on_ray):
    """What this machine has does not matter."""
    batch, ray = on_ray
    batch.rows("audio,face,id\na.wav,face.mp4,one")
    done = batch.run(*ray, "--encoder", "h264_nvenc")
    assert done.returncode == 4, done.stderr
    assert "node " in done.stderr
    assert "the encoder h264_nvenc does not work on this machine" in done.stderr
    assert kinds(batch, "one") == []


def test_resources_that_no_node_has_are_waited_for(on_ray, cluster):
    batch, ray = on_ray
    batch.rows("audio,face,id\nb.wav,face.mp4,one")
    process = batch.start(*ray, "--ray-cpus", "0.5", "--ray-gpus", "0.5", stderr=subprocess.STDOUT)
    for line in process.stdout:
        if "No node of the cluster has CPU 0.5 and GPU 0.5" in line:
            break
    node = cluster.add_node(**NODE, num_gpus=1)
    out, _ = process.communicate(timeout=120)
    cluster.remove_node(node)
    assert process.returncode == 0, out
    assert is_complete(batch.folder / "one.mp4", 0.6)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signal_interrupts_all_jobs(on_ray, signum):
    batch, ray = on_ray
    batch.rows("audio,face,id\nminute.wav,face.mp4,one\nminute.wav,other.mp4,two\nlong.wav,other.mp4,three")
    process = batch.start(*ray, "--report", "r.json")
    encoder(batch, process, "one")
    encoder(batch, process, "two")
    process.send_signal(signum)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signum, err
    assert {job: kinds(batch, job) for job in ("one", "two", "three")} == {
        "one": ["started", "interrupted"],
        "two": ["started", "interrupted"],
        "three": [],
    }
    wait_for_files(batch, ["r.json"])


def wait_for_files(batch, names):
    """Wait until the folder has these new files: the workers of a batch that ended leave within some seconds."""
    deadline = time.monotonic() + 30
    while batch.new_files() != names:
        assert time.monotonic() < deadline, batch.new_files()
        time.sleep(0.1)


def test_batch_that_is_killed_goes_on_and_no_job_is_blamed(on_ray):
    batch, ray = on_ray
    batch.rows("audio,face,id\nlong.wav,face.mp4,one\na.wav,other.mp4,two")
    for started in (1, 2):
        process = batch.start(*ray)
        while kinds(batch, "one").count("started") < started:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        encoder(batch, process, "one")
        process.kill()
        process.communicate()
    statuses = batch.statuses(*ray)
    assert statuses == {"one": "done", "two": "done"}
    assert kinds(batch, "one") == ["started"] * 3 + ["publishing", "done"]
    assert kinds(batch, "two").count("done") == 1
    assert is_complete(batch.folder / "one.mp4", 10)
    wait_for_files(batch, ["one.mp4", "two.mp4"])


def test_second_batch_of_a_manifest_does_not_start(on_ray):
    batch, ray = on_ray
    batch.rows("audio,face,id\nlong.wav,face.mp4,one")
    process = batch.start(*ray)
    encoder(batch, process, "one")
    for options in (ray, ()):  # there or here
        second = batch.run(*options)
        assert (second.returncode, second.stdout) == (5, "")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert kinds(batch, "one") == ["started", "publishing", "done"]


def test_failures_are_those_of_a_plain_batch(on_ray):
    batch, ray = on_ray
    batch.rows("audio,face,id\na.wav,nobody.mp4,bad\nminute.wav,face.mp4,slow")
    report = batch.json(*ray, "--timeout", "1", "--retries", "2", "--only", "slow")
    (job,) = report["jobs"]
    assert (job["status"], job["attempts"], job["error"]["code"]) == ("failed", 1, "timeout")
    done = batch.run(*ray, "--retries", "2")
    assert (done.returncode, kinds(batch, "bad")) == (1, ["started", "failed"])
    assert "no-face" in done.stdout


def test_without_a_cluster_the_exit_status_is_4(batch):
    batch.rows("audio,face,id\na.wav,face.mp4,one")
    done = batch.run("--ray", "127.0.0.1:9")
    assert done.returncode == 4
    assert "there is no Ray cluster" in done.stderr
    assert done.stderr.count("error:") == 1
    assert batch.new_files() == []
