"""A task of the service, from its submission to its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import HeygemError
from heygem_cli.heygem.failures import find_codes, make_error, most_specific
from heygem_cli.heygem.installation.files import is_file
from heygem_cli.heygem.service.client import Client, TaskState, public_url
from heygem_cli.heygem.service.log import ServiceLog
from heygem_cli.heygem.service.maps import result_candidates, temp_folders
from heygem_cli.heygem.service.waiting import call, sleep
from heygem_cli.heygem.staging import Tick
from heygem_cli.options import EngineOptions

MIN_DELAY, MAX_DELAY = 1.0, 30.0
"""Seconds between two submissions to a busy service; the delay doubles each time."""
POLL_INTERVAL = 0.5
GRACE = 3.0
"""Seconds until the service must know a task that it has just accepted, and until a finished file must be visible."""
MAX_OUTAGE = 60.0
"""Seconds without a valid answer after which a running task is given up."""
MIN_RATE = 0.5
"""Frames a second that HeyGem draws at least, as long as no job has shown its rate here."""
MARGIN = 10
"""How many times slower than the last jobs a task may be: its picture may be larger, or the GPU shared."""
NOT_ACCEPTED = ("service-bad-parameter", "service-locked", "service-error", "service-unexpected")
"""The service's refusals; after any other error of a submission the task may run."""


@dataclass(frozen=True)
class Task:
    """A task for the service.

    Attributes:
        code: A unique name: no answer and no file of another attempt can be mistaken for this one's.
        audio: Path of the audio in the container.
        video: Path of the video in the container.
        pingpong: Play the video forwards and backwards if the audio is longer.
        face: The user's face video, for errors.
        marker: A file that exists, with the service's URL in it, while the service may work on the task.
    """

    code: str
    audio: str
    video: str
    pingpong: bool
    face: Path
    marker: Path

    def to_dict(self) -> dict[str, object]:
        """Return the body of the submission."""
        switches = {"chaofen": 0, "watermark_switch": 0, "digital_auth": 0, "pn": int(self.pingpong)}
        return {"audio_url": self.audio, "video_url": self.video, "code": self.code, **switches}


def time_limit(frames: int, rates: Sequence[float], stall_timeout: float) -> float:
    """Return how many seconds a task of so many frames may take.

    Args:
        frames: The number of frames to draw.
        rates: The frames a second of the last tasks.
        stall_timeout: Seconds that are allowed for everything else.
    """
    return stall_timeout + frames / (min(rates) / MARGIN if rates else MIN_RATE)


def submit(client: Client, task: Task, timeout: float, tick: Tick) -> None:
    """Submit a task, and retry while the service is busy.

    Raises:
        HeygemError: ``service-busy`` after ``timeout`` seconds, or an error of :class:`Client`.
    """
    end, delay = time.monotonic() + timeout, MIN_DELAY
    while not _submit_once(client, task, tick):
        left = end - time.monotonic()
        if left <= 0:
            message = f"{client.url} has been busy with other tasks for {timeout:.0f} s"
            hint = "Wait for them; if there are none, its last task hangs: restart it (docker restart)"
            raise HeygemError("service-busy", message, hint=hint)
        sleep(min(delay, left), tick)
        delay = min(2 * delay, MAX_DELAY)


def _submit_once(client: Client, task: Task, tick: Tick) -> bool:
    task.marker.write_text(public_url(client.url))
    try:
        accepted = call(lambda: client.submit(task.to_dict()), tick)
    except HeygemError as error:
        if error.code in NOT_ACCEPTED:
            task.marker.unlink()
        raise
    if not accepted:
        task.marker.unlink()
    return accepted


