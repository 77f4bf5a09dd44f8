"""A fake HeyGem installation that can be started: it behaves like HeyGem, and fails in the known ways.

``stand_in.json`` sets its behaviour: ``start`` for the start of the worker, ``jobs`` for one job after another (the
last one repeats), whichever worker gets them. It draws a red bar in place of the mouth.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from heygem_cli.media.ffmpeg import find_ffmpeg
from heygem_tree import make_installation

ONNXRUNTIME = """
import json, sys

def get_available_providers():
    return ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]

class InferenceSession:
    def __init__(self, model, providers):
        assert isinstance(model, bytes) and "CUDAExecutionProvider" in providers
        self.providers = list(providers)
        if json.load(open("stand_in.json"))["start"] == "cpu":
            sys.stderr.write("Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.11\\n")
            self.providers = ["CPUExecutionProvider"]

    def get_providers(self):
        return self.providers
"""

SERVICE = '''
import argparse, enum, json, logging, multiprocessing, os, queue, random, signal, subprocess, sys, time

SETTINGS = json.load(open("stand_in.json"))
QUEUE_TIMEOUT = SETTINGS.get("queue_timeout", 10)
NEWER = SETTINGS.get("log") == "newer"
FORMATS = {  # and the format of the time
    "file": ("[%(asctime)s] [%(filename)s[line:%(lineno)d]] [%(levelname)s] [%(message)s]", None),
    "console": ("[%(asctime)s] [%(filename)s[line:%(lineno)d]] [%(levelname)s] [%(message)s]", "%Y-%m-%d %H:%M:%S"),
    "newer": ("%(asctime)s-[service.self_logger]-%(filename)s[line:%(lineno)d]-%(levelname)s: %(message)s", None),
}
os.makedirs("log", exist_ok=True)
form, time_form = FORMATS[SETTINGS.get("log", "file")]
logging.basicConfig(
    level=logging.INFO, format=form, datefmt=time_form,
    **({"stream": sys.stdout} if SETTINGS.get("log") == "console" else {"filename": "log/dh.log"}),
)
log = logging.info


class Status(enum.Enum):
    run = 1
    success = 2
    error = 3


# As landmark2face_wy.options does, here and in the spawned processes: strictly, with 4 as the default.
OPTIONS = argparse.ArgumentParser()
OPTIONS.add_argument("--num_threads", default=4, type=int)
assert OPTIONS.parse_args().num_threads == 0, sys.argv
assert os.environ["OMP_NUM_THREADS"] == "1" and os.environ["ORT_PARALLEL"] == "0"


def next_mode():
    """Return the behaviour of this job; the count outlives the worker."""
    with open("jobs.txt", "a+") as file:
        file.seek(0)
        count = len(file.read().splitlines())
        file.write("job\\n")
    modes = SETTINGS["jobs"]
    mode = modes[min(count, len(modes) - 1)]
    if mode == "random":
        failures = ["hang", "crash", "child-crash", "queue-full", "false-success", "poison", "startup-log"]
        rng = random.Random(count)
        mode = rng.choice(failures) if rng.random() < SETTINGS["failure_rate"] else "ok"
    return mode


def detect_faces(tasks, answers):
    """Run the process init_wh."""
    if SETTINGS["start"] == "slow":
        time.sleep(2)
    if SETTINGS["start"] == "never":
        time.sleep(1000)
    if SETTINGS["start"] == "child-crash":
        os._exit(3)
    if SETTINGS["start"] == "late":  # the second line, and in the other order
        time.sleep(2.5)
    log("system ->init_wh_process start..." if NEWER else ">>> init_wh_process进程启动")
    while True:
        mode, code, video = tasks.get()
        if mode == "no-answer":
            continue
        if mode == "late":
            time.sleep(QUEUE_TIMEOUT + 0.5)
        if mode == "many-faces":
            log("[%s]存在多人脸", code)
            time.sleep(1000)
        score = 0 if mode == "no-face" else 0.88
        log("[%s]init_wh result :[%s]， cost: 0.38 s", code, score)
        answers.put(video)


def draw(tasks, results):
    """Run the drawing process."""
    if NEWER:
        time.sleep(1)
    log("av_transfer load success" if NEWER else ">>> 数字人图片处理进程启动")
    while True:
        mode, code, video, audio, first, last = tasks.get(timeout=QUEUE_TIMEOUT)
        if mode in ("hang", "stuck-group") and first >= 4:
            time.sleep(1000)
        if mode == "child-crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if mode == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        log("audio_transfer >>>>>>>>>>> 发送完成数据大小:4, frameId:%d, cost:0.01s", first + 4)
        if last:
            log("[%s]任务数字人图片处理已完成", code)
            if mode == "silent-encode":
                subprocess.run(
                    ["ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc2=duration=7",
                     "-c:v", "libx264", "-f", "null", "-"], check=True,
                )
            results.put(encode(mode, code, video, audio))


def encode(mode, code, video, audio):
    bar = "null" if mode in ("no-face", "unchanged") else "drawbox=x=iw/4:y=ih/2:w=iw/2:h=ih/4:color=red:t=fill"
    result = "./result/%s-r.mp4" % code
    if mode == "nothing":
        return result
    length = "-t 0.1" if mode == "false-success" else "-shortest"
    loop = "-stream_loop -1"
    os.system(
        "ffmpeg -nostdin -loglevel error -y %s -i %s -i %s -map 0:v -map 1:a -vf %s -c:v libx264 -preset ultrafast "
        "-c:a aac %s %s" % (loop, video, audio, bar, length, result)
    )
    return result


class TransDhTask:
    def __init__(self):
        if SETTINGS["start"] == "import":
            raise ImportError("libcudart.so.11.0: cannot open shared object file")
        log("system ->get_audio_p[22] transfer_p[33] start" if NEWER else "TransDhTask init")
        self.task_dic = {}
        spawn = multiprocessing.get_context("spawn")
        self.videos, self.faces, self.frames, self.results = (spawn.Queue(4) for _ in range(4))
        for target, queues in ((detect_faces, (self.videos, self.faces)), (draw, (self.frames, self.results))):
            spawn.Process(target=target, args=queues, daemon=True).start()
        print("检测人脸使用GPU")

    def work(self, audio_url, video_url, code, watermark_switch, digital_auth, chaofen, pn):
        assert (watermark_switch, digital_auth, chaofen) == (0, 0, 0) and code in self.task_dic
        assert pn == SETTINGS.get("pn", pn), pn
        try:
            if NEWER:
                log("%s ->audio_url:%s, video_url:%s, chaofen:0, pn:%d", code, audio_url, video_url, pn)
            else:
                log("任务:%s -> audio_url:%s  video_url:%s", code, audio_url, video_url)
            result = self._work(next_mode(), audio_url, video_url, code, pn)
            self.task_dic[code] = (Status.success, 100, result, "")
            log(">>> 任务:%s 耗时:59.3", code)
        except Exception as error:
            failure = "%s -> 任务执行失败，异常信息:[%s]" if NEWER else "[%s]任务执行失败，异常信息:[%s]"
            log(failure, code, error)
            self.task_dic[code] = (Status.error, 0, "", str(error))

    def _work(self, mode, audio, video, code, pn):
        print("mode", mode)
        open("./temp/%s_format.wav" % code, "w").close()
        if pn:
            open("./temp/1.png", "w").close()
        if mode == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if mode == "orphans":  # children in other sessions, and a worker that dies before them
            subprocess.Popen(["sleep", "1000"], start_new_session=True)
            subprocess.Popen(["sh", "-c", "sleep 1000 & sleep 1000"])
            os._exit(1)
        if mode == "exit":
            sys.exit(2)
        if mode == "memory":
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        if mode == "kernel":
            raise RuntimeError("CUDA error: no kernel image is available for execution on the device")
        if mode == "format":
            log("[%s]预处理失败，异常信息:[format video error]", code)
            raise RuntimeError("format video error")
        if mode == "startup-log":
            raise RuntimeError("")
        self.videos.put((mode, code, video))
        if mode == "poison":  # the answer stays in the queue, and the next job gets it
            raise RuntimeError("poisoned")
        video = self.faces.get(timeout=QUEUE_TIMEOUT)
        total = 10
        log("[%s]任务视频驱动队列启动 batch_size:4%s", code, "" if pn else ", len:%d" % total)
        self.task_dic[code] = (Status.run, 20, "", "")
        if mode == "queue-full":
            log("任务视频驱动队列满，严重阻塞，下游队列异常")
            time.sleep(1000)
        for first in range(0, total, 4):
            self.frames.put((mode, code, video, audio, first, first + 4 >= total), timeout=60)
        return self.results.get(timeout=600)
'''


def make_stand_in(folder: Path) -> Path:
    """Write the installation and return its root folder."""
    home = make_installation(folder)
    for path in home.rglob("*.so"):
        path.unlink()
    (home / "service/__init__.py").write_text("")
    (home / "service/trans_dh_service.py").write_text(SERVICE)
    (home / "onnxruntime.py").write_text(ONNXRUNTIME)
    (home / "torch.py").write_text("")
    for name in ("result", "temp", "bin"):
        (home / name).mkdir()
    (home / "bin/ffmpeg").symlink_to(find_ffmpeg())
    set_behaviour(home)
    return home


def set_behaviour(home: Path, *jobs: str, start: str = "ok", **settings: object) -> None:
    """Set the behaviour from now on."""
    (home / "stand_in.json").write_text(json.dumps({"start": start, "jobs": jobs or ["ok"], **settings}))
    (home / "jobs.txt").unlink(missing_ok=True)


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Return the environment in which ``heygem`` uses the installation."""
    path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    own = {"HEYGEM_ENGINE": "heygem", "HEYGEM_HOME": str(home), "HEYGEM_PYTHON": sys.executable, "PATH": path}
    own["HEYGEM_STALL_TIMEOUT"] = "20"
    return os.environ | own | variables


def processes_of(home: Path) -> list[int]:
    """Return the processes that run in the installation."""
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").readlink() == home:
                pids.append(int(folder.name))
        except OSError:
            continue  # it has ended
    return pids
