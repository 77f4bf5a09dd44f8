"""A pool of workers on a Ray cluster: actors, which are lost with their nodes and started again elsewhere."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import pickle
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from heygem_cli.batch.parallel import Event, PoolWorker, Publishing, WorkerSetup
from heygem_cli.batch.worker import MAX_STARTS, OUT_OF_MEMORY_HINT, Failure, WorkItem, to_failure
from heygem_cli.cluster_options import ClusterOptions
from heygem_cli.errors import HeygemError, NotCapableError, printable
from heygem_cli.extras import require_extra
from heygem_cli.files import temporary_folder
from heygem_cli.http_client import in_daemon_thread
from heygem_cli.job import Progress
from heygem_cli.processes import SIGNALS
from heygem_cli.scale.ray_worker import LoadError, RayWorker, versions

LOOK_INTERVAL = 2.0
"""Seconds between two looks at the nodes of the cluster."""
CONNECT_SECONDS = 10.0
LOST_SECONDS = 30.0
"""Seconds without an answer after which the head of a cluster is held to be lost; Ray itself gives up after 60."""
CLOSE_SECONDS = 5.0
PAUSE = 60.0
"""Seconds without new workers after several could not be started while others work."""
OBJECT_STORE = 100 << 20
"""Bytes of shared memory of a cluster that is started for one run; only small messages pass through it."""
MAX_PATH = 40
"""Length of a temporary folder from which Ray's sockets in it would have names that are too long."""


@contextlib.contextmanager
def open_pool(options: ClusterOptions, setup: WorkerSetup, *, debug: bool = False) -> Iterator[RayPool]:
    """Connect to the cluster that ``options.ray`` names, and yield a pool; all of it ends with the block.

    Args:
        options: Where the cluster is, how many workers there may be, and what each needs.
        setup: What a worker is loaded with.
        debug: Whether what Ray prints goes to standard error.

    Raises:
        NotCapableError: Ray is not installed, there is no cluster, or it has another version.
    """
    with _connected(options.ray or "auto", debug=debug) as ray:
        pool = RayPool(ray, options, setup)
        try:
            yield pool
        finally:
            _call(pool.close)


