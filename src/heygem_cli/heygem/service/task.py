"""One job at the service, from the submission to the place of its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import HeygemError
from heygem_cli.heygem.failures import failure, most_telling, recognised
from heygem_cli.heygem.service.client import Client, State
from heygem_cli.heygem.service.maps import Map, result_places, temp_folders
from heygem_cli.heygem.service.waiting import asked, pause

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds between two submissions to a busy service: doubled each time."""
POLL = 0.5
"""Seconds between two questions for a job."""
GRACE = 3.0
"""Seconds for a service to get to know a job that it has just accepted, and for a file to show up."""
SILENCE = 15.0
"""Seconds without one good answer, while a job runs, after which the service is given up."""


@dataclass(frozen=True)
class Task:
    """A job as the service shall do it.

    Attributes:
        code: never used before, so that no answer and no file of another attempt can be taken for this one's.
        audio: as the container names it.
        video: likewise.
        pingpong: play the video forwards and backwards where the audio is longer.
        face: the user's face video, for errors.
    """

    code: str
    audio: str
    video: str
    pingpong: bool
    face: Path

    def to_dict(self) -> dict[str, object]:
        """What is submitted."""
        return {
            "audio_url": self.audio,
            "video_url": self.video,
            "code": self.code,
            "chaofen": 0,
            "watermark_switch": 0,
            "digital_auth": 0,
            "pn": int(self.pingpong),
        }


def submit(client: Client, task: Task, seconds: float, tick: Callable[[], None]) -> None:
    """Hand a job over, again and again while the service is busy with another one.

    Raises:
        HeygemError: ``service-busy`` after so many seconds, or as :class:`Client` says.
    """
    end, wait = time.monotonic() + seconds, FIRST_WAIT
    while not asked(lambda: client.submit(task.to_dict()), tick):
        left = end - time.monotonic()
        if left <= 0:
            message = f"{client.url} has been busy with other jobs for {seconds:.0f} s"
            hint = "Wait for them; if there are none, its last one hangs: restart it (docker restart)"
            raise HeygemError("service-busy", message, hint=hint)
        pause(min(wait, left), tick)
        wait = min(2 * wait, LONGEST_WAIT)


class Watch:
    """Follows an accepted job to its end.

    Args:
        client: of the service.
        task: accepted.
        maps: shared folders.
        stall: seconds without progress after which it is given up.
        report: is told the progress in percent, often; what it raises ends the wait.
    """

    def __init__(
        self, client: Client, task: Task, maps: Sequence[Map], stall: float, report: Callable[[float], None]
    ) -> None:
        self._client = client
        self._task = task
        self._maps = maps
        self._stall = stall
        self._report = report
        self._progress = -1.0
        self._moved = self._heard = self._began = time.monotonic()
        self._known = False

    def result(self) -> Path:
        """Wait for the result.

        Raises:
            HeygemError: the job failed, or nothing more is heard of it.
        """
        while True:
            state = self._ask()
            if isinstance(state, State):
                if state.status == "failed":
                    raise _failed(state.message, self._task.face)
                if state.status == "done":
                    return self._named(state.result)
            elif state is None and (found := self._forgotten()):
                return found
            if time.monotonic() - self._moved > self._stall:
                detail = f"at {max(self._progress, 0):.0f} % for {self._stall:.0f} s"
                raise state if isinstance(state, HeygemError) else failure("stalled", self._task.face, detail)
            pause(POLL, self._tick)

    def _tick(self) -> None:
        self._report(max(0.0, self._progress))

    def _ask(self) -> State | HeygemError | None:
        """Ask for the job; an answer that fails is given as an error while there is hope for another one."""
        try:
            state = asked(lambda: self._client.query(self._task.code), self._tick)
        except HeygemError as error:
            hopeless = error.code == "service-stale"
            if hopeless or time.monotonic() - self._heard > min(SILENCE, self._stall):
                raise
            return error
        self._heard = time.monotonic()
        if state is not None:
            self._known = True
            if state.progress != self._progress:
                self._progress, self._moved = state.progress, time.monotonic()
        return state

    def _forgotten(self) -> Path | None:
        """Look for the result of a job that the service does not know: not yet, or not any more.

        An answer that was lost on its way takes the entry of a finished job with it.
        """
        if not self._known and time.monotonic() - self._began < GRACE:
            return None
        places = [folder / f"{self._task.code}-r.mp4" for folder in temp_folders(self._maps)]
        found = self._awaited(places)
        if found is None or not _settled(found, self._tick):
            message = f"{self._client.url} does not know the job any more, and there is no result of it"
            hint = "It was restarted, most likely: look at its log (docker logs)"
            raise HeygemError("service-forgot", message, hint=hint)
        return found

    def _awaited(self, places: Sequence[Path]) -> Path | None:
        """Give the first of these files that is there, or comes within a moment: a network's folder may lag."""
        end = time.monotonic() + GRACE
        while True:
            found = next((place for place in places if place.is_file()), None)
            if found is not None or not places or time.monotonic() > end:
                return found
            pause(POLL, self._tick)

    def _named(self, result: str) -> Path:
        """Find the result that a finished entry names."""
        if self._task.code not in result:
            message = f"{self._client.url} names the result of another job, {result[:80]!r}"
            raise HeygemError("service-stale", message, hint="Restart the service: its answers are out of step")
        places = result_places(result, self._maps)
        found = self._awaited(places)
        if found is None:
            looked = ", ".join(map(str, places)) or "nowhere: the name leads out of the mapped folders"
            raise failure("false-success", self._task.face, f"no result; looked for {looked}")
        return found


def _settled(path: Path, tick: Callable[[], None]) -> bool:
    """Wait while a file is being written; tell whether it holds anything."""
    size = -1
    while (now := path.stat().st_size) != size:
        size = now
        pause(2 * POLL, tick)
    return size > 0


def _failed(message: str, face: Path) -> HeygemError:
    said = " ".join(message.split())[:200] or "without a word"
    codes = recognised(message)
    return failure(most_telling(codes) if codes else "job-failed", face, said)
