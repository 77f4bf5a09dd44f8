"""Runs in HeyGem's own interpreter and root folder, loads its modules, and renders what it is told over a pipe.

Python 3.8 and its standard library only. Messages are JSON, one a line, on the socket whose descriptor is in
HEYGEM_WORKER_FD: stdout belongs to HeyGem. It sends ``hello``, ``provider``, ``loaded``, and for each job ``status``
and ``done``; ``failed`` and ``child-died`` at any time.

What stands at the top level holds in the processes that HeyGem spawns too, since they import the main module again.
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
SHORTEST = 5.0
"""Seconds. Shorter waits are HeyGem's way of looking now and then; they stay as they are."""
POLL = 0.2
"""Seconds between two looks at a job's status."""
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
# One Relu node; IR version 7 and opset 13, which every ONNX Runtime since 1.6 reads.
MODEL = bytes.fromhex(
    "080712003a330a0c0a0178120179220452656c751201675a0f0a0178120a0a08080112040a02080162"
    "0f0a0179120a0a08080112040a02080142040a00100d"
)


def lengthen_queue_waits(seconds: float) -> None:
    """Let no wait for a queue end before the watchdog's: HeyGem gives up after 10 s and 60 s."""
    queues: Any = multiprocessing.queues
    get, put = queues.Queue.get, queues.Queue.put

    def longer(timeout: float | None) -> float | None:
        return max(timeout, seconds) if timeout is not None and timeout >= SHORTEST else timeout

    def patient_get(self: Any, block: bool = True, timeout: float | None = None) -> Any:
        return get(self, block, longer(timeout))

    def patient_put(self: Any, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        put(self, obj, block, longer(timeout))

    queues.Queue.get, queues.Queue.put = patient_get, patient_put


def end_with_parent(parent: int) -> None:
    """End this process when its parent has died; the kernel's own signal would come when the parent's thread ends."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


lengthen_queue_waits(float(os.environ.get("HEYGEM_WORKER_QUEUE_SECONDS", "3600")))
if __name__ == "__mp_main__":
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()


class Channel:
    """The pipe to heygem; when heygem closes it, or dies, the whole process group ends."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self.jobs: queue.Queue[dict[str, Any]] = queue.Queue()
        self._descriptor = descriptor
        self._turn = threading.Lock()
        threading.Thread(target=self._listen, name="heygem-listen", daemon=True).start()

    def send(self, event: str, **facts: object) -> None:
        """Send a message."""
        data = (json.dumps(dict(facts, event=event), default=str) + "\n").encode()
        with self._turn:
            while data:
                data = data[os.write(self._descriptor, data) :]

    def _listen(self) -> None:
        with open(self._descriptor, "rb", closefd=False) as lines:
            for line in lines:
                self.jobs.put(json.loads(line.decode()))
        os.killpg(0, signal.SIGKILL)


class Children:
    """The child processes that HeyGem starts; it would wait for a dead one for ever, so their ends are told."""

    def __init__(self, channel: Channel) -> None:
        self.loading = True
        self._alive: dict[Any, tuple[Any, bool]] = {}
        self._channel = channel
        process: Any = multiprocessing.process.BaseProcess
        start = process.start

        def noted(child: Any) -> None:
            start(child)
            self._alive[child.sentinel] = (child, self.loading)

        process.start = noted
        threading.Thread(target=self._watch, name="heygem-children", daemon=True).start()

    def _watch(self) -> None:
        while True:
            if not self._alive:
                time.sleep(POLL)
            for sentinel in multiprocessing.connection.wait(list(self._alive), POLL):
                child, stays = self._alive.pop(sentinel)
                child.join(1)
                if stays or child.exitcode:
                    self._channel.send("child-died", exitcode=child.exitcode)


def provider() -> str:
    """Which provider does a real session of this interpreter's ONNX Runtime get?"""
    with contextlib.suppress(ImportError):
        importlib.import_module("torch")  # it brings the CUDA libraries that ONNX Runtime then finds
    runtime: Any = importlib.import_module("onnxruntime")
    available = runtime.get_available_providers()
    session = runtime.InferenceSession(MODEL, providers=[each for each in PROVIDERS if each in available])
    return str(session.get_providers()[0])


def tell_status(channel: Channel, task: Any, code: str, over: threading.Event) -> None:
    """Tell of every change of a job's status."""
    told = None
    while not over.wait(POLL):
        now = task.task_dic.get(code)
        if now and now != told:
            told = now
            channel.send("status", code=code, status=now)


def render(channel: Channel, task: Any, job: dict[str, Any]) -> None:
    """Do one job."""
    code = job["code"]
    task.task_dic[code] = ""  # without it HeyGem notes no status
    over = threading.Event()
    threading.Thread(target=tell_status, args=(channel, task, code, over), daemon=True).start()
    try:
        # In this order: no watermark, no digital_auth, no super-resolution, ping-pong or not.
        task.work(job["audio"], job["video"], code, 0, 0, 0, job["pn"])
    finally:
        over.set()
    channel.send("done", code=code, status=task.task_dic.get(code))


def main() -> None:
    """Load HeyGem, then do what is asked until nobody asks any more."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # the supervisor may be killed as well
    channel = Channel(int(os.environ.pop("HEYGEM_WORKER_FD")))
    # HeyGem's folder, not that of this file: its neighbours are none of HeyGem's modules.
    sys.path = [str(Path.cwd()), *(each for each in sys.path if each != str(Path(__file__).parent))]
    sys.argv = ["run.py", "--num_threads", "0"]
    multiprocessing.set_start_method("spawn", force=True)
    channel.send("hello", version=sys.version_info[:2])
    doing = "check"
    try:
        channel.send("provider", provider=provider())
        doing = "load"
        children = Children(channel)
        task = importlib.import_module("service.trans_dh_service").TransDhTask()
        children.loading = False
        channel.send("loaded")
        doing = "job"
        while True:
            render(channel, task, channel.jobs.get())
    # Whatever it is, heygem words it; SystemExit is how argparse gives up, and HeyGem.
    except BaseException as error:  # noqa: BLE001
        traceback.print_exc()
        channel.send("failed", doing=doing, error=f"{type(error).__name__}: {error}")
        time.sleep(2)  # the children's last lines reach the log; then heygem ends all
        os._exit(1)


if __name__ == "__main__":
    main()
