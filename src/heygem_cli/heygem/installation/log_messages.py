"""The messages of HeyGem's log that matter to operators: how to recognise them, what they mean, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass

RESTART = "Restart HeyGem's worker: its queues still hold old results, which the next job would receive"
_READ_LOG = "Read the text in brackets in the log"


@dataclass(frozen=True)
class Message:
    """A kind of failure.

    Attributes:
        name: The name of the check that looks for it, without its group.
        title: The title of the check.
        pattern: Matches a line of the log.
        meaning: What it means.
        fix: What to do.
        needs_restart: Whether the worker is unusable until it is restarted.
    """

    name: str
    title: str
    pattern: re.Pattern[str]
    meaning: str
    fix: str
    needs_restart: bool = False


# A line counts only for the first message that it matches.
MESSAGES = (
    Message(
        "queue-full",
        "queue full (任务视频驱动队列满)",
        re.compile("任务视频驱动队列满"),
        "the rendering stage accepted no frames for 60 s, usually because ONNX Runtime runs on the CPU",
        f"heygem doctor --only gpu --require gpu; {RESTART}",
        needs_restart=True,
    ),
    Message(
        "startup-timeout",
        "start-up time-out (异常信息:[])",
        re.compile(r"任务执行失败，异常信息:\s*\[\]"),
        "the first result took more than 10 s: ONNX Runtime runs on the CPU, or the models were not in the disk cache",
        f"heygem doctor --only gpu --require gpu; {RESTART}",
        needs_restart=True,
    ),
    Message(
        "many-faces",
        "more than one face (存在多人脸)",
        re.compile("存在多人脸"),
        "the small face detector found several faces, which may be a false detection",
        "Crop the video to one person, or replace the small detector with scrfd_10g_kps",
    ),
    Message(
        "no-face",
        "no face found (init_wh result :[0])",
        re.compile(r"init_wh result\s*:\s*\[0(?:\.0*)?\]"),
        "HeyGem found no face; it copies such frames unchanged and reports success",
        "Use a video with a larger, frontal face: heygem render FACE reports in how many frames it finds one",
    ),
    Message(
        "format-error",
        "video cannot be read (format video error)",
        re.compile("format video error"),
        "usually the video was not found: the path must be the container's, without special characters",
        "Use a path that the server sees, in ASCII; or ffmpeg -i IN -r 25 -pix_fmt yuv420p OUT.mp4",
    ),
    Message(
        "audio-length",
        "audio length unknown (三次获取音频时长失败)",
        re.compile("三次获取音频时长失败"),
        "ffprobe failed three times to read the audio",
        "Convert it: ffmpeg -i IN -ar 16000 -ac 1 OUT.wav",
    ),
    Message(
        "preprocessing",
        "preprocessing failed (预处理失败)",
        re.compile("预处理失败"),
        "an input could not be prepared",
        f"{_READ_LOG}; try the input with: heygem render AUDIO FACE",
    ),
    Message(
        "frame-queue",
        "frame processing failed (视频帧队列处理异常结束)",
        re.compile("视频帧队列处理异常结束"),
        "the rendering process stopped in the middle of a job",
        f"{_READ_LOG}; {RESTART}",
        needs_restart=True,
    ),
    Message(
        "digital-human",
        "digital human failed (数字人处理失败)",
        re.compile("数字人处理失败"),
        "rendering failed",
        _READ_LOG,
    ),
    Message(
        "no-result",
        "no result after 10 minutes (no final result)",
        re.compile("no final result"),
        "the job exceeded HeyGem's time limit of ten minutes",
        f"Split the audio into shorter files; {RESTART}",
        needs_restart=True,
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
        "ONNX Runtime runs on the CPU because a library is missing (检测人脸使用GPU proves nothing), or a model failed",
        "heygem doctor --only gpu --require gpu",
    ),
    Message("job-failed", "other failed jobs (任务执行失败)", re.compile("任务执行失败"), "a job failed", _READ_LOG),
)

READY_MESSAGES = ("init_wh_process进程启动", "数字人图片处理进程启动")
"""One for each of the two processes that the worker starts."""
READY = re.compile("|".join(READY_MESSAGES))
TIME = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+\]")
JOB_START = re.compile(r"\[([^\[\]]+)\]任务视频驱动队列启动")
JOB_TOTAL = re.compile(r"任务视频驱动队列启动.*?\blen:(\d+)")
JOB_FACE_DETECTION = re.compile(r"init_wh result\s*:")
"""Face detection is complete, which ends the start-up of a job."""
JOB_PROGRESS = re.compile("发送完成数据大小")
JOB_FRAME = re.compile(r"发送完成数据大小:(\d+), frameId:(\d+)")
JOB_END = re.compile(r">>>\s*任务:(\S+)\s*耗时")
