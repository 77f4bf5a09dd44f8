"""Load HeyGem's modules in HeyGem's own interpreter and root folder, and render the jobs that heygem sends.

Python 3.8 and its standard library only. Messages are JSON, one per line, through the socket whose descriptor is in
HEYGEM_WORKER_FD, since stdout belongs to HeyGem. The worker sends ``hello``, ``provider``, ``loaded``, and for each job
``status`` and ``done``; ``failed`` and ``child-died`` at any time.

The top level also runs in the processes that HeyGem spawns: multiprocessing imports the main module there.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import multiprocessing
import multiprocessing.connection
import multiprocessing.process
import multiprocessing.queues
import os
import queue
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
MIN_WAIT = 5.0
"""Seconds: with shorter time-outs HeyGem polls its queues."""
POLL_INTERVAL = 0.2
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
# One Relu node; IR version 7 and opset 13, which every ONNX Runtime since 1.6 loads.
MODEL = bytes.fromhex(
    "080712003a330a0c0a0178120179220452656c751201675a0f0a0178120a0a08080112040a02080162"
    "0f0a0179120a0a08080112040a02080142040a00100d"
)


def extend_queue_timeouts(seconds: float) -> None:
    """Replace HeyGem's time-outs of 10 s and 60 s: slow jobs fail by them, and heygem has time-outs of its own."""
    queues: Any = multiprocessing.queues
    get, put = queues.Queue.get, queues.Queue.put

    def extend(timeout: float | None) -> float | None:
        return max(timeout, seconds) if timeout is not None and timeout >= MIN_WAIT else timeout

    def extended_get(self: Any, block: bool = True, timeout: float | None = None) -> Any:
        return get(self, block, extend(timeout))

    def extended_put(self: Any, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        put(self, obj, block, extend(timeout))

    queues.Queue.get, queues.Queue.put = extended_get, extended_put


def die_with_parent(parent: int) -> None:
    """Kill this process when its parent dies; PR_SET_PDEATHSIG would do so when the parent's starting thread ends."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


extend_queue_timeouts(float(os.environ.get("HEYGEM_WORKER_QUEUE_SECONDS", "3600")))
if __name__ == "__mp_main__":
    threading.Thread(target=die_with_parent, args=(os.getppid(),), daemon=True).start()


class Channel:
    """The socket to heygem; when heygem closes it, or dies, the whole process group is killed."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self.jobs: queue.Queue[dict[str, Any]] = queue.Queue()
        self._descriptor = descriptor
        self._lock = threading.Lock()
        threading.Thread(target=self._receive, name="heygem-receive", daemon=True).start()

    def send(self, event: str, **fields: object) -> None:
        """Send a message."""
        data = (json.dumps(dict(fields, event=event), default=str) + "\n").encode()
        with self._lock:
            while data:
                data = data[os.write(self._descriptor, data) :]

    def _receive(self) -> None:
        with open(self._descriptor, "rb", closefd=False) as lines:
            for line in lines:
                self.jobs.put(json.loads(line.decode()))
        os.killpg(0, signal.SIGKILL)


class ChildMonitor:
    """Reports child processes that die: HeyGem would wait for their answers for ever."""

    def __init__(self, channel: Channel) -> None:
        self.loading = True
        self._alive: dict[Any, tuple[Any, bool]] = {}
        self._channel = channel
        process: Any = multiprocessing.process.BaseProcess
        start = process.start

        def start_and_add(child: Any) -> None:
            start(child)
            self._alive[child.sentinel] = (child, self.loading)

        process.start = start_and_add
        threading.Thread(target=self._monitor, name="heygem-children", daemon=True).start()

    def _monitor(self) -> None:
        while True:
            if not self._alive:
                time.sleep(POLL_INTERVAL)
            for sentinel in multiprocessing.connection.wait(list(self._alive), POLL_INTERVAL):
                child, is_permanent = self._alive.pop(sentinel)
                child.join(1)
                if is_permanent or child.exitcode:
                    self._channel.send("child-died", exitcode=child.exitcode)


def provider() -> str:
    """Return the provider that a session of this interpreter's ONNX Runtime actually uses."""
    with contextlib.suppress(ImportError):
        importlib.import_module("torch")  # loads CUDA libraries that ONNX Runtime needs
    runtime: Any = importlib.import_module("onnxruntime")
    available = runtime.get_available_providers()
    session = runtime.InferenceSession(MODEL, providers=[each for each in PROVIDERS if each in available])
    return str(session.get_providers()[0])


def plain(status: Any) -> Any:
    """Return a status as plain data: its first part is a member of an enumeration."""
    if isinstance(status, (list, tuple)):
        return [getattr(part, "value", part) for part in status]
    return status


def report_status(channel: Channel, task: Any, code: str, finished: threading.Event) -> None:
    """Send every change of a job's status."""
    sent = None
    while not finished.wait(POLL_INTERVAL):
        status = task.task_dic.get(code)
        if status and status != sent:
            sent = status
            channel.send("status", code=code, status=plain(status))


def render(channel: Channel, task: Any, job: dict[str, Any]) -> None:
    """Render a job."""
    code = job["code"]
    task.task_dic[code] = ""  # otherwise HeyGem does not set the status
    finished = threading.Event()
    threading.Thread(target=report_status, args=(channel, task, code, finished), daemon=True).start()
    try:
        # The zeros: no watermark, no digital_auth, no super-resolution.
        task.work(job["audio"], job["video"], code, 0, 0, 0, job["pn"])
    finally:
        finished.set()
    channel.send("done", code=code, status=plain(task.task_dic.get(code)))


def main() -> None:
    """Load HeyGem, then render jobs until heygem ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # the supervisor may be killed, too
    channel = Channel(int(os.environ.pop("HEYGEM_WORKER_FD")))
    # HeyGem's modules are imported from its root folder; this file's folder has none of them.
    sys.path = [str(Path.cwd()), *(each for each in sys.path if each != str(Path(__file__).parent))]
    # For the strict parser of HeyGem's network, landmark2face_wy.options, here and in the processes that are spawned.
    # The parser of run.py, which refuses this option, is never run.
    sys.argv = ["run.py", "--num_threads", "0"]
    multiprocessing.set_start_method("spawn", force=True)
    channel.send("hello", version=sys.version_info[:2])
    stage = "check"
    try:
        channel.send("provider", provider=provider())
        stage = "load"
        children = ChildMonitor(channel)
        task = importlib.import_module("service.trans_dh_service").TransDhTask()
        children.loading = False
        channel.send("loaded")
        stage = "job"
        while True:
            render(channel, task, channel.jobs.get())
    # SystemExit, too: argparse and HeyGem raise it.
    except BaseException as error:  # noqa: BLE001
        traceback.print_exc()
        channel.send("failed", stage=stage, error=f"{type(error).__name__}: {error}")
        time.sleep(2)  # until the last lines of the children have reached the log
        os._exit(1)


if __name__ == "__main__":
    main()
