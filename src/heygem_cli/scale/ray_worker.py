"""The worker that runs on the nodes of a Ray cluster, as an actor: it loads the engines once and runs job after job."""

from __future__ import annotations

import os
import pickle
import platform
import queue
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from heygem_cli import __version__
from heygem_cli.batch.parallel import Publishing, WorkerSetup
from heygem_cli.batch.worker import Failure, Result, WorkItem, run_job, to_failure
from heygem_cli.engines import find_engine
from heygem_cli.errors import HeygemError, NotCapableError, from_exception
from heygem_cli.job import Progress
from heygem_cli.media.write import check_encoder
from heygem_cli.pipeline import Pipeline
from heygem_cli.runtime import apply_settings, hide_native_output

PROGRESS_INTERVAL = 1.0
"""Seconds between two progress messages of a job."""

Message = Progress | Publishing | Result | Failure


@dataclass(frozen=True)
class LoadError:
    """Why a worker could not be loaded; unlike an exception of ours it can be pickled."""

    kind: type[HeygemError]
    code: str
    message: str
    hint: str

    def exception(self) -> HeygemError:
        """Return the error."""
        return self.kind(self.code, self.message, hint=self.hint)


def versions() -> dict[str, str]:
    """Return what has to be the same on all nodes."""
    major, minor, *_ = platform.python_version_tuple()
    return {"heygem": __version__, "Python": f"{major}.{minor}"}


class RayWorker:
    """Runs jobs in a process of a node; Ray calls its methods in two threads: one may be called during a job."""

    def __init__(self) -> None:
        self._pipeline: Pipeline | None = None
        self._permitted = threading.Event()

    def load(self, expected: dict[str, str], setup: bytes) -> tuple[str, str, LoadError | None]:
        """Load the engines.

        Args:
            expected: What :func:`versions` says where the batch runs.
            setup: A pickled :class:`WorkerSetup`: another version could not read it.

        Returns:
            The id of the node, the name of its machine, and why the worker could not be loaded, if it could not.
        """
        import ray

        return ray.get_runtime_context().get_node_id(), socket.gethostname(), self._try_to_load(expected, setup)

    def _try_to_load(self, expected: dict[str, str], setup: bytes) -> LoadError | None:
        try:
            _check_versions(expected)
            self._load(pickle.loads(setup))  # noqa: S301 - of our own batch
        except Exception as caught:
            error = caught if isinstance(caught, HeygemError) else from_exception(caught)
            if error is None:
                raise
            return LoadError(type(error), error.code, f"node {socket.gethostname()}: {error.message}", error.hint)
        return None

    def _load(self, setup: WorkerSetup) -> None:
        apply_settings(setup.settings, os.environ)
        if setup.folder.is_dir():  # else all files of the jobs may be elsewhere
            os.chdir(setup.folder)
        self._pipeline = Pipeline(setup.options, setup.settings)
        for name, identity in setup.identities.items():
            self._pipeline.engine(name)
            if find_engine(name).identity(setup.options) != identity:
                hint = "Install the same heygem, with the same models, on all nodes"
                raise NotCapableError("other-models", f"the engine {name} has other models here", hint=hint)
        for encoding in setup.encodings:
            check_encoder(encoding)
        hide_native_output()

    def run(self, item: WorkItem) -> Iterator[Message]:
        """Run a job, and yield its progress, what it is about to publish, and its outcome."""
        messages: queue.Queue[Message] = queue.Queue()
        self._permitted.clear()
        threading.Thread(target=self._run, args=(item, messages), daemon=True).start()
        reported = 0.0
        while True:
            message = messages.get()
            if isinstance(message, Progress):
                if time.monotonic() - reported < PROGRESS_INTERVAL:
                    continue
                reported = time.monotonic()
            yield message
            if not isinstance(message, Progress | Publishing):
                return

    def _run(self, item: WorkItem, messages: queue.Queue[Message]) -> None:
        def announce(digest: str) -> None:
            messages.put(Publishing(digest))
            self._permitted.wait()  # for ever: without its batch this process is ended by Ray

        assert self._pipeline is not None  # noqa: S101 - it is loaded first
        try:
            _check_shared(item)
            job = replace(item.job, own=replace(item.job.own, announce=announce))
            messages.put(run_job(self._pipeline, replace(item, job=job), messages.put))
        except BaseException as error:  # noqa: BLE001 - without an outcome the batch would wait for ever
            messages.put(to_failure(error))

    def permit(self) -> None:
        """Let the current job publish what it has announced."""
        self._permitted.set()


def _check_versions(expected: dict[str, str]) -> None:
    for name, version in versions().items():
        if version != expected[name]:
            message = f"it has {name} {version}, this batch {expected[name]}"
            raise NotCapableError("other-version", message, hint=f"Install the same {name} on all nodes")


def _check_shared(item: WorkItem) -> None:
    """Check that the node sees the folders of a job.

    Raises:
        HeygemError: ``not-shared``.
    """
    fetched = {remote.path for remote in item.job.remote.inputs}
    outputs = item.job.outputs[item.job.remote.output is not None :]
    for path in (*(path for path in item.job.inputs if path not in fetched), *(path.parent for path in outputs)):
        if not path.exists() and not path.parent.is_dir():
            message = f"node {socket.gethostname()} does not have this folder"
            hint = "Mount it under the same path on all nodes"
            raise HeygemError("not-shared", message, hint=hint, path=path.parent)
