"""The engine ``heygem-http``."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from heygem_cli.errors import HeygemError, NotCapableError, StoppedError
from heygem_cli.files import PREFIX, work_folder
from heygem_cli.heygem.result import build_result, check_result
from heygem_cli.heygem.service.client import Client, checked_url
from heygem_cli.heygem.service.maps import map_problems, temp_folders
from heygem_cli.heygem.service.task import Task, TaskWatcher, submit
from heygem_cli.heygem.staging import StagedInputs, stage_inputs
from heygem_cli.job import Clock, Inputs, Progress, ProgressCallback, RenderJob, RenderResult
from heygem_cli.media.write import mux_audio
from heygem_cli.options import EngineOptions, FolderMap

CODE_PREFIX = "heygem"
"""Task codes are this prefix and the random part of the work folder's name."""
TASK_FILE = re.compile(rf"{CODE_PREFIX}([0-9a-f]{{12}})[-_.]")
STALE_AFTER = 3600.0
"""Seconds: a run that mounts the folder elsewhere may still need newer files."""
PROBE_CODE = "heygem-doctor"
"""The code of a task that does not exist: querying it has no effect on the service."""


def service_problems(settings: EngineOptions) -> list[HeygemError]:
    """Return what prevents the service from being used."""
    problems = map_problems(settings.maps)
    try:
        checked_url(settings.url)
        Client(settings.url).query(PROBE_CODE)
    except StoppedError:
        raise
    except HeygemError as error:
        if error.exit_code == HeygemError.exit_code:
            error = NotCapableError(error.code, error.message, hint=error.hint)
        problems.append(error)
    return problems


class ServiceEngine:
    """Renders with the official service, see :class:`heygem_cli.engines.Engine`.

    Raises:
        InputError: ``no-map``, ``bad-map``, ``bad-url``.
        NotCapableError: The service does not answer like HeyGem's.
    """

    name = "heygem-http"

    def __init__(self, settings: EngineOptions) -> None:
        for problem in service_problems(settings):
            raise problem
        self._client = Client(settings.url)
        self._settings = settings

    def render(self, job: RenderJob, inputs: Inputs, on_progress: ProgressCallback) -> RenderResult:
        """Render a job, see :class:`heygem_cli.engines.Engine`."""
        clock = Clock()
        maps = self._settings.maps
        shared = maps[0]
        _remove_stale_files(maps)
        with work_folder(shared.host) as folder:
            with clock.stage("prepare"):
                staged = stage_inputs(
                    inputs, folder, loop=job.options.loop, tick=lambda: on_progress(Progress("prepare", 0, None))
                )
            for path in (staged.audio, staged.video):
                path.chmod(0o644)  # the container may run as any user
            task = Task(
                code=f"{CODE_PREFIX}{folder.name.rpartition('-')[2]}",
                audio=str(shared.to_container(staged.audio)),
                video=str(shared.to_container(staged.video)),
                pingpong=job.options.loop != "forward",
                face=job.face,
            )
            with _removing_files(task.code, maps):
                with clock.stage("start"):
                    self._submit(task, staged, on_progress)
                with clock.stage("render"):
                    result = self._wait(task, staged, on_progress)
                    video = check_result(result, staged, job.face, lambda: on_progress(_progress(staged, 99)))
                    on_progress(_progress(staged, 100))
                    mux_audio(
                        video,
                        inputs.audio,
                        job.output,
                        seconds=staged.seconds,
                        overwrite=job.options.overwrite,
                        own=job.own,
                    )
        return build_result(job, video, staged, clock.seconds, engine=self.name)

    def close(self) -> None:
        """Do nothing: the service keeps running."""

    def _submit(self, task: Task, staged: StagedInputs, on_progress: ProgressCallback) -> None:
        start = time.monotonic()
        timeout = 300 + 10 * staged.seconds  # the default of a batch
        submit(self._client, task, timeout, lambda: on_progress(Progress("start", time.monotonic() - start, None)))

    def _wait(self, task: Task, staged: StagedInputs, on_progress: ProgressCallback) -> Path:
        def report(percent: float) -> None:
            on_progress(_progress(staged, min(99, percent)))

        return TaskWatcher(self._client, task, self._settings, report).wait()


def _progress(staged: StagedInputs, percent: float) -> Progress:
    """Convert the service's progress to frames; the last ones count only when the result has been checked."""
    total = round(staged.seconds * staged.fps)
    return Progress("render", total * percent / 100, total)


@contextlib.contextmanager
def _removing_files(code: str, maps: Sequence[FolderMap]) -> Iterator[None]:
    """Remove the files of a task when the block ends; their names begin with its code."""
    try:
        yield
    finally:
        for folder in temp_folders(maps):
            for path in folder.glob(f"{code}*"):
                with contextlib.suppress(OSError):  # owned by the container's user: `heygem doctor` reports it
                    path.unlink()


def _remove_stale_files(maps: Sequence[FolderMap]) -> None:
    """Remove the files of tasks that killed or timed-out runs left."""
    for folder in temp_folders(maps):
        for path in folder.glob(f"{CODE_PREFIX}*"):
            code = TASK_FILE.match(path.name)
            in_use = code and any(any(each.host.glob(f"{PREFIX}*-{code[1]}")) for each in maps)
            with contextlib.suppress(OSError):  # removed meanwhile, or owned by the container's user
                if code and not in_use and time.time() - path.stat().st_mtime > STALE_AFTER:
                    path.unlink()
