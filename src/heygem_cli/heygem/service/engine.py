"""The engine ``heygem-http`` from end to end, and what keeps it from working."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from heygem_cli.errors import HeygemError, NotCapableError
from heygem_cli.files import PREFIX, work_folder
from heygem_cli.heygem.result import check_result, result_of
from heygem_cli.heygem.service.client import Client, checked_url
from heygem_cli.heygem.service.maps import Map, map_problems, temp_folders
from heygem_cli.heygem.service.task import Task, Watch, submit
from heygem_cli.heygem.staging import Staged, stage_inputs
from heygem_cli.job import Clock, Inputs, Progress, ProgressCallback, RenderJob, RenderResult
from heygem_cli.media.write import join_sound
from heygem_cli.options import ServiceSettings

NAME = "heygem-http"
OURS = "heygem"
"""What the codes of our jobs begin with; the name of the job's folder follows."""
NAMED = re.compile(rf"{OURS}([0-9a-f]{{12}})[-_.]")
OLD = 3600.0
"""Seconds: runs that share the folder under other names are not disturbed."""
PROBE = "heygem-doctor"
"""The code of a job that does not exist: to ask for it changes nothing at the service."""


def service_problems(settings: ServiceSettings) -> list[HeygemError]:
    """Say what keeps the service from being used."""
    try:
        checked_url(settings.url)
        Client(settings.url).query(PROBE)
    except HeygemError as error:
        found = [error if error.exit_code != HeygemError.exit_code else _incapable(error)]
    else:
        found = []
    return [*map_problems(settings.maps), *found]


def _incapable(error: HeygemError) -> NotCapableError:
    return NotCapableError(error.code, error.message, hint=error.hint)


class ServiceEngine:
    """Drives the official service, see :class:`heygem_cli.engines.Engine`.

    Args:
        settings: where it is, and what folders it shares with this machine.

    Raises:
        InputError: ``no-map``, ``bad-map``, ``bad-url``.
        NotCapableError: the service does not answer as HeyGem's does.
    """

    name = NAME

    def __init__(self, settings: ServiceSettings) -> None:
        for problem in service_problems(settings):
            raise problem
        self._client = Client(settings.url)
        self._maps = settings.maps
        self._stall = settings.stall_timeout

    def render(self, job: RenderJob, inputs: Inputs, on_progress: ProgressCallback) -> RenderResult:
        """Render one job, see :class:`heygem_cli.engines.Engine`."""
        clock = Clock()
        shared = self._maps[0]
        _remove_old(self._maps)
        with work_folder(shared.host) as folder:
            with clock.stage("prepare"):
                staged = stage_inputs(
                    inputs, folder, loop=job.options.loop, tick=lambda: on_progress(Progress("prepare", 0, None))
                )
            for path in (staged.audio, staged.video):
                path.chmod(0o644)  # whoever the container's user is
            task = _task(staged, shared, job, code=f"{OURS}{folder.name.removeprefix(PREFIX)}")
            with _swept(task.code, self._maps):
                with clock.stage("start"):
                    self._submit(task, staged, on_progress)
                with clock.stage("render"):
                    result = self._watch(task, staged, on_progress)
                    made = check_result(result, staged, job.face, lambda: on_progress(_share(staged, 99)))
                    on_progress(_share(staged, 100))
                    join_sound(made, inputs.audio, job.output, seconds=staged.seconds, overwrite=job.overwrite)
        return result_of(job, made, staged, clock.seconds, engine=self.name)

    def close(self) -> None:
        """There is nothing to let go of: the service belongs to others."""

    def _submit(self, task: Task, staged: Staged, on_progress: ProgressCallback) -> None:
        began = time.monotonic()
        limit = 300 + 10 * staged.seconds  # the time that a batch gives a job
        submit(self._client, task, limit, lambda: on_progress(Progress("start", time.monotonic() - began, None)))

    def _watch(self, task: Task, staged: Staged, on_progress: ProgressCallback) -> Path:
        def told(percent: float) -> None:
            on_progress(_share(staged, min(99, percent)))

        return Watch(self._client, task, self._maps, self._stall, told).result()


def _task(staged: Staged, shared: Map, job: RenderJob, code: str) -> Task:
    return Task(
        code=code,
        audio=str(shared.to_container(staged.audio)),
        video=str(shared.to_container(staged.video)),
        pingpong=job.options.loop != "forward",
        face=job.face,
    )


def _share(staged: Staged, percent: float) -> Progress:
    """The service's progress in frames; all of them only when the result has been checked."""
    total = round(staged.seconds * staged.fps)
    return Progress("render", total * percent / 100, total)


@contextlib.contextmanager
def _swept(code: str, maps: Sequence[Map]) -> Iterator[None]:
    """Remove what the service made for a job, whatever became of it; its names begin with the job's code."""
    try:
        yield
    finally:
        for folder in temp_folders(maps):
            for path in folder.glob(f"{code}*"):
                with contextlib.suppress(OSError):  # of the container's own user: `heygem doctor` tells of it
                    path.unlink()


def _remove_old(maps: Sequence[Map]) -> None:
    """Remove what the service made for jobs that nobody waits for: killed ones, and those that were given up."""
    for folder in temp_folders(maps):
        for path in folder.glob(f"{OURS}*"):
            code = NAMED.match(path.name)
            waited_for = code and any((each.host / f"{PREFIX}{code[1]}").exists() for each in maps)
            with contextlib.suppress(OSError):  # gone already, or of the container's own user
                if code and not waited_for and time.time() - path.stat().st_mtime > OLD:
                    path.unlink()
