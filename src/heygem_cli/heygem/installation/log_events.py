"""The events of HeyGem's log in its three formats: starts, jobs with their progress, and failures.

1. ``[2025-03-18 12:52:07,560] [run.py[line:147]] [INFO] [TEXT]``, the file of config.ini
2. ``[2025-03-23 23:12:18] [process.py[line:108]] [INFO] [TEXT]``, the console of the same
3. ``2025-06-06 10:10:38,930-[service.self_logger]-threading.py[line:870]-INFO: CODE ->TEXT``, the newer official image

Each line may have the prefix of ``docker compose logs`` or ``docker logs --timestamps``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from heygem_cli.heygem.installation.log_messages import GENERIC, MESSAGES

Kind = Literal["start", "ready", "accepted", "progress", "encoding", "failed", "ended", "released", "message"]
"""``ended`` follows ``failed``, too; ``message`` names a cause without ending a job."""
Outcome = Literal["running", "done", "failed", "lost"]
"""``lost``: HeyGem was started again while the job ran."""

MAX_LINE = 4000
"""Characters of a line that are read."""
_STAMP = r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)"
_OLD_HEADER = re.compile(rf"\[{_STAMP}(?:,\d+)?\] \[[^\[\]]+\[line:\d+\]\] \[\w+\] \[")
_NEWER_HEADER = re.compile(rf"(?:{_STAMP}(?:,\d+)?-\[[\w.]+\]-)?\b[\w.]+\[line:\d+\]-[A-Z]+: ?")
TIME = re.compile(_STAMP)
_START = re.compile(
    r"(?P<init>TransDhTask init)|(?P<faces>system ->init_wh_process start)"
    r"|(?P<audio>system ->get_audio_p\[\d+\] transfer_p\[\d+\] start)|(?P<serving>TransDhServer服务启动)"
)
_READY = re.compile("(?P<faces>init_wh_process进程启动)|(?P<drawing>数字人图片处理进程启动)|av_transfer load success")
_OWN_RESTART = re.compile("maybe blocked, restart|->kill all process")
"""The newer image restarts its processes in the middle of a job."""
_IDLE = re.compile(r"result info \[\] ?,continue|-> ?busy\b|^system ->| - - \[")
"""Lines that are no progress: waiting, refusals, the service itself, and requests."""
_ACCEPTED = re.compile(r"任务:(.{1,200}?) -> audio_url:|^(\S+) ->audio_url:")
_NUMBER = r"(\d{1,6}(?:\.\d{1,9})?)\d*"
_INFO = re.compile(rf"-> video_info:\[{_NUMBER}/\d+/\d+/[\d.]+\], audio_info:\[{_NUMBER}\]")
_DRAWING = re.compile(r"任务视频驱动队列启动(?:.*?\blen:(\d{1,9}))?")
_FRAME = re.compile(r"发送完成数据大小:\d+, frameId:(\d{1,9})")
_ENCODING = re.compile(r"任务数字人图片处理已完成|视频帧队列处理已结束|command:ffmpeg .*-crf")
_FAILED = re.compile("任务执行失败|预处理失败")
_ENDED = re.compile(r">>>\s{0,9}任务:(\S{1,200})\s{0,9}耗时|^(\S+) -> ?耗时")
_RESULT = re.compile("任务最终合成结果")
_RELEASED = re.compile("start to release queue")
_KINDS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (_START, "start"),
    (_READY, "ready"),
    (_RELEASED, "released"),
    (_ACCEPTED, "accepted"),
    (_ENDED, "ended"),
)
_CODE = re.compile(r"\[([^\[\]]+)\](?=任务|预处理|视频帧|存在|init_wh|数字人| -> (?:ffmpeg|预处理|get_aud|wh))")
_NEWER_CODE = re.compile(r"^([^\s\[\]>]+) ?->")
CAUSE_WORDS = (
    *("NVIDIA driver", "CUDA", "CPUExecution", "onnxruntime", "ONNXRuntime", "EP Error", "no kernel", "not compatible"),
    *("emory", "bad_alloc", "No module named", "ffmpeg: ", "directory: 'ffmpeg", "directory: ffmpeg", "maybe blocked"),
    *("result info []", "驱动队列满", "失败", "异常", "多人脸", "init_wh result", "format ", "no final result"),
    *("attribute 'evaluate'", "No space left", "Segmentation", "Bus error", "SIGSEGV", "SIGBUS", "Illegal instr"),
    *("Thread creation", "pthread_create", "start new thread"),
)
STEP_WORDS = ("]-", "TransDhTask init", "服务启动", "进程启动", "任务", "耗时", "发送完成", "视频帧", "command:ffmpeg")
"""Words of which one is in every line that can be an event."""


@dataclass(frozen=True)
class Event:
    """What a line reports.

    Attributes:
        code: HeyGem's name of the job; empty if the line names none.
        causes: The names of the messages that the line contains.
        frame: How many frames have been drawn.
        total: How many there are.
        part: Which line of several of a start, or of the readiness, this is.
        durations: The frame rate of the face video, and the seconds of the audio.
    """

    kind: Kind
    time: datetime | None
    text: str
    code: str = ""
    causes: frozenset[str] = frozenset()
    frame: int | None = None
    total: int | None = None
    part: str = ""
    durations: tuple[float, float] | None = None


@dataclass
class Job:
    """A job in the log.

    Attributes:
        code: HeyGem's name of it; empty if the log begins after its acceptance.
        accepted: When HeyGem accepted it; the first line that names it, if the log begins later.
        updated: When it last made progress.
        first_frame: The time and the number of the first frames drawn.
        audio_seconds: The length of its audio; only the newer image logs it.
        causes: The names of the messages about it, without those that say nothing beside the others.
        caused: When the last of them was written.
        early: Whether it was accepted before HeyGem's processes were ready.
        steps: How many lines of progress followed its acceptance.
    """

    code: str
    accepted: datetime | None
    updated: datetime | None = None
    ended: datetime | None = None
    outcome: Outcome = "running"
    encoding: bool = False
    has_result: bool = False
    frames: int = 0
    total: int | None = None
    first_frame: tuple[datetime, int] | None = None
    audio_seconds: float | None = None
    causes: set[str] = field(default_factory=set)
    caused: datetime | None = None
    early: bool = False
    steps: int = 0

    @property
    def frame_rate(self) -> float | None:
        """Frames drawn per second, where the log shows them."""
        if self.first_frame is None or self.updated is None:
            return None
        time, frame = self.first_frame
        seconds = (self.updated - time).total_seconds()
        return (self.frames - frame) / seconds if seconds > 0 and self.frames > frame else None


def find_header(line: str) -> re.Match[str] | None:
    """Return what precedes the text of a line in a format that is known."""
    return (_OLD_HEADER.search(line) or _NEWER_HEADER.search(line)) if "[line:" in line else None


def _causes(line: str) -> frozenset[str]:
    if not any(word in line for word in CAUSE_WORDS):
        return frozenset()
    return frozenset(each.name for each in MESSAGES if each.pattern and each.pattern.search(line))


def read_event(line: str, time: datetime | None = None) -> Event | None:
    """Return what a line reports, or None; ``time`` is that of the line before, for lines without one."""
    line = line[:MAX_LINE]
    header = find_header(line)
    stamp = header if header and header[1] else TIME.search(line)
    if stamp:
        time = _to_time(*stamp.group(1, 2)) or time
    text = (line[header.end() :] if header else line).strip()
    if header and header.re is _OLD_HEADER:
        text = text.removesuffix("]")
    causes = _causes(line)
    for pattern, kind in _KINDS:
        if found := pattern.search(text):
            code = next(filter(None, found.groups()), "") if kind in ("accepted", "ended") else ""
            return Event(kind, time, text, code, causes, part=found.lastgroup or "")
    named = _CODE.search(text) or (header and _NEWER_CODE.search(text))
    code = named[1] if named and named[1] != "system" else ""
    if _FAILED.search(text):
        return Event("failed", time, text, code, causes)
    if causes or _OWN_RESTART.search(text):
        return Event("message", time, text, code, causes)
    return None if _IDLE.search(text) else _read_progress(text, time, code)


def _read_progress(text: str, time: datetime | None, code: str) -> Event | None:
    drawing, frame, info = _DRAWING.search(text), _FRAME.search(text), _INFO.search(text)
    kind: Kind = "encoding" if _ENCODING.search(text) else "progress"
    if not (code or drawing or frame or info or kind == "encoding" or "init_wh result" in text):
        return None
    total = int(drawing[1]) if drawing and drawing[1] else None
    durations = (float(info[1]), float(info[2])) if info else None
    return Event(kind, time, text, code, frame=int(frame[1]) if frame else None, total=total, durations=durations)


def _to_time(date: str, clock: str) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{date} {clock}")
    except ValueError:
        return None


class LogReader:
    """Reads a log line by line, in whole or while it grows, and keeps what it says.

    Attributes:
        jobs: All jobs, in the order of their acceptance.
        started: When HeyGem last started; None if the log does not say.
        ready: Whether its processes have loaded their models since then.
        outside: The last time of each message outside of any job, before and since the last start.
        first_job: The index in ``jobs`` of the first job since the last start.
        healed: How many of the first jobs came before HeyGem itself last emptied its queues.
        interrupted: The jobs that ran when HeyGem last started.
        newer: Whether the log is that of the newer image.
    """

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.starts = 0
        self.started: datetime | None = None
        self.ready = True
        self.outside: dict[str, str] = {}
        self.outside_before: dict[str, str] = {}
        self.first_job = 0
        self.healed = 0
        self.interrupted: list[Job] = []
        self.newer = False
        self._names_results = False
        self.last: datetime | None = None
        self._start_parts: set[str] = set()
        self._ready_parts: set[str] = set()
        self._own_restart: set[str] = set()

    @property
    def current(self) -> Job | None:
        """The job that runs, if any."""
        return self.jobs[-1] if self.jobs and self.jobs[-1].outcome == "running" else None

    def read_lines(self, lines: Iterable[str]) -> list[Event]:
        """Read lines, and return their events."""
        return [event for event in map(self.read, lines) if event is not None]

    def read(self, line: str, time: datetime | None = None) -> Event | None:
        """Read a line, and return what it reports, with the code of the job where that is clear."""
        event = read_event(line, time or self.last)
        if event is not None:
            self.add(event)
        return event

    def add(self, event: Event) -> None:
        """Take an event into account."""
        self.last = event.time or self.last
        if event.kind == "start":
            self._start(event)
        elif event.kind == "ready":
            self._become_ready(event)
        elif event.kind == "released":
            self.healed = len(self.jobs)
        elif event.kind == "accepted":
            self._accept(event)
        else:
            self._update(event)
        if event.kind in ("start", "ready") and event.causes:
            self._add_message(event, None)

    def _start(self, event: Event) -> None:
        self.newer = self.newer or event.part in ("faces", "audio")
        if event.part in self._own_restart:
            self._own_restart.remove(event.part)
            return
        self._own_restart = set()
        if self._start_parts and event.part not in self._start_parts and "serving" not in self._start_parts:
            self._start_parts.add(event.part)  # another line of the same start
            return
        self._start_parts = {event.part}
        self.interrupted = [self.current] if self.current else []
        for job in self.interrupted:
            job.outcome = "lost"
        self.starts, self.started, self.first_job = self.starts + 1, event.time, len(self.jobs)
        self.outside_before |= self.outside
        self.outside, self._ready_parts, self.ready, self.healed = {}, set(), False, 0

    def _become_ready(self, event: Event) -> None:
        self._ready_parts.add(event.part)
        self.ready = "" in self._ready_parts or {"faces", "drawing"} <= self._ready_parts
        for job in self.jobs[self.first_job :]:
            if job.early and "startup-timeout" in job.causes:
                job.causes = job.causes - {"startup-timeout"} | {"too-early"}

    def _accept(self, event: Event) -> None:
        last = self.jobs[-1] if self.jobs else None
        if last is not None and last.code == event.code and _seconds(last.accepted, event.time) <= 1:
            return  # two logs of the same HeyGem
        self.newer = self.newer or "->audio_url" in event.text
        self.jobs.append(Job(event.code, event.time, event.time, early=not self.ready))

    def _update(self, event: Event) -> None:
        job = self._job_of(event)
        if job is None:
            if event.causes:
                self._add_message(event, None)
            return
        if event.causes:
            self._add_message(event, job)
        if _OWN_RESTART.search(event.text):
            self._own_restart = {"faces", "audio"}
        if event.kind in ("progress", "encoding"):
            self._progress(job, event)
        elif event.kind == "failed":
            if job.outcome != "failed":
                job.outcome, job.ended = "failed", event.time
            if self.newer and "no-result" in job.causes and job.steps == 0:
                job.causes = job.causes - {"no-result"} | {"stuck-at-5"}
        elif event.kind == "ended":
            self._end(job, event)

    def _end(self, job: Job, event: Event) -> None:
        """End a job; that it failed to draw is written nowhere but in the cause, or by the missing result."""
        job.ended = job.ended or event.time
        if job.outcome != "running":
            return
        if job.causes & {"frame-queue", "numexpr-missing", "queue-full", "no-result"} or (
            self._names_results and not job.has_result
        ):
            job.outcome = "failed"
            self._add_message(Event("message", event.time, event.text, causes=frozenset({"job-failed"})), job)
            return
        job.outcome = "done"
        if self.newer:
            self.healed = len(self.jobs)

    def _progress(self, job: Job, event: Event) -> None:
        if job.outcome != "running":
            return
        job.updated = event.time or job.updated
        job.encoding = job.encoding or event.kind == "encoding"
        job.total = event.total or job.total
        if _RESULT.search(event.text):
            job.has_result = self._names_results = True
        if event.durations:
            job.audio_seconds = event.durations[1]
        else:
            job.steps += 1
        if event.frame is not None:
            job.frames = max(job.frames, event.frame)
            if job.first_frame is None and event.time:
                job.first_frame = (event.time, event.frame)

    def _job_of(self, event: Event) -> Job | None:
        since_start = self.jobs[self.first_job :]
        named = next((job for job in reversed(since_start) if event.code and job.code == event.code), None)
        if named is not None:
            return named
        if event.code and since_start and since_start[-1].code == "":
            since_start[-1].code = event.code  # until now only its frames were seen
            return since_start[-1]
        is_started = event.code or (event.frame is not None and not since_start)
        if is_started and event.kind != "ended":  # it was accepted before the part of the log that is known
            self.jobs.append(Job(event.code, event.time, event.time))
            return self.jobs[-1]
        last = since_start[-1] if since_start and not event.code else None
        # What native code prints may come just after the job.
        is_its = last is not None and (last.outcome == "running" or _seconds(last.ended, event.time) <= 5)
        return last if is_its else None

    def _add_message(self, event: Event, job: Job | None) -> None:
        if job is not None:
            job.causes, job.caused = _without_consequences(job.causes | event.causes), event.time
            return
        self.outside |= dict.fromkeys(event.causes, str(event.time) if event.time else "")
        specific = _without_consequences(self.outside)
        self.outside = {name: time for name, time in self.outside.items() if name in specific}


def _without_consequences(causes: Iterable[str]) -> set[str]:
    """Remove the messages that say nothing beside the others."""
    found = set(causes)
    if found & {"no-driver", "driver-too-old"}:
        found.discard("cuda-missing")
    if "numexpr-missing" in found:
        found.discard("frame-queue")
    if "no-threads" in found:
        found -= {"queue-full", "frame-queue", "startup-timeout"}
    return found - GENERIC or found


def _seconds(earlier: datetime | None, later: datetime | None) -> float:
    return (later - earlier).total_seconds() if earlier and later else 0.0
