"""Tests of what a worker of a cluster checks, and of the options; tests/cli/test_ray.py runs a real cluster."""

import pickle
import socket
from unittest.mock import Mock

import pytest

from batch_program import make_inputs
from heygem_cli.batch.parallel import PoolWorker, WorkerSetup
from heygem_cli.batch.worker import Failure, WorkItem
from heygem_cli.cli.batch_inputs import _complete_ray, check_cluster
from heygem_cli.cluster_options import ClusterOptions, parse_ray_address
from heygem_cli.engines import find_engine
from heygem_cli.errors import HeygemError, InputError, NotCapableError, StoppedError
from heygem_cli.http_client import in_daemon_thread
from heygem_cli.job import RenderJob
from heygem_cli.options import BatchOptions, EncodeOptions, EngineOptions
from heygem_cli.runtime import Settings
from heygem_cli.scale import ray_pool, ray_worker


@pytest.mark.parametrize("text", ["auto", "local", "10.0.0.1:6379", "head.example:6379", "[::1]:6379"])
def test_addresses(text):
    assert parse_ray_address(text) == text


@pytest.mark.parametrize("text", ["", "list.csv", "host", "host:", "ray://host:10001", "host:port", "a b:1"])
def test_other_texts_are_no_addresses(text):
    with pytest.raises(InputError) as caught:
        parse_ray_address(text)
    assert caught.value.code == "bad-ray-address"


@pytest.mark.parametrize(
    ("given", "complete"),
    [
        (["--ray", "list.csv"], ["--ray", "auto", "list.csv"]),
        (["list.csv", "--ray"], ["list.csv", "--ray", "auto"]),
        (["--ray", "--json", "list.csv"], ["--ray", "auto", "--json", "list.csv"]),
        (["--ray", "local", "list.csv"], ["--ray", "local", "list.csv"]),
        (["--ray", "h:1", "list.csv"], ["--ray", "h:1", "list.csv"]),
        (["--ray", "ray://h:1"], ["--ray", "ray://h:1"]),
        (["--ray=h:1", "list.csv"], ["--ray=h:1", "list.csv"]),
    ],
)
def test_ray_without_a_value_means_the_cluster_of_this_machine(given, complete):
    assert _complete_ray(given) == complete


@pytest.mark.parametrize(
    ("cluster", "options", "given", "message"),
    [
        (ClusterOptions(ray_workers=2), BatchOptions(), {"ray_workers"}, "--ray-workers is for --ray"),
        (ClusterOptions("auto"), BatchOptions(isolate=True), (), "--ray and --isolate exclude each other"),
        (ClusterOptions("auto"), BatchOptions(merge_reports=True), (), "--ray and --merge-reports exclude each other"),
    ],
)
def test_options_that_do_not_go_together(cluster, options, given, message):
    with pytest.raises(InputError, match=message):
        check_cluster(cluster, options, given)


def test_without_ray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(NotCapableError) as caught, ray_pool.open_pool(ClusterOptions("local"), None):
        pass
    assert str(caught.value) == "ray is not installed. Run: pip install 'heygem-cli[ray]'"
    assert caught.value.exit_code == 4


def load(expected, identities, encodings=()):
    setup = WorkerSetup(EngineOptions(device="cpu"), Settings(onnx_threads=1), identities, encodings)
    return ray_worker.RayWorker()._try_to_load(expected, pickle.dumps(setup))


@pytest.mark.parametrize("name", ["heygem", "Python"])
def test_node_with_another_version_is_not_used(name):
    error = load({**ray_worker.versions(), name: "0.0.1"}, {}).exception()
    assert (type(error), error.code) == (NotCapableError, "other-version")
    assert f"it has {name} " in error.message
    assert "this batch 0.0.1" in error.message


def test_node_with_other_models_is_not_used(monkeypatch):
    monkeypatch.setattr(ray_worker, "hide_native_output", lambda: None)
    identity = find_engine("mesh").identity(EngineOptions())
    assert load(ray_worker.versions(), {"mesh": identity}) is None
    assert load(ray_worker.versions(), {"mesh": "another"}).code == "other-models"


def test_node_without_the_encoder_is_not_used(monkeypatch):
    monkeypatch.setattr(ray_worker, "hide_native_output", lambda: None)
    monkeypatch.setattr("heygem_cli.media.write.encoder_available", lambda encoder, *_: encoder != "h264_nvenc")
    assert load(ray_worker.versions(), {}, [EncodeOptions(), EncodeOptions(encoder="libx264")]) is None
    error = load(ray_worker.versions(), {}, [EncodeOptions(encoder="h264_nvenc")])
    assert error.code == "no-encoder"
    assert error.message.startswith("node ")


def test_version_is_checked_before_the_rest_is_read():
    expected = {**ray_worker.versions(), "heygem": "0.0.1"}
    assert ray_worker.RayWorker()._try_to_load(expected, b"not a pickle").code == "other-version"


