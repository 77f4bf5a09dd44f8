"""What HeyGem is doing now, according to its log: whether it is ready to draw, and the progress of its job."""

from __future__ import annotations

import time

from heygem_cli.heygem.installation.log_events import Event, LogReader


class JobLog:
    """The state of HeyGem and of its current job, from the lines of its log.

    Attributes:
        total: The number of frames of the job, if the log tells.
        frames: How many of them are drawn.
        stage: What HeyGem does with the job, in a few words.
        faces_detected: Whether the job's start has ended.

    Args:
        ready: Whether HeyGem counts as ready before the log shows a start.
    """

    def __init__(self, *, ready: bool) -> None:
        self._reader = LogReader()
        self.ready = ready
        self.new_job()

    @property
    def ready(self) -> bool:
        """Whether both processes of HeyGem have loaded their models."""
        return self._reader.ready

    @ready.setter
    def ready(self, ready: bool) -> None:
        self._reader.ready = ready

    def new_job(self) -> None:
        """Forget the last job."""
        self.total: int | None = None
        self.frames = 0
        self.stage = ""
        self.faces_detected = False
        self._first: tuple[float, int] | None = None
        self._last = (0.0, 0)

    def read(self, line: str) -> bool:
        """Read a line; return whether it is a step of HeyGem."""
        event = self._reader.read(line)
        if event is None or event.kind in ("message", "failed"):
            return False
        if event.kind == "progress":
            self._draw(event)
        elif event.kind in ("encoding", "ended"):
            self.stage = "encoding"
        return True

    @property
    def description(self) -> str:
        """The stage, and the frames a second once they are known."""
        if self.stage != "drawing" or self._first is None or self._last[1] <= self._first[1]:
            return self.stage
        rate = (self._last[1] - self._first[1]) / max(0.001, self._last[0] - self._first[0])
        return f"drawing, {rate:.1f} frames/s"

    def _draw(self, event: Event) -> None:
        self.total = event.total or self.total
        if event.frame is not None:
            self.frames = max(self.frames, min(event.frame, self.total or event.frame))
            self._last = (time.monotonic(), self.frames)
            self._first = self._first or self._last  # the first batch loads models, and tells nothing about the rate
        if event.frame is not None or "init_wh result" in event.text or "任务视频驱动队列启动" in event.text:
            self.stage = "drawing"
            self.faces_detected = True
        elif event.durations or "get_aud_feat" in event.text:
            self.stage = "looking for the face"
