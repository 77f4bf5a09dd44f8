"""A fake HeyGem installation with the layout of a real one, but without any of HeyGem's own files."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from heygem_cli.heygem.installation.tree import MODEL_FILES

OPTIONS = {
    "batch_size": ("16", None),
    "checkpoints_dir": ("./landmark2face_wy/checkpoints", "./checkpoints"),
    "feature_layers": ("['relu_1_1', 'relu_2_1']", None),
    "max_dataset_size": ("inf", None),
    "model": ("pirender_3dmm_mouth_hd", "cycle_gan"),
    "num_test": ("50", None),
    "num_threads": ("4", None),
    "perceptual_use_style_loss": ("True", None),
    "phase": ("test", None),
    "suffix": ("", None),
    "test_audio_path": ("None", None),
}

CONFIG = """\
[log]
log_dir = ./log
log_file = dh.log

[http_server]
server_ip = 0.0.0.0
server_port = 8383

[temp]
temp_dir = ./temp
clean_switch = 0

[result]
result_dir = ./result
clean_switch = 0

[digital]
batch_size = 4

[model]
blend_dynamic = xseg
chaofen_before = 0
chaofen_after = 1
blur_threshold = 100
model_version = v4.4
"""
DANGEROUS = CONFIG.replace("temp_dir = ./temp\nclean_switch = 0", "temp_dir = ./\nclean_switch = 1")

APP = """\
import gradio as gr

with gr.Blocks() as demo:
    gr.Markdown("数字人")

if __name__ == "__main__":
    demo.queue(max_size=10, default_concurrency_limit=1, api_open=False)
    demo.launch(server_name="0.0.0.0", server_port=7860)
"""
QUEUE = "demo.queue(max_size=10, default_concurrency_limit=1, api_open=False)"

COMPOSE = """\
# 数字人 server
services:
  heygem:
    image: "heygem-linux:latest"   # built here
    shm_size: 2g
    ports: ["7860:7860"]
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              count: all
              capabilities: [gpu]
"""

STARTED = """\
[2025-03-18 12:49:48,310] [run.py[line:143]] [INFO] [TransDhTask init]
[2025-03-18 12:50:00,101] [run.py[line:147]] [INFO] [>>> init_wh_process进程启动]
[2025-03-18 12:50:00,182] [run.py[line:151]] [INFO] [>>> 数字人图片处理进程启动]
"""
JOB = """\
[2025-03-18 12:51:58,000] [run.py[line:158]] [INFO] [任务:T1 -> audio_url:./a.wav  video_url:./v.mp4]
[2025-03-18 12:52:00,000] [run.py[line:160]] [INFO] [[T1]任务视频驱动队列启动 batch_size:4, len:150]
[2025-03-18 12:52:07,560] [run.py[line:161]] [INFO] [[T1]init_wh result :[0.88]， cost: 8.38 s]
[2025-03-18 12:52:08,000] [run.py[line:162]] [INFO] [[T1]>>> 发送完成数据大小:4, frameId:4, cost:0.45s]
"""
DONE = "[2025-03-18 12:53:00,000] [run.py[line:170]] [INFO] [>>> 任务:T1 耗时:59.3]\n"


def newer(time: str, text: str, level: str = "INFO") -> str:
    """Return a line of the newer image's log."""
    return f"2025-06-06 {time},930-[service.self_logger]-threading.py[line:870]-{level}: {text}\n"


NEWER_STARTED = (
    newer("10:00:00", "system ->init_wh_process start...")
    + newer("10:00:00", "system ->get_audio_p[22] transfer_p[33] start ")
    + newer("10:00:15", "******************* TransDhServer服务启动 *******************")
    + newer("10:00:20", "system ->av_transfer load success ..., cost:4.453s ")
)
NEWER_JOB = newer("10:10:38", "T1 ->audio_url:a.wav, video_url:v.mp4, chaofen:0, pn:1") + newer(
    "10:10:39", "T1 -> video_info:[25.0/720/1280/9.67], audio_info:[10.63]"
)
NEWER_DRAWING = newer("10:10:41", "T1 ->get_aud_feat1 success, npy:a.npy, cost: 1.752s")
NEWER_DONE = newer("10:11:40", "T1 -> 耗时:61.070s ")
NEWER_FAILED = newer("10:20:39", "T1 -> 任务执行失败，异常信息:[no final result]", "ERROR")
RELEASED = newer("10:20:39", "system ->start to release queue...")


def console(text: str, prefix: str = "") -> str:
    """Return a log as the console shows it: without milliseconds, and with what ``docker logs`` puts before a line."""
    lines = re.sub(r"^(\[[^,]*),\d+\]", r"\1]", text, flags=re.MULTILINE).splitlines(keepends=True)
    return "".join(prefix + line for line in lines)


def opt_text(*, threads: str = "0", newline: str = "\n") -> str:
    """Return an opt.txt in the format of HeyGem's option parser."""
    options = {**OPTIONS, "num_threads": (threads, "4" if threads != "4" else None)}
    lines = ["----------------- Options ---------------"]
    for key, (value, default) in sorted(options.items()):
        note = f"\t[default: {default}]" if default else ""
        lines.append(f"{key:>25}: {value:<30}{note}")
    return newline.join([*lines, "----------------- End -------------------", ""])


def onnx_file(size: int = 64) -> bytes:
    """Return a minimal ONNX file: IR version 8 and a graph of ``size`` bytes."""
    return b"\x08\x08\x3a" + bytes([size]) + bytes(size)


APP_LOCAL = """\
import json
from enum import Enum

from flask import Flask, request
from service.trans_dh_service import TransDhTask

app = Flask(__name__)


@app.route("/easy/submit", methods=["POST"])
def easy_submit():
    return json.dumps({"code": 10000})


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=8383)
"""


def make_container_layout(home: Path) -> Path:
    """Create the /code of the official image: app_local.py and no other script, its data and its log in /code/data."""
    make_installation(home)
    for name in ("run.py", "app.py", "download.sh", "docker-compose.yml", "requirements.txt", "log/dh.log"):
        (home / name).unlink()
    (home / "log").rmdir()
    (home / "app_local.py").write_text(APP_LOCAL)
    for name in ("temp", "result", "log"):
        (home / "data" / name).mkdir(parents=True)
    config = CONFIG.replace("./temp", "./data/temp").replace("./result", "./data/result")
    (home / "config/config.ini").write_text(config)
    (home / "data/log/dh.log").write_text(NEWER_STARTED + NEWER_JOB + NEWER_DRAWING + NEWER_DONE)
    return home.resolve()


def make_installation(home: Path) -> Path:
    """Create an intact installation and return its resolved path."""
    files = {
        "run.py": "",
        "download.sh": "",
        "app.py": APP,
        "requirements.txt": "gradio==4.44.1\n",
        "config/config.ini": CONFIG,
        "landmark2face_wy/checkpoints/test/opt.txt": opt_text(),
        "docker-compose.yml": COMPOSE,
        "log/dh.log": STARTED + JOB + DONE,
        "service/trans_dh_service.cpython-38-x86_64-linux-gnu.so": "",
        "landmark2face_wy/digitalhuman_interface.cpython-38-x86_64-linux-gnu.so": "",
    }
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    for name in MODEL_FILES:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".onnx":
            path.write_bytes(onnx_file())
        else:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("archive/data.pkl", b"\x80\x02." * 100)
    return home.resolve()
