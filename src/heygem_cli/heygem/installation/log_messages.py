"""The messages of HeyGem's log that operators must know: what each means, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass

RESTART = "Restart HeyGem's worker: after this its queues hold stale answers, and the next job gets them"


@dataclass(frozen=True)
class Message:
    """A kind of failure.

    Attributes:
        name: the last part of the check's id.
        title: of the check.
        pattern: how a line is recognised.
        meaning: what it means.
        fix: what to do.
        lasting: it stays until the worker is started again.
    """

    name: str
    title: str
    pattern: re.Pattern[str]
    meaning: str
    fix: str
    lasting: bool = False


MESSAGES = (
    Message(
        "queue-full",
        "queue full, stuck (任务视频驱动队列满)",
        re.compile("任务视频驱动队列满"),
        "the drawing stage took nothing for 60 s: most often ONNX Runtime runs on the CPU",
        f"heygem doctor --only gpu --require gpu; {RESTART}",
        lasting=True,
    ),
    Message(
        "startup-timeout",
        "start-up timeout (异常信息:[])",
        re.compile(r"任务执行失败，异常信息:\s*\[\]"),
        "the first answer took more than 10 s: ONNX Runtime on the CPU, or a cold disk",
        f"heygem doctor --only gpu --require gpu; {RESTART}",
        lasting=True,
    ),
    Message(
        "many-faces",
        "more than one face (存在多人脸)",
        re.compile("存在多人脸"),
        "the small detector saw more than one face, sometimes falsely with one person",
        "Crop the video to one person, or put scrfd_10g_kps in the place of the small detector",
    ),
    Message(
        "no-face",
        "no face found (init_wh result :[0])",
        re.compile(r"init_wh result\s*:\s*\[0(?:\.0*)?\]"),
        "no face was found, and HeyGem passes such frames on and calls it success",
        "Use a video with a larger, frontal face: heygem render FACE says in how many frames it finds one",
    ),
    Message(
        "format-error",
        "video cannot be read (format video error)",
        re.compile("format video error"),
        "the video was not found, most often: the path is the container's, or has odd characters",
        "Use a path that the server sees, in ASCII; or ffmpeg -i IN -r 25 -pix_fmt yuv420p OUT.mp4",
    ),
    Message(
        "audio-length",
        "audio length unknown (三次获取音频时长失败)",
        re.compile("三次获取音频时长失败"),
        "ffprobe could not read the sound three times",
        "Convert it: ffmpeg -i IN -ar 16000 -ac 1 OUT.wav",
    ),
    Message(
        "preprocessing",
        "preprocessing failed (预处理失败)",
        re.compile("预处理失败"),
        "an input could not be prepared",
        "See the brackets in the log; try the input with: heygem render AUDIO FACE",
    ),
    Message(
        "frame-queue",
        "frames ended in an error (视频帧队列处理异常结束)",
        re.compile("视频帧队列处理异常结束"),
        "the process that draws has stopped in the middle of a job",
        f"See the brackets in the log; {RESTART}",
        lasting=True,
    ),
    Message(
        "digital-human",
        "digital human failed (数字人处理失败)",
        re.compile("数字人处理失败"),
        "drawing failed",
        "See the brackets in the log",
    ),
    Message(
        "no-result",
        "no result after 10 minutes (no final result)",
        re.compile("no final result"),
        "the job did not end within HeyGem's ten minutes",
        f"Cut the audio into shorter pieces; {RESTART}",
        lasting=True,
    ),
    Message(
        "no-kernel",
        "GPU too new (no kernel image)",
        re.compile("no kernel image", re.IGNORECASE),
        "torch or ONNX Runtime has no kernels for this GPU (RTX 50)",
        "Use HeyGem's RTX-50 variant, built for CUDA 12.8",
    ),
    Message(
        "onnxruntime",
        "errors of ONNX Runtime",
        re.compile(
            r"Failed to load library libonnxruntime|\[E:onnxruntime|\[ONNXRuntimeError\]|onnxruntime_pybind11_state"
        ),
        "ONNX Runtime runs on the CPU for want of a library, or a model failed (检测人脸使用GPU proves nothing)",
        "heygem doctor --only gpu --require gpu",
    ),
    Message(
        "job-failed",
        "other failed jobs (任务执行失败)",
        re.compile("任务执行失败"),
        "a job failed",
        "See the brackets in the log",
    ),
)
"""A line counts for the first that it matches."""

READY_PARTS = ("init_wh_process进程启动", "数字人图片处理进程启动")
"""Each of the two processes that the worker starts says that it is there."""
READY = re.compile("|".join(READY_PARTS))
TIME = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+\]")
JOB_START = re.compile(r"\[([^\[\]]+)\]任务视频驱动队列启动")
JOB_TOTAL = re.compile(r"任务视频驱动队列启动.*?\blen:(\d+)")
JOB_ANSWERED = re.compile(r"init_wh result\s*:")
"""The face has been looked for: the start-up of a job is over."""
JOB_MOVES = re.compile("发送完成数据大小")
JOB_FRAME = re.compile(r"发送完成数据大小:(\d+), frameId:(\d+)")
JOB_END = re.compile(r">>>\s*任务:(\S+)\s*耗时")