class TaskWatcher:
    """Follows an accepted task until it ends.

    A task stands at 20 % while HeyGem draws, however long that takes, so only its whole time is limited.

    Args:
        client: The service.
        task: The task.
        settings: The maps and the time-out of a stall.
        log: The log of the service, whose steps are progress, too.
        limit: Seconds that the task may take; it goes on as long as the log shows progress.
        report: Called regularly with the progress in percent; an exception that it raises ends the wait.
    """

    def __init__(
        self,
        client: Client,
        task: Task,
        settings: EngineOptions,
        *,
        log: ServiceLog,
        limit: float,
        report: Callable[[float], None],
    ) -> None:
        self._client = client
        self._task = task
        self._maps = settings.maps
        self._stall_timeout = settings.stall_timeout
        self._log = log
        self._limit = limit
        self._report = report
        self._progress = -1.0
        self._last_progress = self._last_answer = self._started = time.monotonic()
        self._known = False

    def wait(self) -> Path:
        """Wait for the result and return its path.

        Raises:
            HeygemError: The task failed or stalled, or the service does not answer any more.
        """
        while True:
            state = self._query()
            if isinstance(state, TaskState) and state.status != "running":
                self._task.marker.unlink()
                if state.status == "failed":
                    raise _task_error(state.message, self._task.face)
                return self._find_result(state.result)
            if state is None and (result := self._find_result_of_unknown_task()):
                return result
            now = time.monotonic()
            if now - self._started > self._limit and now - self._last_progress > self._stall_timeout:
                detail = f"at {max(self._progress, 0):.0f} % after {now - self._started:.0f} s"
                raise state if isinstance(state, HeygemError) else make_error("stalled", self._task.face, detail)
            sleep(POLL_INTERVAL, self._tick)

    def _tick(self) -> None:
        if self._log.poll():
            self._last_progress = time.monotonic()
        self._report(max(0.0, self._progress))

    def _query(self) -> TaskState | HeygemError | None:
        """Return the state of the task, or an error if the next query may succeed."""
        try:
            state = call(lambda: self._client.query(self._task.code), self._tick)
        except HeygemError as error:
            outage = time.monotonic() - self._last_answer
            passing = error.code.startswith("service-") and error.code != "service-stale"
            if not passing or outage > min(MAX_OUTAGE, self._stall_timeout):
                raise
            return error
        self._last_answer = time.monotonic()
        if state is not None:
            self._known = True
            if state.progress != self._progress:
                self._progress, self._last_progress = state.progress, time.monotonic()
        return state

    def _find_result_of_unknown_task(self) -> Path | None:
        """Find the result of a task that the service does not know yet (None) or any more.

        The service forgets a finished task even if its answer to the query was lost on the way.
        """
        if not self._known and time.monotonic() - self._started < GRACE:
            return None
        self._task.marker.unlink()
        result = self._wait_for_file([folder / f"{self._task.code}-r.mp4" for folder in temp_folders(self._maps)])
        if result is None or not _wait_until_written(result, self._tick):
            message = f"{self._client.url} does not know the task any more, and there is no result"
            hint = "The service was probably restarted: check its log (docker logs)"
            raise HeygemError("service-forgot", message, hint=hint)
        return result

    def _find_result(self, name: str) -> Path:
        if self._task.code not in name:
            message = f"{self._client.url} names the result of another task, {name[:80]!r}"
            raise HeygemError("service-stale", message, hint="Restart the service: its answers are out of step")
        candidates = result_candidates(name, self._maps)
        result = self._wait_for_file(candidates)
        if result is None:
            searched = ", ".join(map(str, candidates)) or "nowhere: its path is outside of the mapped folders"
            raise make_error("false-success", self._task.face, f"no result; searched {searched}")
        return result

    def _wait_for_file(self, candidates: Sequence[Path]) -> Path | None:
        """Return the first file that exists; a network file system may show it with a delay."""
        end = time.monotonic() + GRACE
        while True:
            path = next((path for path in candidates if is_file(path)), None)
            if path is not None or not candidates or time.monotonic() > end:
                return path
            sleep(POLL_INTERVAL, self._tick)


def _wait_until_written(path: Path, tick: Tick) -> bool:
    """Wait until a file stops growing; return whether it has any content."""
    size = -1
    while (new_size := path.stat().st_size) != size:
        size = new_size
        sleep(2 * POLL_INTERVAL, tick)
    return size > 0


def _task_error(message: str, face: Path) -> HeygemError:
    detail = " ".join(message.split())[:200] or "no message"
    codes = find_codes(message)
    return make_error(most_specific(codes) if codes else "job-failed", face, detail)