@contextlib.contextmanager
def _connected(address: str, *, debug: bool) -> Iterator[Any]:
    """Connect to a cluster, or start one on this machine, while the block runs; yields the module of Ray."""
    require_extra("ray", "ray")
    _check_reachable(os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it reports to nobody
    import ray

    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    with contextlib.ExitStack() as stack:
        # Ray prints messages of the cluster to standard output, from a thread.
        screen = sys.stderr if debug else stack.enter_context(Path(os.devnull).open("w"))
        stack.enter_context(contextlib.redirect_stdout(screen))
        options: dict[str, Any] = {"log_to_driver": debug, "logging_level": logging.CRITICAL}
        if address == "local":
            folder = stack.enter_context(_local_folder())
            options |= {"_temp_dir": folder, "include_dashboard": False, "object_store_memory": OBJECT_STORE}
        stack.callback(_call, ray.shutdown)
        try:
            ray.init(address=address, **options)
        # Ray has no class of its own for what can be wrong here.
        except Exception as error:
            raise _connection_error(address, error) from error
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        yield ray


def _call(function: Callable[[], object]) -> None:
    """Call a function that waits for the head of the cluster, but not for long: it may be lost."""
    wait([in_daemon_thread(function)], CLOSE_SECONDS)


@contextlib.contextmanager
def _local_folder() -> Iterator[str]:
    """Make a folder for the files of a cluster, and delete it."""
    parent = temporary_folder()
    folder = tempfile.mkdtemp(prefix="heygem-ray-", dir=parent if len(os.fspath(parent)) <= MAX_PATH else "/tmp")  # noqa: S108
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_reachable(address: str) -> None:
    """Check that something listens at ``HOST:PORT``: Ray itself waits for minutes.

    Raises:
        NotCapableError: ``no-ray-cluster``.
    """
    if not address.rpartition(":")[2].isdecimal():
        return
    try:
        _connect(address)
    except (OSError, OverflowError) as error:
        raise _connection_error(address, error) from error


def _connect(address: str) -> None:
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()


def _connection_error(address: str, error: Exception) -> NotCapableError:
    text = printable(str(error).strip().partition("\n")[0].rstrip("."))
    if "ersion mismatch" in str(error):
        found = printable(" ".join(str(error).split()).rstrip("."))
        hint = "Install the same Ray and Python on all nodes"
        return NotCapableError("other-version", f"--ray {address}: {found}", hint=hint)
    hint = "Start a cluster with `ray start --head`, or use --ray local"
    return NotCapableError("no-ray-cluster", f"--ray {address}: there is no Ray cluster ({text})", hint=hint)


@dataclass
class _Actor:
    """An actor: loading until it has a worker, running while it has a stream of messages."""

    handle: Any
    loading: Any
    worker: PoolWorker | None = None
    stream: Any = None


class RayPool:
    """Workers on the nodes of a cluster to which this process is connected.

    Args:
        ray: The module.
        options: How many workers, and what each needs.
        setup: What a worker is loaded with.
    """

    def __init__(self, ray: Any, options: ClusterOptions, setup: WorkerSetup) -> None:  # noqa: ANN401
        self._ray = ray
        self._options = options
        self._needs = _resources(options, setup)
        self._actor_class = ray.remote(RayWorker).options(
            num_cpus=self._needs["CPU"],
            num_gpus=self._needs.get("GPU", 0),
            max_concurrency=2,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )
        self._load_args = (versions(), pickle.dumps(setup))
        self._numbers = itertools.count(1)
        self._actors: list[_Actor] = []
        self._looked_at = -LOOK_INTERVAL
        self._head: str = ray.get_runtime_context().gcs_address
        self._head_seen_at = time.monotonic()
        self._room: int | None = None
        self._failed_starts = 0
        self._starts_at = 0.0
        self._warnings: list[str] = []

    def idle(self) -> Sequence[PoolWorker]:
        """Return the workers that are loaded and have no job."""
        return [actor.worker for actor in self._actors if actor.worker is not None and actor.stream is None]

    def run(self, worker: PoolWorker, item: WorkItem) -> None:
        """Let an idle worker run a job."""
        actor = self._actor(worker)
        actor.stream = actor.handle.run.options(num_returns="streaming").remote(item)

    def permit(self, worker: PoolWorker) -> None:
        """Let a worker publish what it has announced."""
        self._actor(worker).handle.permit.remote()

    def warnings(self) -> Sequence[str]:
        """Return what the user should know about workers that could not be started, each once."""
        texts, self._warnings = self._warnings, []
        return texts

    def kill(self, worker: PoolWorker) -> None:
        """End a worker at once."""
        self._end(self._actor(worker))

    def close(self) -> None:
        """End all workers."""
        for actor in list(self._actors):
            self._end(actor)

    def wait(self, seconds: float, jobs_left: int) -> Sequence[Event]:
        """Return what has happened, after ``seconds`` if nothing does, and start or end workers as jobs are left.

        Raises:
            HeygemError: There is no worker, and none can be started.
        """
        self._resize(jobs_left)
        waiting = {
            actor.loading if actor.worker is None else actor.stream: actor
            for actor in self._actors
            if actor.worker is None or actor.stream is not None
        }
        if not waiting:
            time.sleep(seconds)
            return []
        ready, _ = self._ray.wait(list(waiting), timeout=seconds, fetch_local=False)
        if ready and len(waiting) > 1:
            ready, _ = self._ray.wait(list(waiting), num_returns=len(waiting), timeout=0, fetch_local=False)
        return [event for each in ready for event in self._receive(waiting[each])]

    def _receive(self, actor: _Actor) -> Iterator[Event]:
        if actor.worker is None:
            self._finish_loading(actor)
            return
        try:
            message = self._ray.get(next(actor.stream))
        except self._ray.exceptions.RayError as error:
            self._end(actor)
            message = self._failure(error, actor.worker)
        if not isinstance(message, Progress | Publishing):
            actor.stream = None
        yield actor.worker, message

    def _finish_loading(self, actor: _Actor) -> None:
        try:
            node, host, error = self._ray.get(actor.loading)
        except self._ray.exceptions.RayError as lost:
            error = _load_error(lost)
        if error is None:
            self._failed_starts = 0
            actor.worker = PoolWorker(f"{host} {next(self._numbers)}", node)
            return
        self._end(actor)
        self._failed_starts += 1
        if self._failed_starts < MAX_STARTS:
            return
        if all(each.worker is None for each in self._actors):
            raise error.exception()
        self._warnings.append(f"{error.message}. {error.hint}")
        self._failed_starts, self._starts_at = 0, time.monotonic() + PAUSE

    def _resize(self, jobs_left: int) -> None:
        """Start workers for which there is room and work, and end those that have none."""
        running = sum(actor.stream is not None for actor in self._actors)
        wanted = running + jobs_left
        if self._options.ray_workers is not None:
            wanted = min(wanted, self._options.ray_workers)
        for actor in [each for each in self._actors if each.stream is None][: max(0, len(self._actors) - wanted)]:
            self._end(actor)
        if time.monotonic() < self._starts_at:
            return
        room = self._look_for_room()
        if self._options.ray_workers is None:
            # One more than there is room for: what waits makes an autoscaler add nodes.
            wanted = min(wanted, room + 1)
        for _ in range(wanted - len(self._actors)):
            handle = self._actor_class.remote()
            self._actors.append(_Actor(handle, handle.load.remote(*self._load_args)))

    def _look_for_room(self) -> int:
        """Return how many workers fit into the cluster."""
        if time.monotonic() - self._looked_at >= LOOK_INTERVAL and self._head_answers():
            self._looked_at = time.monotonic()
            nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            room = sum(_fitting(node, self._needs) for node in nodes)
            if room == 0 != self._room:
                needs = " and ".join(f"{name} {amount:g}" for name, amount in self._needs.items())
                self._warnings.append(f"No node of the cluster has {needs} for a worker: waiting until one joins")
            self._room = room
        return self._room or 0

    def _head_answers(self) -> bool:
        """Return whether the head of the cluster answers: Ray would wait for it, and then end this process silently.

        Raises:
            HeygemError: ``no-ray-cluster``: it has not answered for a long time.
        """
        try:
            _connect(self._head)
        except OSError as error:
            if time.monotonic() - self._head_seen_at < LOST_SECONDS:
                return False
            message = f"the head of the Ray cluster ({self._head}) is lost"
            hint = "Run the same command again, on this cluster or another one: it continues"
            raise HeygemError("no-ray-cluster", message, hint=hint) from error
        self._head_seen_at = time.monotonic()
        return True

    def _failure(self, error: Exception, worker: PoolWorker) -> Failure:
        """Return the failure of a job from what Ray raised instead of the next message of its worker."""
        exceptions = self._ray.exceptions
        if isinstance(error, exceptions.RayTaskError):  # the worker itself raised it, or could not send a message
            return replace(to_failure(error.cause), trace=str(error))
        died = isinstance(error, exceptions.ActorDiedError) and not error.preempted
        if isinstance(error, exceptions.OutOfMemoryError) or (died and self._is_alive(worker.node)):
            message = f"the worker process {worker.name} died during this job"
            return Failure("process-died", message, OUT_OF_MEMORY_HINT, worker_died=True, trace=str(error))
        # While a node dies, Ray cannot tell yet whether it does: the worker is unavailable.
        message = f"the node of worker {worker.name} was lost during this job"
        return Failure("node-lost", message, "See `ray status`", worker_died=True, node_lost=True, trace=str(error))

    def _is_alive(self, node: str) -> bool:
        return any(each["NodeID"] == node and each["Alive"] for each in self._ray.nodes())

    def _actor(self, worker: PoolWorker) -> _Actor:
        return next(actor for actor in self._actors if actor.worker == worker)

    def _end(self, actor: _Actor) -> None:
        self._actors.remove(actor)
        with contextlib.suppress(self._ray.exceptions.RayError):  # it is gone
            self._ray.kill(actor.handle)


def _resources(options: ClusterOptions, setup: WorkerSetup) -> dict[str, float]:
    gpus = options.ray_gpus if options.ray_gpus is not None else float(setup.options.device == "cuda")
    return {"CPU": options.ray_cpus} | ({"GPU": gpus} if gpus else {})


def _fitting(node: Mapping[str, float], needs: Mapping[str, float]) -> int:
    """Return how many workers fit into a node."""
    return int(min(node.get(name, 0.0) / amount for name, amount in needs.items() if amount))


def _load_error(error: Exception) -> LoadError:
    text = str(error)
    if "No module named 'heygem_cli" in text:
        hint = "Install the same heygem-cli, with the same Python, on all nodes"
        return LoadError(NotCapableError, "other-version", "a node of the cluster lacks this version of heygem", hint)
    reason = printable(text.strip().rpartition("\n")[2])
    hint = "Look into Ray's logs on that node; less --ray-cpus starts fewer workers on one"
    return LoadError(HeygemError, "worker-died", f"a worker could not be started ({reason})", hint)
