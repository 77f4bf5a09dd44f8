"""A fake of HeyGem's official service, written from its published API; it contains no file of HeyGem's.

Each submission takes the next behaviour of a script; the last one repeats.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from media_factory import ffmpeg

CONTAINER = "/code/data"
MOUTH = "drawbox=x=iw*0.42:y=ih*0.6:w=iw*0.16:h=ih*0.1:color=black:t=fill:enable='mod(n,5)'"
FAILED = {
    "many-faces": "[{code}]预处理失败，异常信息:[存在多人脸]",
    "format-error": "[{code}]预处理失败，异常信息:[format video error]",
    "startup-timeout": "[{code}]任务执行失败，异常信息:[]",
    "queue-full": "任务视频驱动队列满，严重阻塞，下游队列异常",
    "audio-length": "三次获取音频时长失败",
    "no-result": "no final result",
    "digital-human": "数字人处理失败，失败原因:[x]",
    "unknown-failure": "something new",
}
"""Behaviours that end with status 3, and the service's messages."""
REFUSED = {"bad-parameter": 10002, "lock": 10003, "error": 9999, "strange-code": 12345}


class Service:
    """A running service.

    Behaviours: ``ok``; ``busy``; those of :data:`FAILED` and :data:`REFUSED`; ``forgets`` (10004 as soon as it is
    done), ``lost`` (10004 without any result), ``no-file``, ``cut-off``, ``too-short``, ``no-audio``, ``unchanged``,
    ``slow`` (2 s), ``hangs``, ``late`` (10004 at first), ``other-result`` (another job's result), ``other-task``
    (another job's state), ``outside`` (a result outside of the folder), ``dies`` (the server stops while the job runs),
    ``html``, ``http-500``, ``truncated`` (truncated answers), ``flaky`` (every other answer is invalid), ``no-answer``
    (no answer at all), ``plateau`` (20 % for 4 s), ``endless`` (20 % until the service is restarted).

    Like the service, it keeps its log in ``log/dh.log``, in the newer format, and with ``pn=1`` it leaves every frame
    as a PNG file in ``temp``.

    Args:
        shared: The folder that it shares, ``/code/data`` in the container.
        script: The behaviours.
        loading: Seconds until it can draw; jobs that it gets before fail, as with a real one.
        log: Whether the shared folder shows its log.
    """

    def __init__(self, shared: Path, *script: str, loading: float = 0, log: bool = True) -> None:
        self.shared = shared
        self.temp = shared / "temp"
        self.temp.mkdir(parents=True, exist_ok=True)
        self.script = list(script) or ["ok"]
        self.jobs: dict[str, dict] = {}
        self.submitted: list[dict] = []
        self.queries: list[str] = []
        self.log_file = shared / "log/dh.log" if log else None
        self._lock = threading.Lock()
        self._start(loading)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def _start(self, loading: float) -> None:
        self._ready_at = time.monotonic() + loading
        self._log("system ->init_wh_process start...")
        self._log("system ->get_audio_p[22] transfer_p[33] start")
        self._log("******************* TransDhServer服务启动 *******************")
        threading.Timer(loading, self._log, ["system ->av_transfer load success"]).start()

    def restart(self) -> None:
        """Forget all tasks."""
        with self._lock:
            self.jobs.clear()
        self._start(0)

    def _log(self, message: str) -> None:
        if self.log_file is None:
            return
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        self.log_file.parent.mkdir(exist_ok=True)
        with self.log_file.open("a") as file:
            file.write(f"{now},930-[service.self_logger]-threading.py[line:870]-INFO: {message}\n")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def map(self) -> str:
        return f"{self.shared}:{CONTAINER}"

    def host(self, name: str) -> Path:
        assert name.startswith(CONTAINER + "/"), name
        return self.shared / name.removeprefix(CONTAINER + "/")

    def submit(self, task: dict) -> dict:
        with self._lock:
            mode = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            self.submitted.append({**task, "mode": mode})
            if mode == "busy":
                return {"code": 10001, "success": True, "msg": "忙碌中", "data": {}}
            if mode in REFUSED:
                return {"code": REFUSED[mode], "success": False, "msg": "refused", "data": {}}
            if time.monotonic() < self._ready_at:
                mode = "startup-timeout"
            self.jobs[task["code"]] = {"mode": mode, "status": 1, "progress": 0}
            self._log(f"{task['code']} ->audio_url:{task['audio_url']}, video_url:{task['video_url']}, chaofen:0")
            threading.Thread(target=self._work, args=(task, mode), daemon=True).start()
            return {"code": 10000, "success": True, "msg": "任务提交成功", "data": {}}

    def query(self, code: str) -> dict:
        with self._lock:
            self.queries.append(code)
            job = self.jobs.get(code)
            if job is None or (job["mode"] == "late" and self.queries.count(code) < 3):
                return {"code": 10004, "success": True, "msg": "任务不存在", "data": {}}
            state = {key: job.get(key, "") for key in ("status", "progress", "result", "msg")}
            if job["status"] != 1:
                del self.jobs[code]
                if job["mode"] == "forgets":
                    return {"code": 10004, "success": True, "msg": "任务不存在", "data": {}}
            return {
                "code": 10000,
                "success": True,
                "msg": "",
                "data": {"code": "0123" if job["mode"] == "other-task" else code, **state},
            }

    def _work(self, task: dict, mode: str) -> None:
        code, job = task["code"], self.jobs[task["code"]]
        audio, video = self.host(task["audio_url"]), self.host(task["video_url"])
        try:
            (self.temp / f"{code}_format.mp4").write_bytes(video.read_bytes())
        except FileNotFoundError:  # the client has given up already
            job.update(status=3, msg="[{code}]预处理失败，异常信息:[format video error]")
            return
        if mode == "hangs":
            return
        if mode == "lost":
            time.sleep(0.7)
            del self.jobs[code]
            return
        if mode in FAILED:
            job.update(status=3, msg=FAILED[mode].format(code=code))
            return
        for number in range(4 if task.get("pn") else 0):
            (self.temp / f"{number + 1}.png").write_bytes(b"png")
        self._log(f"{code} -> video_info:[25.0/160/120/0.4], audio_info:[0.4]")
        job["progress"] = 20
        frames = 200 if mode == "endless" else 10
        for frame in range(1, frames + 1):
            time.sleep({"slow": 0.2, "plateau": 0.4, "endless": 0.3}.get(mode, 0.01))
            if not video.exists():  # a real one reads it for ever
                return
            self._log(f"audio_transfer >>>>>>>>>>> 发送完成数据大小:1, frameId:{frame}, cost:0.4s")
        if code not in self.jobs:  # restarted
            return
        job["progress"] = 90
        result = self.temp / f"{code}-r.mp4"
        if mode != "no-file" and audio.exists():
            self._render(audio, video, result, mode)
        name = {"other-result": "/0123-r.mp4", "outside": f"/../../{code}-r.mp4"}.get(mode, f"/{code}-r.mp4")
        job.update(status=2, progress=100, result=name, msg="任务完成")

    def _render(self, audio: Path, video: Path, result: Path, mode: str) -> None:
        temporary = result.with_suffix(".t.mp4")
        sound = () if mode == "no-audio" else ("-map", "1:a", "-c:a", "aac")
        length = ("-t", "0.1") if mode == "too-short" else ()
        filters = "null" if mode == "unchanged" else MOUTH
        ffmpeg(
            "-stream_loop", "-1", "-i", video, "-i", audio, "-map", "0:v", *sound, "-vf", filters, "-c:v", "libx264",
            "-preset", "ultrafast", "-t", duration(audio), *length, temporary,
        )  # fmt: skip
        if mode == "cut-off":
            temporary.write_bytes(temporary.read_bytes()[:-2000])
        shutil.move(temporary, result)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert urlsplit(self.path).path == "/easy/submit"
                self.answer(service.submit(json.loads(body)), service.submitted[-1]["mode"])

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                assert parts.path == "/easy/query"
                code = parse_qs(parts.query)["code"][0]
                mode = service.jobs.get(code, {}).get("mode", "")
                if mode == "dies":
                    threading.Thread(target=service.close, daemon=True).start()
                if mode == "flaky" and service.queries.count(code) % 2 == 0:
                    service.queries.append(code)
                    self.answer({}, "html")
                else:
                    self.answer(service.query(code), mode)

            def answer(self, content: dict, mode: str) -> None:
                body = b"<html>busy</html>" if mode == "html" else json.dumps(content, ensure_ascii=False).encode()
                if mode == "no-answer":
                    time.sleep(60)
                self.send_response(500 if mode == "http-500" else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if mode == "truncated" else body)

        return Handler


def duration(audio: Path) -> float:
    import wave

    with wave.open(str(audio), "rb") as file:
        assert (file.getframerate(), file.getnchannels()) == (16000, 1)
        return file.getnframes() / 16000
