"""The messages of HeyGem's log that matter to operators: how to recognise them, what they mean, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass

RESTART = "Restart HeyGem's worker: its queues still hold old results, which the next job would receive"
_READ_LOG = "Read the text in brackets in the log"


_CHECK_GPU = "heygem doctor --only gpu --require gpu"


@dataclass(frozen=True)
class Message:
    """A kind of failure.

    Attributes:
        name: The name of the check that looks for it, without its group.
        title: The title of the check.
        pattern: Matches a line of the log; None if several lines together show it.
        meaning: What it means.
        fix: What to do.
        needs_restart: Whether the worker is unusable until it is restarted.
    """

    name: str
    title: str
    pattern: re.Pattern[str] | None
    meaning: str
    fix: str
    needs_restart: bool = False


MESSAGES = (
    Message(
        "no-driver",
        "no NVIDIA driver (Found no NVIDIA driver)",
        re.compile("Found no NVIDIA driver|no CUDA-capable device is detected"),
        "HeyGem sees no GPU: the container was started without it, or the NVIDIA Container Toolkit is missing",
        "nvidia-smi; in a container: docker run --gpus all …, or in its compose file a device with driver: nvidia, "
        "count: all, capabilities: [gpu]",
    ),
    Message(
        "driver-too-old",
        "driver older than CUDA (CUDA failure 804 or 35)",
        re.compile(
            "CUDA failure (?:804|35)\\b|forward compatibility was attempted|CUDA driver version is insufficient"
        ),
        "the driver, or the libcuda.so.1 that HeyGem finds, is too old for its CUDA, so ONNX Runtime uses the CPU",
        "Update the NVIDIA driver of the host, reboot, and start HeyGem again; nvidia-smi names the driver's version. "
        "Is it new: start the container with --gpus all, and take CUDA's folder compat, which has another "
        "libcuda.so.1, out of LD_LIBRARY_PATH",
    ),
    Message(
        "no-kernel",
        "GPU too new (no kernel image, sm_120 is not compatible)",
        re.compile("(?i:no kernel image)|sm_1[2-9]\\d is not compatible with the current PyTorch"),
        "torch or ONNX Runtime has no kernels for this GPU (RTX 50)",
        "Use the image whose name ends in -5090, or HeyGem's RTX-50 variant: both are built for CUDA 12.8",
    ),
    Message(
        "cuda-missing",
        "ONNX Runtime without CUDA (Falling back to ['CPUExecutionProvider'])",
        re.compile(
            r"Failed to load library libonnxruntime_providers|Failed to create CUDAExecutionProvider"
            r"|Falling back to \['CPUExecutionProvider'\]|not compiled with CUDA"
        ),
        "ONNX Runtime uses the CPU, which is too slow for HeyGem's queues (检测人脸使用GPU proves nothing)",
        _CHECK_GPU,
    ),
    Message(
        "out-of-memory",
        "out of memory (CUDA out of memory)",
        re.compile(r"(?i:out of memory|bad_alloc|cannot allocate memory|failed to allocate memory)|MemoryError"),
        "the GPU or the machine has too little free memory; below 16 GiB of main memory it often fails",
        "nvidia-smi; end what else uses the GPU, use a smaller video, or lower batch_size in config.ini",
    ),
    Message(
        "no-threads",
        "no more threads (libgomp: Thread creation failed)",
        re.compile("libgomp: Thread creation failed|blas_thread_init: pthread_create failed|can't start new thread"),
        "HeyGem's libraries start a thread for each processor in each process, and the limit of processes is reached",
        "Start HeyGem with OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1; or raise the limit: docker run --pids-limit=-1 …, "
        "ulimit -u",
        needs_restart=True,
    ),
    Message(
        "missing-module",
        "Python module missing (No module named)",
        re.compile(
            r"(?:ModuleNotFoundError: |ImportError: |异常信息:\[)No module named"
            r"|No module named '(?:trans_dh_service|service|y_utils|h_utils|landmark2face_wy|face_\w+|wenet)\b"
        ),
        "HeyGem was started in another folder or Python than its own",
        "One of HeyGem's own modules: export PYTHONPATH=ITS_ROOT_FOLDER and start it there; another: install it with "
        "the pip of HeyGem's Python",
    ),
    Message(
        "numexpr-missing",
        "numexpr missing ('NoneType' object has no attribute 'evaluate')",
        re.compile("'NoneType' object has no attribute 'evaluate'"),
        "the package numexpr is missing in HeyGem's Python, or cannot be loaded there",
        "pip install numexpr==2.8.6 with the pip of HeyGem's Python, and start HeyGem again",
    ),
    Message(
        "ffmpeg-missing",
        "ffmpeg missing (ffmpeg: not found)",
        re.compile(r"ffmpeg: (?:command )?not found|No such file or directory: '?ffmpeg"),
        "HeyGem does not find ffmpeg",
        "apt-get install ffmpeg, or conda install ffmpeg in HeyGem's environment",
    ),
    Message(
        "no-space",
        "disk full (No space left on device)",
        re.compile("No space left on device"),
        "a disk, or the shared memory of the container, is full: HeyGem leaves the files of its jobs behind",
        "df -h, in the container if it runs in one; delete old files of its temp_dir while no job runs; for /dev/shm: "
        "docker run --shm-size=2g …",
    ),
    Message(
        "worker-died",
        "process crashed (Segmentation fault, Bus error)",
        re.compile("Segmentation fault|Bus error|SIGSEGV|SIGBUS|Illegal instruction"),
        "a process of HeyGem, or its ffmpeg, crashed; a bus error means that the shared memory was full",
        f"nvidia-smi; df -h /dev/shm, and docker run --shm-size=2g …; {RESTART}",
        needs_restart=True,
    ),
    Message(
        "too-early",
        "jobs before HeyGem was ready",
        None,
        "the job came while HeyGem's processes were still loading their models, and they answered after its 10 s",
        f"Send jobs after the log says 数字人图片处理进程启动 or av_transfer load success; {RESTART}",
        needs_restart=True,
    ),
    Message(
        "stuck-at-5",
        "jobs that stay at 5 % (no final result)",
        None,
        "HeyGem's process for faces or audio did not start, usually because CUDA failed in it",
        "Read the log from the last start: docker logs NAME 2>&1 | grep -n -B2 -A20 Traceback; then restart HeyGem",
        needs_restart=True,
    ),
    Message(
        "av-transfer-blocked",
        "drawing blocked (av_transfer maybe blocked)",
        re.compile(r"av_transfer maybe blocked|result info \[\] ?,continue"),
        "the service found its drawing process hanging, and restarted it in the middle of a job",
        "nvidia-smi in the container: if it fails, the container has lost its GPU; docker restart NAME",
        needs_restart=True,
    ),
    Message(
        "queue-full",
        "queue full (任务视频驱动队列满)",
        re.compile("任务视频驱动队列满"),
        "the rendering stage accepted no frames for 60 s, usually because ONNX Runtime runs on the CPU",
        f"{_CHECK_GPU}; {RESTART}",
        needs_restart=True,
    ),
    Message(
        "startup-timeout",
        "start-up time-out (异常信息:[])",
        re.compile(r"任务执行失败，异常信息:\s*\[\]"),
        "the first result took more than 10 s: ONNX Runtime runs on the CPU, or the models were not in the disk cache",
        f"{_CHECK_GPU}; {RESTART}",
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
        "audio-format",
        "audio cannot be read (format audio error)",
        re.compile("format audio error"),
        "usually the audio was not found or is no audio: the path must be the container's",
        "Use a path that the server sees, in ASCII; or ffmpeg -i IN -ar 16000 -ac 1 OUT.wav",
    ),
    Message(
        "audio-length",
        "audio length unknown (三次获取音频时长失败)",
        re.compile("三次获取音频时长失败"),
        "ffprobe could not read the audio: usually it was not found, since the path must be the container's, without "
        "spaces and other characters that mean something to a shell",
        "Use a path that the server sees, such as /code/data/NAME.wav in a container; or ffmpeg -i IN -ar 16000 -ac 1 "
        "OUT.wav",
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
        re.compile("视频帧队列处理异常结束|任务视频驱动队列异常"),
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
        "onnxruntime",
        "errors of ONNX Runtime",
        re.compile(
            r"\*{3,} EP Error \*|onnxruntime::CudaCall|\[E:onnxruntime|\[ONNXRuntimeError\]|onnxruntime_pybind11_state"
        ),
        "a model failed in ONNX Runtime",
        _CHECK_GPU,
    ),
    Message("job-failed", "other failed jobs (任务执行失败)", re.compile("任务执行失败"), "a job failed", _READ_LOG),
)

GENERIC = frozenset({"preprocessing", "digital-human", "onnxruntime", "job-failed"})
"""Messages that say nothing where another one names the cause."""