def test_folder_that_a_node_does_not_have(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "f.mp4").touch()
    job = RenderJob(tmp_path / "a.wav", tmp_path / "f.mp4", tmp_path / "new" / "out.mp4")
    ray_worker._check_shared(WorkItem(job, make_inputs(1), (), 1.0))
    job = RenderJob(tmp_path / "gone" / "a.wav", tmp_path / "f.mp4", tmp_path / "out.mp4")
    with pytest.raises(HeygemError) as caught:
        ray_worker._check_shared(WorkItem(job, make_inputs(1), (), 1.0))
    assert caught.value.code == "not-shared"


def test_number_of_workers_that_fit_into_a_node():
    node = {"CPU": 8.0, "GPU": 1.0}
    needs = [({"CPU": 3.0}, 2), ({"CPU": 1.0, "GPU": 0.5}, 2), ({"CPU": 9.0}, 0), ({"CPU": 1.0, "TPU": 1.0}, 0)]
    assert [ray_pool._fitting(node, need) for need, _ in needs] == [count for _, count in needs]


@pytest.fixture
def work_item(tmp_path):
    for name in ("a.wav", "f.mp4"):
        (tmp_path / name).touch()
    job = RenderJob(tmp_path / "a.wav", tmp_path / "f.mp4", tmp_path / "out.mp4")
    return WorkItem(job, make_inputs(1), (), 1.0)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), BaseException("panic"), StoppedError(15)])
def test_whatever_a_job_raises_ends_it(monkeypatch, work_item, error):
    """Native libraries raise exceptions that are not an Exception."""
    monkeypatch.setattr(ray_worker, "run_job", Mock(side_effect=error))
    worker = ray_worker.RayWorker()
    worker._pipeline = Mock()
    (outcome,) = in_daemon_thread(lambda: list(worker.run(work_item))).result(timeout=10)
    assert isinstance(outcome, Failure)
    assert type(error).__name__ in outcome.trace


def ray_error(name):
    """Return what Ray 2.60 raises."""
    errors = pytest.importorskip("ray.exceptions")
    lost = errors.ActorDiedError()
    lost._preempted = name == "preempted"
    return {
        "died": lost,
        "preempted": lost,
        "unavailable": errors.ActorUnavailableError("RpcError", None),
        "out of memory": errors.OutOfMemoryError("killed"),
        "raised": errors.RayTaskError("run", "Traceback …", ValueError("x"), "p", 1, "h").as_instanceof_cause(),
    }[name]


@pytest.mark.parametrize(
    ("error", "node_is_alive", "code", "node_lost"),
    [
        ("died", True, "process-died", False),
        ("died", False, "node-lost", True),
        ("preempted", True, "node-lost", True),
        ("unavailable", True, "node-lost", True),
        ("out of memory", True, "process-died", False),
        ("raised", True, "internal-error", False),
    ],
)
def test_who_is_blamed_for_a_lost_worker(error, node_is_alive, code, node_lost):
    lost = ray_error(error)
    nodes = [{"NodeID": "n1", "Alive": node_is_alive}, {"NodeID": "n2", "Alive": True}]
    exceptions = pytest.importorskip("ray.exceptions")
    ray = Mock(exceptions=exceptions, nodes=lambda: nodes, get=Mock(side_effect=lost))
    pool = ray_pool.RayPool(ray, ClusterOptions("auto"), WorkerSetup(EngineOptions(), Settings()))
    worker = PoolWorker("host 1", "n1")
    actor = ray_pool._Actor(Mock(), None, worker, iter([None]))
    pool._actors = [actor]
    ((reporter, outcome),) = pool._receive(actor)
    assert (reporter, outcome.code, outcome.node_lost) == (worker, code, node_lost)
    assert outcome.worker_died is (code != "internal-error")
    assert pool._actors == []


def test_head_that_is_lost_ends_the_batch_before_ray_does(monkeypatch):
    """Ray itself would end the process after a minute, without a word and a report."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ray = Mock(nodes=lambda: [{"Alive": True, "Resources": {"CPU": 2.0}}])
        ray.get_runtime_context().gcs_address = f"127.0.0.1:{server.getsockname()[1]}"
        pool = ray_pool.RayPool(ray, ClusterOptions("auto"), WorkerSetup(EngineOptions(), Settings()))
        assert pool._look_for_room() == 2
    ray.nodes = None  # it would wait
    pool._looked_at = -ray_pool.LOOK_INTERVAL
    assert pool._look_for_room() == 2  # it may come back
    monkeypatch.setattr(ray_pool, "LOST_SECONDS", 0)
    with pytest.raises(HeygemError, match=r"the head of the Ray cluster .* is lost"):
        pool._look_for_room()
